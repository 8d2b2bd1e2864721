/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file layer of the configuration and of the records: an INI text read by iniparser and checked by a strict pass of
 * our own, which knows the line numbers and refuses what iniparser silently accepts.  Where the two readings differ the
 * file is refused at that line.  Knows nothing about what the keys mean.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>

#define CONF_BYTES_MAX   262144 /* size of a file */
#define CONF_LINE_MAX    1000   /* bytes of a line; iniparser's own limit is 1023 */
#define CONF_ENTRIES_MAX 2048   /* keys and sections of a file */

struct conf_entry {
	const char *section, *key, *value; /* owned by the struct conf; value may be "" */
	unsigned int line;                 /* from 1 */
};
struct conf_section {
	const char *name;
	unsigned int line;
};
struct conf {
	struct conf_entry *entries; /* in file order */
	unsigned int nentries;
	struct conf_section *sections;
	unsigned int nsections;
	unsigned int problems; /* how often the caller's function was called */
	char *text;            /* names point into this */
	void *reader;          /* iniparser's dictionary: values point into it */
};

/* Told of each problem, in file order. Line 0: the file as a whole. `section` and `key` may be "". */
typedef void (*conf_problem)(void *ctx, unsigned int line, const char *section, const char *key,
			     const char *reason);

/*
 * Read `path`: a regular file of the owner root (of the effective user when that is not root), it and its directory
 * writable by the owner alone.  0 and *out (conf_free) when there was nothing to report; -EINVAL when there were
 * problems, and then *out holds the lines that were well-formed so that the caller can go on checking, or is NULL when
 * the file could not be read at all.
 */
int conf_load(const char *path, struct conf **out, conf_problem fn, void *ctx);
/* The same for text in memory. Not NUL-terminated; may hold any bytes. */
int conf_parse(const void *text, size_t len, struct conf **out, conf_problem fn, void *ctx);
void conf_free(struct conf *c);
/* The entry, or NULL. */
const struct conf_entry *conf_find(const struct conf *c, const char *section, const char *key);
