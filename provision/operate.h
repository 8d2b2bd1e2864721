/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: what is being done, or waits to be done, to one workspace.  One job at a time per workspace, first come first
 * served; logins join a creation or start that is queued or running.  A record in a transient state without a job
 * (crash, failed down) is settled by a JOB_CLEAN that goes before any other job.
 */
#pragma once
#include "registry.h"

/* Queue a job (or join the last one when it is of the same kind) and start it when the workspace is idle. */
void operate_queue(struct workspace *ws, enum job_kind kind, enum job_want want, bool purge, unsigned int timeout_s,
		   struct waiter *w);
/* ws-init of a running workspace is gone: settle it. */
void operate_died(struct workspace *ws);
/* Does the record await a JOB_CLEAN? */
bool operate_unsettled(const struct workspace *ws);
