/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the admin's stdin, stdout and stderr and a spawn inside a workspace.  The descriptors from inside are the
 * tenant's: they may block, lie or never end; the admin's terminal is never handed inside.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <sys/ioctl.h>

struct proxy {
	int control; /* ws-init socket: INIT_EXITED comes here. Borrowed */
	int in, out,
		error; /* of the spawn; with a pty `in` is the master and `out` a duplicate. Owned, -1 = none */
	bool pty;
};

/* Size of the terminal on stdin; zeroes when it tells none. */
void proxy_size(struct winsize *ws);
/*
 * Pump until the spawn has exited and its output is read. The spawn's exit status, 128 + signal, or -errno when the
 * workspace went away. Restores the terminal; ends by the same signal when one of SIGHUP, SIGINT, SIGTERM comes.
 */
int proxy_run(struct proxy *p, struct err *e);
void proxy_close(struct proxy *p);
