/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker (worker.h) does between fork and exit.
 */
#pragma once
#include <sys/types.h>

#include "worker.h"

#define WORKER_KEEP_MAX 4

/* What the fork gets from the pool. */
struct worker_run {
	pid_t parent;    /* the daemon: without it the worker ends */
	int report;      /* its end of the socket pair of work.h */
	const int *keep; /* descriptors that stay open, at most WORKER_KEEP_MAX */
	unsigned int nkeep;
};

/* In the child: carry out the order, report over r->report, exit. Status 1: a failed order left something behind. */
_Noreturn void worker_run(const struct worker_order *o, const struct worker_run *r);
