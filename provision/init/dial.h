/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper of INIT_DIAL: connects as the login's unix user, inside, and hands the socket back. */
#pragma once
#include "job.h"

#define DIAL_CONNECT_MS 20000 /* all addresses of a name together */
#define DIAL_LIMIT_MS   32000 /* the helper: resolving (10 s), connecting, reporting */

/* job_work of JOB_DIAL. A relative unix path starts at the home. *fd: connected, blocking, TCP_NODELAY set. -ECONNREFUSED, -ETIMEDOUT, -ENOENT ... */
int dial_work(struct job_helper *h, int *fd, struct err *e);
