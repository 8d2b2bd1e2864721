/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Short-lived child processes in which a login is decided upon: what costs time (crypt), waits (PAM) or is a program of
 * somebody else's (keys_command) never runs in provisiond's main process.  A fixed number of each kind runs at once, the
 * others wait their turn; each has a deadline.  All of a job's words come over its socket; a killed job says nothing.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

enum gate_job_kind { GATE_JOB_PASSWORD, GATE_JOB_KEYS, GATE_JOB_INTERACTIVE, GATE_JOB_KINDS };

struct gate_job;

/* Those that wait and those that run. Zero-initialised, then `loop` set. */
struct gate_jobs {
	sd_event *loop;
	struct gate_job *waiting; /* oldest first */
	unsigned int running[GATE_JOB_KINDS];
};

/* Filled by its owner up to `ctx`; zero below. */
struct gate_job {
	enum gate_job_kind kind;
	uint64_t limit_us; /* the first deadline, from its start on */
	/* In the child, which has no descriptor but 0, 1, 2 and `fd`, a SEQPACKET socket. Its exit status. */
	int (*run)(struct gate_job *j, int fd);
	/* Main process: the child has begun (j->fd is there) / a message can be read / it is over, with -ETIMEDOUT or
	 * another -errno. None of them after gate_job_end. */
	void (*started)(struct gate_job *j);
	void (*readable)(struct gate_job *j);
	void (*failed)(struct gate_job *j, int ret);
	void *ctx;

	int fd, pidfd;
	bool active, queued;
	struct gate_jobs *jobs;
	struct gate_job *next;
	sd_event_source *io, *timer;
};

/* Start it, or have it wait. -errno: it could not be (its kind's turn had come). */
int gate_job_begin(struct gate_jobs *jobs, struct gate_job *j, struct err *e);
/* A new deadline from now on; 0: none. */
void gate_job_deadline(struct gate_job *j, uint64_t us);
/* It is not needed any more: killed if it runs, forgotten in every case. Safe to call twice, and from the callbacks. */
void gate_job_end(struct gate_job *j);
