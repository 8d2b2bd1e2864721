/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: what is being done, or waits to be done, to one workspace.  One job at a time per workspace, first come first
 * served; logins join a creation or start that is queued or running.  A record in a transient state without a job
 * (crash, failed down) is settled by a JOB_CLEAN that goes before any other job.
 */
#pragma once
#include "registry.h"

/* Queue a job (or join the last one when it asks for the same) and start it when the workspace is idle. `w` may be NULL. */
void job_queue(struct workspace *ws, const struct job_request *req, struct waiter *w);
/* The first job is over: tell everybody who waits for it, then go on with the next one. `e` may be the job's own. */
void job_finish(struct workspace *ws, struct job *job, int ret, const struct err *e);
/* ws-init of a running workspace is gone: settle it. */
void job_died(struct workspace *ws);
/* Does the record await a JOB_CLEAN? */
bool job_unsettled(const struct workspace *ws);
/* Forget all jobs without telling anybody. */
void job_free_all(struct workspace *ws);
