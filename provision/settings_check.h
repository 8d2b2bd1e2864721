/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside of settings_load(): a configuration on its way in, with the line of every key, and the checks across keys and
 * files that come after each value has been read.
 */
#pragma once
#include "schema.h"
#include "settings.h"

/* Where the value of a row came from. */
struct settings_origin {
	unsigned int line; /* 0: not in the file */
	bool bad;          /* refused: do not check it any further */
};

struct settings_workspace {
	struct spec spec;
	unsigned int file;                            /* index into loader->files */
	unsigned int line;                            /* of its section */
	char section[STR_NAME_MAX + 12];              /* "workspace" or "workspace NAME" */
	struct settings_origin keys[SCHEMA_ROWS_MAX]; /* by row of schema_rows */
};

struct settings_problem {
	unsigned int file, line, order;
	char *text;
};

struct settings_loader {
	struct settings *s;
	char **files; /* [0]: sshbay.ini */
	unsigned int nfiles;
	struct settings_origin
		keys[SCHEMA_ROWS_MAX]; /* of sshbay.ini, by row; workspace rows: of [defaults] */
	struct settings_workspace *workspaces;
	unsigned int nworkspaces;
	struct settings_problem *problems;
	unsigned int nproblems;
	bool no_memory;
};

/* Where a problem is. Line 0: the file as a whole. `section` and `key` may be "". */
struct settings_place {
	unsigned int file, line; /* file: index into loader->files */
	const char *section, *key;
};
void settings_report_at(struct settings_loader *l, struct settings_place place, const char *fmt,
			...) __attribute__((format(printf, 3, 4)));

/* Everything that needs more than one value, or the host (user names, the banner). Fills in what is derived. */
void settings_check_all(struct settings_loader *l);
/* The part of it that looks at the files of [auth]. */
void settings_check_auth(struct settings_loader *l);
/* The part about attach, and the gateways that go with it. */
void settings_check_attach(struct settings_loader *l);
