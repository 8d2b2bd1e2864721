/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See keys_command.h.  The child stays root and watches over the program: it collects what that prints, ends it in time,
 * and passes everything on when its exit status was 0.  Main process of provisiond, and the child.
 */
#include "keys_command.h"

#include <fcntl.h>
#include <grp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/trusted.h"
#include "wire.h"

#define CHUNK    65536
#define SPARE_US 2000000 /* the child ends the program itself; this is for a child that hangs */

/* First byte of what the child says. */
enum { SAY_DATA = 'd', SAY_DONE = 'k', SAY_FAILED = 'f' };

/* --- in the child ---------------------------------------------------------------------------------------------------- */

/* Who it runs as. Looked up here: a directory service that does not answer hangs this process alone. */
static int find_user(const char *name, struct passwd *out, struct err *e)
{
	uint64_t id;
	const struct passwd *pw = num_u64(name, 1, UINT32_MAX - 1, &id, NULL) == 0
					  ? getpwuid((uid_t)id)
					  : getpwnam(name);

	if (!pw || pw->pw_uid == 0)
		return err_set(e, EINVAL, "run keys_command as '%s': %s ([auth] keys_command_user)",
			       name, pw ? "that is root" : "no such user");
	*out = *pw;
	return 0;
}

static int become(const struct passwd *pw)
{
	const struct rlimit files = { 64, 64 };

	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
			       setrlimit(RLIMIT_NOFILE, &files) < 0 || chdir("/") < 0
		       ? -errno
		       : 0;
}

static _Noreturn void execute(const struct keys_command *k, const struct passwd *pw, int out)
{
	const struct settings_auth *auth = &registry_settings(k->reg)->auth;
	/* Room for the padded text of the largest key. */
	char text[(GATE_KEY_MAX + 2) / 3 * 4 + 1], type[64] = "";
	char *argv[] = { (char *)auth->keys_command, (char *)k->user, type, text, NULL };
	char *env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C", NULL };
	struct wire w = { k->key->key.data, k->key->key.len }, name;
	int null = open("/dev/null", O_RDWR);

	if (wire_str(&w, &name) && name.n < sizeof(type))
		memcpy(type, name.p, name.n);
	EVP_EncodeBlock((unsigned char *)text, k->key->key.data, (int)k->key->key.len);
	/* Its messages are for the log. */
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || setsid() < 0 || become(pw) < 0 ||
	    close_range(3, ~0U, 0) < 0)
		_exit(126);
	execve(auth->keys_command, argv, env);
	_exit(127);
}

static int say(int fd, char what, const char *data, size_t n)
{
	struct iovec iov[2] = { { &what, 1 }, { (void *)data, n } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Pass on what it prints until it closes its output. */
static int collect(int out, int fd, uint64_t until, struct err *e)
{
	static char buf[CHUNK];
	size_t total = 0;

	for (;;) {
		struct pollfd p = { .fd = out, .events = POLLIN };
		uint64_t now = clk_now_us();
		ssize_t n;

		if (now >= until)
			return err_set(e, ETIMEDOUT, "took too long ([auth] answer_time)");
		if (poll(&p, 1, (int)((until - now) / 1000) + 1) <= 0)
			continue;
		n = read(out, buf, sizeof(buf));
		if (n < 0 && errno != EINTR)
			return err_sys(e, "read its output");
		if (n == 0)
			return 0;
		if (n < 0)
			continue;
		total += (size_t)n;
		if (total > KEYS_COMMAND_MAX)
			return err_set(e, EFBIG, "printed more than 1 MiB");
		if (say(fd, SAY_DATA, buf, (size_t)n) < 0)
			return err_set(e, EPIPE, "nobody listens");
	}
}

/* It has closed its output; a program that lives on beyond the deadline has failed all the same. */
static int await(pid_t pid, uint64_t until, struct err *e)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clk_now_us() >= until)
			return err_set(e, ETIMEDOUT, "did not end ([auth] answer_time)");
		(void)usleep(2000);
	}
	if (WIFSIGNALED(status))
		return err_set(e, ECHILD, "was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(e, ENOEXEC, "cannot be executed");
	return WEXITSTATUS(status) ? err_set(e, ECHILD, "exit status %d", WEXITSTATUS(status)) : 0;
}

static int supervise(const struct keys_command *k, int fd, struct err *e)
{
	const struct settings_auth *auth = &registry_settings(k->reg)->auth;
	uint64_t until = clk_now_us() + auth->answer_time * UINT64_C(1000000);
	struct passwd pw;
	int file = trusted_open(auth->keys_command, e), fds[2], ret;
	pid_t pid;

	if (file < 0)
		return file == -ENOENT ? err_set(e, ENOENT, "there is no such file") : file;
	(void)close(file);
	if (find_user(auth->keys_user, &pw, e) < 0)
		return -EINVAL;
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return err_sys(e, "start it");
	if (pid == 0)
		execute(k, &pw, fds[1]);
	(void)close(fds[1]);
	ret = collect(fds[0], fd, until, e);
	if (ret == 0)
		ret = await(pid, until, e);
	/* With what it may have left running. */
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	return ret;
}

static int run(struct gate_job *j, int fd)
{
	const struct keys_command *k = j->ctx;
	struct err e = { 0 };
	int ret = supervise(k, fd, &e);

	return say(fd, ret < 0 ? SAY_FAILED : SAY_DONE, e.text, ret < 0 ? strlen(e.text) : 0) < 0;
}

/* --- in the main process --------------------------------------------------------------------------------------------- */

static void finish(struct gate_job *j, const char *why)
{
	struct keys_command *k = j->ctx;

	gate_job_end(j);
	if (why) {
		char vis[256];

		log_warn("run keys_command: %s", str_vis(why, strlen(why), vis, sizeof(vis)));
		free(k->text);
		k->text = NULL;
		k->len = 0;
	}
	k->done(k->ctx);
}

static int append(struct keys_command *k, const char *data, size_t n)
{
	char *more = n > KEYS_COMMAND_MAX - k->len ? NULL : realloc(k->text, k->len + n + 1);

	if (!more)
		return -ENOMEM;
	memcpy(more + k->len, data, n);
	k->text = more;
	k->len += n;
	k->text[k->len] = '\0';
	return 0;
}

static void readable(struct gate_job *j)
{
	static char buf[CHUNK + 2];
	ssize_t n = recv(j->fd, buf, sizeof(buf) - 1, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(j, "the helper process died");
		return;
	}
	buf[n] = '\0';
	if (buf[0] == SAY_DONE)
		finish(j, NULL);
	else if (buf[0] != SAY_DATA)
		finish(j, buf + 1);
	else if (append(j->ctx, buf + 1, (size_t)n - 1) < 0)
		finish(j, "its output does not fit");
}

static void failed(struct gate_job *j, int ret)
{
	finish(j, strerror(-ret));
}

void keys_command_run(struct gate_jobs *jobs, struct gate_job *j, struct keys_command *k)
{
	const struct settings_auth *auth = &registry_settings(k->reg)->auth;
	struct err e = { 0 };

	*j = (struct gate_job){ .kind = GATE_JOB_KEYS,
				.limit_us = auth->answer_time * UINT64_C(1000000) + SPARE_US,
				.run = run,
				.readable = readable,
				.failed = failed,
				.ctx = k };
	if (gate_job_begin(jobs, j, &e) < 0)
		finish(j, e.text);
}
