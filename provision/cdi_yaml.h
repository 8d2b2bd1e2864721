/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A YAML or JSON text as a bounded tree.  The only home of libyaml.  No anchors, aliases, tags, merges or second
 * documents: a CDI specification needs none, and each is a way to make a small file large or two readers disagree.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define CDI_YAML_TEXT_MAX  (1 << 20)
#define CDI_YAML_NODES_MAX 16384
#define CDI_YAML_DEPTH_MAX 16

enum cdi_yaml_kind { CDI_YAML_SCALAR, CDI_YAML_LIST, CDI_YAML_MAP };

struct cdi_yaml_node {
	enum cdi_yaml_kind kind;
	bool plain;        /* a scalar without quotes: may be a number, null, true */
	unsigned int line; /* from 1 */
	const char *key;   /* in a map, else NULL */
	const char *text;  /* of a scalar, NUL-terminated without NULs inside; else "" */
	struct cdi_yaml_node *child, *next; /* first child; next in the same list or map */
};
struct cdi_yaml;

/* 0 and *out (cdi_yaml_free), or -EINVAL with "line N: reason" (no file name). */
int cdi_yaml_parse(const char *text, size_t len, struct cdi_yaml **out, struct err *e);
const struct cdi_yaml_node *cdi_yaml_root(const struct cdi_yaml *y);
void cdi_yaml_free(struct cdi_yaml *y);
