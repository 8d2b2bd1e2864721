/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One synchronous helper process, used before the event loop runs (and by --teardown).  Operations on workspaces go
 * through the worker pool instead.
 */
#include "helper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"

static _Noreturn void child(int out, int (*fn)(void *ctx, struct err *e), void *ctx)
{
	struct err e = { 0 };
	sigset_t none;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	ret = fn(ctx, &e);
	if (ret >= 0)
		e.code = 0;
	else if (!e.code)
		e.code = -ret;
	fd_write_all(out, &e, sizeof(e));
	_exit(0);
}

int helper_run(const char *what, int (*fn)(void *ctx, struct err *e), void *ctx, struct err *e)
{
	auto_fd int in = -1, out = -1;
	struct err result;
	int fds[2], ret;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "%s", what);
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return err_sys(e, "%s", what);
	if (pid == 0)
		child(out, fn, ctx);
	fd_close(&out);
	ret = fd_read_all(in, &result, sizeof(result));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (ret)
		return err_set(e, ECHILD, "%s: the helper process died", what);
	result.text[sizeof(result.text) - 1] = '\0';
	return result.code ? err_set(e, result.code, "%s", result.text) : 0;
}
