/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To another network namespace and back.  Runs in workers, in helpers, and in provisiond for the moment of a connect.
 */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>

#include "base/fd.h"

int netns_visit(int netnsfd, int *home, struct err *e)
{
	auto_fd int own = -1;

	if (netnsfd < 0)
		return 0;
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return err_sys(e, "open '/proc/thread-self/ns/net'");
	if (setns(netnsfd, CLONE_NEWNET) < 0)
		return err_sys(e, "enter 'network namespace'");
	*home = fd_take(&own);
	return 0;
}

void netns_leave(int *home)
{
	int saved = errno;

	if (*home >= 0 && setns(*home, CLONE_NEWNET) < 0)
		abort();
	fd_close(home);
	errno = saved;
}
