/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See zygote.h.  Single-threaded; reads no network byte.  A session is made with CLONE_PARENT, so that the listener is
 * its parent and reaps it.  The raw system call is used: glibc's fork would run handlers, and knows no CLONE_PARENT.
 */
#include "zygote.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/ctl.h"
#include "session.h"

static _Noreturn void session(int sock, const struct sandbox *sb, const struct zygote_spawn *q,
			      struct msg *m)
{
	int conn = fd_take(&m->fds[0]), prov = fd_take(&m->fds[1]);
	struct err e = { 0 };

	close(sock);
	if (sandbox_child(sb, &e) < 0) {
		log_error("%s", e.text);
		_exit(1);
	}
	_exit(session_run(conn, prov, &q->peer, &q->local));
}

static int spawn(int sock, const struct sandbox *sb, struct msg *m, struct err *e)
{
	const struct zygote_spawn *q = m->body;
	struct zygote_spawned a = { .serial = q->serial };
	int fault = fault_point("zygote.fork");
	long pid = fault < 0 ? fault : syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		session(sock, sb, q, m);
	if (pid < 0)
		a.code = (uint32_t)(fault < 0 ? -fault : errno);
	else
		a.pid = (uint32_t)pid;
	msg_close_fds(m);
	return msg_send(sock, &zygote_proto, ZYGOTE_SPAWNED, &a, e);
}

int zygote_serve(int sock, const struct sandbox *sb, struct err *e)
{
	struct zygote_spawn body;
	struct msg m;
	int ret = msg_send(sock, &zygote_proto, ZYGOTE_READY, NULL, e);

	while (!ret) {
		ret = msg_recv(sock, &zygote_proto, &body, sizeof(body), &m, e);
		if (ret == 0)
			return 0;
		if (ret < 0)
			break;
		if (m.type != ZYGOTE_SPAWN || m.nfds != 2) {
			msg_close_fds(&m);
			return err_set(e, EPROTO, "serve 'listener': it sent %s with %u fds",
				       m.row->name, m.nfds);
		}
		ret = spawn(sock, sb, &m, e);
	}
	return ret;
}
