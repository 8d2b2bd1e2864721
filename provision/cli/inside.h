/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running commands inside a workspace through ws-init, the one way in that the host has: nothing of ours enters the
 * workspace, and everything that comes back is the tenant's: its kind is checked, its amount is bounded.
 */
#pragma once
#include "cli.h"

#define INSIDE_TEXT_MAX (1024 * 1024) /* bytes of output that are collected */

/* Ask provisiond for a socket of ws-init, INIT_BIND sent. fd, or -1 with the exit status (printed). */
int inside_connect(struct cli *c, const struct admin_name *name, int *status);

struct inside_spawn {
	int nwords; /* 0: a login shell */
	const char *const *words;
	bool pty; /* with the size of our terminal */
	int fds[3]; /* out: stdin, stdout, stderr; with a pty the first two are its master. The caller's to close. */
};
/* Wait for INIT_BOUND, start the command, take its descriptors. 0 or -errno; on failure there are none. */
int inside_spawn(int sock, struct inside_spawn *s, struct err *e);

/*
 * A command whose output is collected.  It has a lifeline: its stdin stays open and empty as long as sshbay runs, so
 * that a script of ours that waits for the end of stdin ends what it started however sshbay ends.
 */
struct inside {
	const char *name; /* of the workspace; the caller's */
	int control;      /* ws-init's socket */
	int in, out, error;
	char *text; /* stdout so far, NUL-terminated */
	size_t len;
	char said[1024]; /* how stderr begins, NUL-terminated */
	size_t nsaid;
	bool exited;
	int status; /* as a shell tells it */
};

#define INSIDE_NONE                                                                                \
	{                                                                                          \
		.control = -1, .in = -1, .out = -1, .error = -1                                    \
	}

/* Start `sh -c SCRIPT` as root in workspace `name`. 0, or the exit status (printed). inside_end() in any case. */
int inside_start(struct inside *w, struct cli *c, const char *name, const char *script);
/*
 * Collect until w[0] has exited, or, when `until` is not NULL, until its output has that text or its stderr a line; the
 * others are served meanwhile. -ETIMEDOUT after `ms`, -EFBIG when the output is longer than INSIDE_TEXT_MAX.
 */
int inside_collect(struct inside *const *w, unsigned int n, const char *until, unsigned int ms,
		   struct err *e);
/* Kill what has not exited, with the processes of its group; free everything. May be called twice. */
void inside_end(struct inside *w);
/* inside_start, inside_collect. 0 (w->status tells the rest), or the exit status (printed). inside_end() in any case. */
int inside_run(struct inside *w, struct cli *c, const char *name, const char *script);
