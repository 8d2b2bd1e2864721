/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper of INIT_LISTEN: listens as the login's unix user, inside, and hands the socket back. */
#pragma once
#include "job.h"

#define LISTEN_LIMIT_MS 15000 /* the helper: resolving (10 s), binding, reporting */

/*
 * job_work of JOB_LISTEN. Host "" or "*": every address of both families; "localhost": 127.0.0.1 (::1 without IPv4); a
 * literal or name otherwise. Port 0: any, reported. Ports below 1024 are root's. A relative unix path starts at the
 * home; an existing one is -EADDRINUSE, never unlinked (StreamLocalBindUnlink=no); a new one has mode 0600.
 */
int listen_work(struct job_helper *h, int *fd, struct err *e);
/* Remove a unix path, if it is still this file. As its user. */
void listen_remove(const struct private_file *file);
