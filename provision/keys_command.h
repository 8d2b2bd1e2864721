/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * [auth] keys_command: a program of the administrator's that prints further authorized keys of a user.  It runs in a child
 * as keys_command_user, with nothing but user name, key type and key as its arguments.
 */
#pragma once
#include "gate_job.h"
#include "proto/gate_login.h"
#include "registry.h"
#include <stddef.h>

#define KEYS_COMMAND_MAX 1048576 /* bytes it may print */

struct keys_command {
	const struct registry
		*reg; /* whose settings count when it begins. Needed until then, as are: */
	const char *user;
	const struct gate_key *key;
	void (*done)(void *ctx); /* once, from the event loop or from keys_command_run() */
	void *ctx;
	char *text; /* what it printed, the caller's to free; NULL when it failed, which is logged */
	size_t len;
};

/* `j` and `k` are the caller's until done; gate_job_end(j) gives the question up. */
void keys_command_run(struct gate_jobs *jobs, struct gate_job *j, struct keys_command *k);
