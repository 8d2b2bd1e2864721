/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Container Device Interface (github.com/cncf-tags/container-device-interface, SPEC.md, 0.3.0 to 1.1.0): what a vendor
 * says a container needs for a device.  Decoding is pure and bounded; the directories are root's, and read in
 * provisiond's main process and in workers.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CDI_NAME_MAX    128 /* vendor/class=name */
#define CDI_DEVICES_MAX 256 /* of one file */
#define CDI_SPECS_MAX   64

/* All texts live as long as the cdi_spec. NULL: not given. */
struct cdi_node {
	const char *path, *host, *type, *access; /* type: c, b, u, p or NULL; access: r, w, m */
	uint32_t major, minor, mode, uid, gid;
	bool has_numbers, has_mode, has_uid, has_gid;
	unsigned int line;
};
struct cdi_mount {
	const char *host, *path;
	unsigned int line;
};
struct cdi_hook {
	const char *path;
	const char **args;
	unsigned int nargs, line;
};
struct cdi_edits {
	const char **env;
	struct cdi_node *nodes;
	struct cdi_mount *mounts;
	struct cdi_hook *hooks;
	unsigned int nenv, nnodes, nmounts, nhooks;
	bool ignored; /* it has gids, network devices or resource controls, which do not apply here */
};
struct cdi_device {
	const char *name;
	struct cdi_edits edits;
	unsigned int line;
};
struct cdi_spec {
	char file[256], vendor[96], class[64];
	unsigned int priority; /* position of its directory: higher wins */
	struct cdi_device *devices;
	unsigned int ndevices;
	struct cdi_edits edits; /* for every device of the file */
	struct cdi_yaml *tree;
	void *pool;
};

struct cdi_list {
	struct cdi_spec *specs[CDI_SPECS_MAX];
	unsigned int n;
	char problems[512]; /* files that could not be used, with the first reason of each */
};

/* One file's text. 0 and *out, or -EINVAL "FILE:LINE: reason". */
int cdi_decode(const char *file, const char *text, size_t len, struct cdi_spec **out,
	       struct err *e);
void cdi_spec_free(struct cdi_spec *s);
/*
 * Every *.json and *.yaml of the ':'-separated directories; one that is missing is empty. A file that cannot be used
 * is left out and named in `problems`.
 */
void cdi_load(const char *dirs, struct cdi_list *out);
void cdi_free(struct cdi_list *l);
/*
 * The device "vendor/class=name". -ENOENT none (a broken file that may have had it is named), -ENOTUNIQ two files of
 * the same directory have it.
 */
int cdi_find(const struct cdi_list *l, const char *name, const struct cdi_spec **spec,
	     const struct cdi_device **dev, struct err *e);
