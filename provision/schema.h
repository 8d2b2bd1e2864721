/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row per configuration key.  The rows drive parsing, checking, dumping, the sample file and the key table of
 * sshbay.ini(5).  The rows of section "workspace" serve workspaces.d/NAME.ini, [workspace NAME] and [defaults].
 */
#pragma once
#include "base/err.h"
#include "settings.h"
#include <stddef.h>
#include <stdio.h>

#define SCHEMA_ROWS_MAX  160  /* at least schema_nrows */
#define SCHEMA_VALUE_MAX 2048 /* longest text of a value, with NUL */

struct schema_row;
/*
 * How a kind of value is read and written.  `base` is the struct settings (or the struct spec, for workspace rows) that
 * row->offset counts from.  parse gets no empty text unless the row says SCHEMA_EMPTY; on failure `e` holds the reason
 * alone.  A field set by parse and written by print parses to the same field again.
 */
struct schema_type {
	const char *syntax; /* for the manual: "yes or no" */
	int (*parse)(const struct schema_row *row, const char *text, void *base, struct err *e);
	void (*print)(const struct schema_row *row, const void *base, char *buf, size_t size);
};

enum schema_flag {
	SCHEMA_EMPTY = 1,  /* may be empty: parse is called with "" */
	SCHEMA_SINGLE = 2, /* names one object: makes no sense in [defaults] */
	SCHEMA_ZERO = 4,   /* numbers: 0 is allowed below min */
};

struct schema_row {
	const char *section, *key;
	const struct schema_type *type;
	uint64_t min, max;    /* numbers: range; lists: number of entries */
	const char *standard; /* the value when the key is absent, as text */
	const char *help;     /* sentences for the manual and the sample file */
	size_t offset, size;  /* of the field */
	size_t count;         /* lists: offset of the uint32_t that counts them */
	unsigned int flags;
	const char *const *words; /* allowed words, NULL-terminated, or NULL */
};

extern const struct schema_row schema_rows[];
extern const unsigned int schema_nrows;

/* The row, or NULL. `section` as in the file: "gate", "defaults", "workspace", "workspace NAME". */
const struct schema_row *schema_find(const char *section, const char *key);
/* A section of sshbay.ini, "workspace NAME" included? */
bool schema_is_section(const char *section);
/* " (did you mean 'x'?)", or "" when nothing is near. Returns buf. */
const char *schema_suggest_key(const char *section, const char *key, char *buf, size_t size);
const char *schema_suggest_section(const char *section, char *buf, size_t size);
/* Parse one value into base + row->offset. The reason in `e` on failure. */
int schema_parse(const struct schema_row *row, const char *text, void *base, struct err *e);
const char *schema_print(const struct schema_row *row, const void *base, char *buf, size_t size);
/* Give every field of sshbay.ini and of settings->defaults its standard value. */
int schema_defaults(struct settings *s, struct err *e);

/* conf/sshbay.ini: every key as a comment with its help and standard value. */
void schema_write_sample(FILE *f);
/* The key tables of sshbay.ini(5), in man macros. */
void schema_write_man(FILE *f);
