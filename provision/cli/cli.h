/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs of `sshbay`.  Each gets its own arguments (argv[0] is the verb) and returns the exit status of DESIGN
 * section 7.  The table in main.c drives the dispatch, the help and the completion.
 */
#pragma once
#include "base/err.h"
#include "proto/admin.h"
#include <stdbool.h>
#include <stdint.h>

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_CONFIG = 78 };

struct cli {
	const char *config; /* path of sshbay.ini */
	bool json;
};

/* list.c */
int cli_list(struct cli *c, int argc, char **argv);
int cli_show(struct cli *c, int argc, char **argv);
int cli_sessions(struct cli *c, int argc, char **argv);
int cli_leases(struct cli *c, int argc, char **argv);
int cli_events(struct cli *c, int argc, char **argv);
/* operate.c */
int cli_create(struct cli *c, int argc, char **argv);
int cli_start(struct cli *c, int argc, char **argv);
int cli_stop(struct cli *c, int argc, char **argv);
int cli_destroy(struct cli *c, int argc, char **argv);
int cli_reload(struct cli *c, int argc, char **argv);
int cli_status(struct cli *c, int argc, char **argv);
/* enter.c */
int cli_enter(struct cli *c, int argc, char **argv);
/* check.c: need no daemon */
int cli_check(struct cli *c, int argc, char **argv);
int cli_dump(struct cli *c, int argc, char **argv);
/* doctor.c */
int cli_doctor(struct cli *c, int argc, char **argv);

/* main.c: shared by the verbs. */

/* Print "sshbay: " and the text, escaped, to stderr. Returns CLI_FAILED. */
int cli_fail(const char *text);
/* Print a usage error of `verb` with its usage line. Returns CLI_USAGE. */
int cli_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Connect to provisiond by the configuration's [storage] run. fd, or -1 with the exit status in *status (printed). */
int cli_connect(struct cli *c, int *status);
