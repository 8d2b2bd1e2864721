/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: what PID 1 has a forked helper do.  A helper starts with every descriptor closed but 0, 1, 2 (/dev/null) and its
 * report socket, in a session of its own, does one request, sends reports and exits; the helper of a spawn execs instead,
 * which closes its report socket.  Reports are a tenant's word (its root may ptrace a helper): job.c checks all of it.
 */
#pragma once
#include "agent.h"

/* One message from helper to PID 1, over a SEQPACKET pair. `account` is only sent by JOB_BIND. */
struct job_report {
	uint32_t code;     /* errno; 0 = success */
	uint32_t port;     /* DIAL, LISTEN: port; SPAWN: number of the terminal */
	uint32_t logged;   /* SPAWN: a utmp record was written */
	uint32_t hush;     /* SPAWN: no greeting, please */
	uint64_t dev, ino; /* LISTEN, UNIX: which file that is */
	uint32_t uid;      /* LISTEN: the owner of the file */
	char text
		[INIT_TEXT_MAX]; /* of a failure; LISTEN: the path of a file to be removed at the end */
	struct account account;
};
#define JOB_REPORT_SHORT offsetof(struct job_report, account)

/* What a helper sees. Everything here is the helper's own copy. */
struct job_helper {
	int sock;
	const struct account *account; /* of the connection; JOB_BIND, JOB_SETUP: not filled */
	const void *request;           /* the decoded message */
	struct become_limits limits;   /* to be restored before exec */
	bool removing;                 /* files of connections are just being removed */
	struct job_report report;
	void (*after)(
		void); /* set by the work: what to do once the report is sent and nobody waits */
	void (*undo)(
		const struct job_helper *h); /* set by the work: when nobody takes the report */
};

/*
 * The work of a helper.  Returns 0 with h->report filled and *fd (-1 when called) the answer's descriptor if any, or
 * -errno with `e`.  A spawn reports by itself (job_report) and does not return on success.
 */
typedef int (*job_work)(struct job_helper *h, int *fd, struct err *e);

/* Helper side: send h->report with fds. 0 or -errno. */
int job_report(struct job_helper *h, const int *fds, uint32_t nfds, struct err *e);

/*
 * PID 1 side: start a helper for `c` (may be NULL). `limit_ms` is its deadline. Fails with -EBUSY (limits), -EAGAIN (no
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
