/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See agent_sock.h.  The names are those of sshd, as scripts look for them: /tmp/ssh-XXXXXXXXXX/agent.PID. */
#include "agent_sock.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "private_dir.h"

#define BACKLOG 128

int agent_sock_listen(struct job_helper *h, int *fd, struct err *e)
{
	auto_fd int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char dir[PRIVATE_DIR_MAX];
	int r = private_dir_make(dir, e);

	if (r < 0)
		return r;
	(void)str_format(un.sun_path, sizeof(un.sun_path), "agent.%d", (int)getpid());
	(void)str_format(h->report.text, sizeof(h->report.text), "%s/%s", dir, un.sun_path);
	umask(0177);
	/* A relative name: the directory is the one that was looked at, whatever its path means by now. */
	if (s < 0 || bind(s, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(s, BACKLOG) < 0) {
		r = err_sys(e, "listen on '%s'", h->report.text);
		private_dir_remove(h->report.text);
		return r;
	}
	*fd = fd_take(&s);
	return 0;
}
