/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What jobs do: the record before and after, the order for the worker, undoing and settling. */
#pragma once
#include "registry.h"

#define OPERATE_STEP_RETURN                                                                        \
	"return" /* step of a record that is STOPPING: what it leased goes home */

/* Make *t the task that carries out the workspace's first job, and ends it with job_finish. */
void operate_task(struct workspace *ws, struct task *t);
