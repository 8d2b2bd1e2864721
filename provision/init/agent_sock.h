/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket of a forwarded ssh agent (INIT_LISTEN, kind AGENT). Helper of a listen, as the login's unix user. */
#pragma once
#include "job.h"

/* Listen in a directory of the user's own; *fd the socket, h->report.text its path. 0 or -errno, with nothing left. */
int agent_sock_listen(struct job_helper *h, int *fd, struct err *e);
