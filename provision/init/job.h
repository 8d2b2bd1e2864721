/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: what PID 1 has a forked helper do.  A helper starts with every descriptor closed but 0, 1, 2 (/dev/null) and its
 * report socket, in a session of its own, does one request, sends reports and exits; the helper of a spawn execs instead,
 * which closes its report socket (job_helper.h).  Reports are a tenant's word (its root may ptrace a helper): job.c checks all.
 */
#pragma once
#include "agent.h"
#include "job_helper.h"

/*
 * Start a helper for `c` (may be NULL). `limit_ms` is its deadline. Fails with -EBUSY (limits), -EAGAIN (no
 * process), -EMFILE.
 */
struct job_start {
	enum job_kind kind;
	uint32_t id;
	uint32_t limit_ms;
	job_work work;
	const void *request;
	bool pty, serves; /* SPAWN: on a terminal; LISTEN: an agent or a display */
};
struct job *job_start(struct agent *a, struct conn *c, const struct job_start *s, struct err *e);
/* The report socket of job `row` is readable or closed. */
void job_event(struct agent *a, uint32_t row);
/* waitpid(2) said that `pid` is gone. Unknown pids (orphans) are fine. */
void job_reaped(struct agent *a, pid_t pid, int wstatus);
/* The living spawn `id` of c, or NULL. */
struct job *job_find(struct conn *c, uint32_t id);
/* Send what is due to `c`; stops when c is blocked. */
void job_flush(struct conn *c);
/* The connection is gone: kill its helpers, forget its spawns. */
void job_forget(struct conn *c);
/* Kill helpers that are past their deadline; returns the next deadline (ms) or UINT64_MAX. */
uint64_t job_expire(struct agent *a, uint64_t now);
/* SIGHUP to the processes on terminals (a login shell ignores SIGTERM). */
void job_hangup(struct agent *a);
