/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs of `sshbay`.  Each gets its own arguments (argv[0] is the verb) and returns the exit status of DESIGN
 * section 7.  The table in verbs.c drives the dispatch, the help and the completion.
 */
#pragma once
#include "base/err.h"
#include "proto/admin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_CONFIG = 78 };

struct settings;

struct cli {
	const char *config; /* path of sshbay.ini */
	bool json;
};

/* list.c */
int cli_list(struct cli *c, int argc, char **argv);
int cli_show(struct cli *c, int argc, char **argv);
int cli_leases(struct cli *c, int argc, char **argv);
int cli_events(struct cli *c, int argc, char **argv);
int cli_status(struct cli *c, int argc, char **argv);
int cli_reload(struct cli *c, int argc, char **argv);
/* sessions.c */
int cli_sessions(struct cli *c, int argc, char **argv);
int cli_penalties(struct cli *c, int argc, char **argv);
int cli_kick(struct cli *c, int argc, char **argv);
/* explain.c */
int cli_explain(struct cli *c, int argc, char **argv);
/* ssh_config.c */
int cli_ssh_config(struct cli *c, int argc, char **argv);
/* operate.c */
int cli_create(struct cli *c, int argc, char **argv);
int cli_start(struct cli *c, int argc, char **argv);
int cli_stop(struct cli *c, int argc, char **argv);
int cli_destroy(struct cli *c, int argc, char **argv);
/* nic.c */
int cli_nic(struct cli *c, int argc, char **argv);
/* gpu.c */
int cli_gpu(struct cli *c, int argc, char **argv);
/* image.c */
int cli_image(struct cli *c, int argc, char **argv);
/* enter.c */
int cli_enter(struct cli *c, int argc, char **argv);
/* pair.c, bench.c */
int cli_pair(struct cli *c, int argc, char **argv);
int cli_bench(struct cli *c, int argc, char **argv);
/* check.c: need no daemon */
int cli_check(struct cli *c, int argc, char **argv);
int cli_dump(struct cli *c, int argc, char **argv);
/* doctor.c */
int cli_doctor(struct cli *c, int argc, char **argv);

/* --- verbs.c --- */

/* Parse what stands before the verb, run the verb. `main` without its name. */
int cli_run(int argc, char **argv);
/* Print a usage error of `verb` with its usage line. Returns CLI_USAGE. */
int cli_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct cli_option {
	const char *name;   /* with its dashes */
	bool *flag;         /* an option without value, or NULL */
	const char **value; /* an option with one, or NULL */
};
/*
 * Take the options (NULL name ends them) out of argv; what is left are the operands, from argv[1], counted by *argc.
 * "--" ends the options and goes; what follows it stays, and *rest (unless NULL) is its index, or *argc when there was
 * no "--". 0 or CLI_USAGE (printed).
 */
int cli_options(int *argc, char **argv, const struct cli_option *options, int *rest);

/* --- talk.c --- */

/* Print "sshbay: " and the text to stderr, safe for a terminal. Returns CLI_FAILED. */
int cli_fail(const char *text);
/* Print text with every byte outside printable ASCII as \xNN. The backslash stays: our texts are escaped already. */
void cli_print(FILE *f, const char *text);
/* Load the configuration; *out (settings_free) is NULL unless this is CLI_OK (else CLI_CONFIG, printed). */
int cli_settings(struct cli *c, struct settings **out);
/*
 * Connect to provisiond by the configuration's [storage] run. fd, or -1 with the exit status in *status (printed). With
 * mistakes in the configuration a provisiond that runs is reached all the same (a warning is printed).
 */
int cli_connect(struct cli *c, int *status);
/*
 * Send one request and call `row` (may be NULL) for each row until ADMIN_DONE. The text of
 * ADMIN_DONE goes to stdout. Returns the exit status, with errors printed.
 */
int cli_ask(struct cli *c, uint32_t type, const void *req, void (*row)(void *ctx, const void *body),
	    void *ctx);
/* The operand as a name of a workspace: 0, or CLI_USAGE (printed). */
int cli_name(const char *verb, const char *text, char name[STR_NAME_MAX]);
