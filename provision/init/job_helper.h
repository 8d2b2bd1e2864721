/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The forked side of a job (job.h): what its work is given, and how it reports to PID 1.
 */
#pragma once
#include "agent.h"

#define JOB_REPORT_FDS 3 /* descriptors in one report, at most */

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
 * -errno with `e`.  A spawn reports by itself (job_helper_report) and does not return on success.
 */
typedef int (*job_work)(struct job_helper *h, int *fd, struct err *e);

/* Send h->report with at most JOB_REPORT_FDS descriptors. 0 or -errno. */
int job_helper_report(struct job_helper *h, const int *fds, uint32_t nfds, struct err *e);

struct job_start;
/* In the child that job_start() forked: run s->work, report over `sock`, exit. */
_Noreturn void job_helper_run(struct agent *a, const struct conn *c, const struct job_start *s,
			      int sock);
