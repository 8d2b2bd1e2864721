/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See host_user.h.  Called when a configuration is read: by the command line, and by provisiond at its start and on a reload. */
#include "host_user.h"

#include <poll.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/num.h"

#define FILE_PASSWD "/etc/passwd"
#define LIMIT_US    2000000
#define ANSWER_FD   3

struct ids {
	uint32_t found, uid, gid;
};

/* In /etc/passwd, by name, or by number when that is NULL. */
static bool in_file(const char *name, uint32_t number, struct ids *out)
{
	auto_file FILE *f = fopen(FILE_PASSWD, "re");
	char buf[4096];
	struct passwd pw, *got;

	while (f && fgetpwent_r(f, &pw, buf, sizeof(buf), &got) == 0) {
		if (name ? strcmp(got->pw_name, name) != 0 : got->pw_uid != number)
			continue;
		*out = (struct ids){ true, got->pw_uid, got->pw_gid };
		return true;
	}
	return false;
}

static _Noreturn void child(const char *name, int fd)
{
	struct ids ids = { 0 };
	const struct passwd *pw;
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if ((fd != ANSWER_FD && dup2(fd, ANSWER_FD) < 0) || close_range(ANSWER_FD + 1, ~0U, 0) < 0)
		_exit(1);
	pw = getpwnam(name);
	if (pw)
		ids = (struct ids){ true, pw->pw_uid, pw->pw_gid };
	_exit(fd_write_all(ANSWER_FD, &ids, sizeof(ids)) == 0 ? 0 : 1);
}

static int await(int fd, struct ids *out)
{
	uint64_t end = clk_now_us() + LIMIT_US, now;

	while ((now = clk_now_us()) < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n = poll(&p, 1, (int)((end - now) / 1000) + 1);

		if (n > 0)
			return fd_read_all(fd, out, sizeof(*out)) < 0 ? -ECHILD : 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

static int ask(const char *name, struct ids *out)
{
	auto_fd int in = -1, to = -1;
	int fds[2], ret;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	to = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(name, to);
	fd_close(&to);
	ret = await(in, out);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return ret;
}

int host_user_find(const char *text, uint32_t *uid, uint32_t *gid, struct err *e)
{
	struct ids ids = { 0 };
	uint64_t number;
	int ret = 0;

	if (num_u64(text, 1, UINT32_MAX - 1, &number, NULL) == 0) {
		if (!in_file(NULL, (uint32_t)number, &ids))
			ids = (struct ids){ true, (uint32_t)number, (uint32_t)number };
	} else if (!in_file(text, 0, &ids)) {
		ret = ask(text, &ids);
	}
	if (ret == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT,
			       "find user '%s': the host's user database does not answer (name a "
			       "user of " FILE_PASSWD ")",
			       text);
	if (ret < 0)
		return err_ret(e, ret, "find user '%s'", text);
	if (!ids.found)
		return err_set(e, ENOENT, "there is no user '%s'", text);
	*uid = ids.uid;
	*gid = ids.gid;
	return 0;
}
