/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The zygote, seen from the listener.  It reads no byte from the network, so its answers are trusted as far as their
 * form is right; a pid that it names is checked to be a child of ours before it is used (children_adopt).
 */
#include "zygote.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "proto/msg.h"

#define CHANNEL_FD 3 /* of the zygote: its conversation with us */
#define READY_US                                                                                   \
	15000000 /* the warm-up handshake takes milliseconds; a loaded machine may need longer */
#define LINGER_US      5000000 /* a retired zygote has this long to exit */
#define BACKOFF_MIN_US 50000
#define BACKOFF_MAX_US 5000000
#define SESSION_FILES  1024 /* RLIMIT_NOFILE of a session: its channels' pipes */

void zygote_init(struct zygote *z, const char *program, int program_fd, int null, bool debug)
{
	memset(z, 0, sizeof(*z));
	z->program = program;
	z->program_fd = program_fd;
	z->null = null;
	z->debug = debug;
	z->sock = -1;
}

static void back_off(struct zygote *z, uint64_t now_us)
{
	uint64_t wait = BACKOFF_MIN_US;

	for (uint32_t i = 0; i < z->failures && wait < BACKOFF_MAX_US; i++)
		wait *= 2;
	if (z->failures < 32)
		z->failures++;
	z->retry_us = now_us + (wait < BACKOFF_MAX_US ? wait : BACKOFF_MAX_US);
}

/* In the child. Nothing of the listener's passes but stderr, for the log, and what tells that it is the journal. */
static void __attribute__((noreturn)) become(const struct zygote *z, int sock)
{
	static const char *const pass[] = { "JOURNAL_STREAM", "ASAN_OPTIONS", "UBSAN_OPTIONS",
					    "SSHBAY_FAULT" };
	char *argv[] = { (char *)"sshd-gate-session", z->debug ? (char *)"-v" : NULL, NULL };
	char *envp[sizeof(pass) / sizeof(pass[0]) + 1], text[sizeof(pass) / sizeof(pass[0])][256];
	struct rlimit files;
	sigset_t none;
	int prog = fcntl(z->program_fd, F_DUPFD_CLOEXEC, CHANNEL_FD + 1), n = 0;

	if (prog < 0 || dup2(z->null, 0) < 0 || dup2(z->null, 1) < 0)
		_exit(126);
	/* dup2 onto itself would keep close-on-exec. */
	if (sock == CHANNEL_FD ? fcntl(sock, F_SETFD, 0) < 0 : dup2(sock, CHANNEL_FD) < 0)
		_exit(126);
	if (prog > CHANNEL_FD + 1)
		close_range(CHANNEL_FD + 1, (unsigned int)prog - 1, 0);
	if (close_range((unsigned int)prog + 1, ~0U, 0) < 0)
		_exit(126);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > SESSION_FILES) {
		files.rlim_cur = SESSION_FILES;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	for (size_t i = 0; i < sizeof(pass) / sizeof(pass[0]); i++) {
		const char *value = getenv(pass[i]);

		if (value && snprintf(text[n], sizeof(text[n]), "%s=%s", pass[i], value) <
				     (int)sizeof(text[n])) {
			envp[n] = text[n];
			n++;
		}
	}
	envp[n] = NULL;
	execveat(prog, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

int zygote_start(struct zygote *z, uint64_t now_us, struct err *e)
{
	int sv[2], ret;
	pid_t pid;

	ret = msg_pair(sv, e);
	if (ret < 0) {
		back_off(z, now_us);
		return err_wrap(e, "start '%s'", z->program);
	}
	ret = fault_point("zygote.start");
	pid = ret < 0 ? ret : fork();
	if (pid == 0)
		become(z, sv[1]);
	if (pid < 0) {
		ret = err_ret(e, ret < 0 ? ret : -errno, "start '%s'", z->program);
		back_off(z, now_us);
	}
	fd_close(&sv[1]);
	if (pid > 0 && fd_nonblock(sv[0], 1) == 0) {
		z->sock = fd_take(&sv[0]);
		z->pid = pid;
		z->ready = z->retiring = false;
		z->deadline_us = now_us + READY_US;
	}
	fd_close(&sv[0]);
	return pid < 0 ? ret : 0;
}

bool zygote_usable(const struct zygote *z)
{
	return z->sock >= 0 && z->ready && !z->retiring;
}

int zygote_spawn(struct zygote *z, const struct zygote_spawn *req, int conn, int gate,
		 struct err *e)
{
	int fds[2] = { conn, gate };

	return msg_send_fds(z->sock, &zygote_proto, &(struct msg_out){ ZYGOTE_SPAWN, req, fds, 2 },
			    e);
}

/* One message; 1 when there may be more. */
static int read_one(struct zygote *z, zygote_answer_fn answer, void *ctx, struct err *e)
{
	struct zygote_spawned body;
	struct msg m;
	int ret = msg_recv(z->sock, &zygote_proto, &body, sizeof(body), &m, e);

	if (ret == -EAGAIN)
		return 0;
	if (ret == 0)
		return err_set(e, EPIPE, "run '%s': it ended%s", z->program,
			       z->ready ? "" : " before it was ready (its own messages say why)");
	if (ret < 0)
		return ret;
	msg_close_fds(&m);
	if (m.type == ZYGOTE_READY && !z->ready) {
		z->ready = true;
		z->failures = 0;
		z->deadline_us = 0;
	} else if (m.type == ZYGOTE_SPAWNED && z->ready) {
		answer(ctx, &body);
	} else {
		return err_set(e, EPROTO, "run '%s': unexpected message %s", z->program,
			       m.row->name);
	}
	return 1;
}

int zygote_read(struct zygote *z, uint64_t now_us, zygote_answer_fn answer, void *ctx,
		struct err *e)
{
	int ret;

	do {
		ret = read_one(z, answer, ctx, e);
	} while (ret > 0);
	if (ret < 0) {
		zygote_close(z, now_us);
		back_off(z, now_us);
	}
	return ret;
}

void zygote_close(struct zygote *z, uint64_t now_us)
{
	unsigned int i = 0;

	if (z->sock < 0)
		return;
	fd_close(&z->sock);
	z->ready = z->retiring = false;
	z->deadline_us = 0;
	while (i < ZYGOTE_OLD_MAX && z->old[i].pid)
		i++;
	if (i == ZYGOTE_OLD_MAX) {
		/* So many that do not want to exit: not worth remembering the politeness. */
		kill(z->old[0].pid, SIGKILL);
		waitpid(z->old[0].pid, NULL, 0);
		i = 0;
	}
	z->old[i].pid = z->pid;
	z->old[i].kill_us = now_us + LINGER_US;
	z->pid = 0;
}

int zygote_check(struct zygote *z, uint64_t now_us, uint32_t pending, struct err *e)
{
	if (z->sock < 0)
		return 0;
	if (z->retiring && (pending == 0 || now_us >= z->deadline_us)) {
		zygote_close(z, now_us);
		z->retry_us = now_us;
	} else if (!z->ready && now_us >= z->deadline_us) {
		zygote_close(z, now_us);
		back_off(z, now_us);
		return err_set(e, ETIMEDOUT, "start '%s': not ready after %d s", z->program,
			       READY_US / 1000000);
	}
	return 0;
}

void zygote_retire(struct zygote *z, uint64_t now_us)
{
	if (z->sock < 0 || z->retiring)
		return;
	z->retiring = true;
	z->deadline_us = now_us + LINGER_US;
}

void zygote_reap(struct zygote *z, uint64_t now_us)
{
	for (unsigned int i = 0; i < ZYGOTE_OLD_MAX; i++) {
		pid_t pid = z->old[i].pid;

		if (!pid)
			continue;
		if (waitpid(pid, NULL, WNOHANG) != 0) {
			z->old[i].pid = 0;
		} else if (now_us >= z->old[i].kill_us) {
			kill(pid, SIGKILL);
			z->old[i].kill_us = now_us + LINGER_US;
		}
	}
}

uint64_t zygote_deadline(const struct zygote *z)
{
	uint64_t first = UINT64_MAX;

	if (z->sock >= 0 && z->deadline_us)
		first = z->deadline_us;
	if (z->sock < 0)
		first = z->retry_us;
	for (unsigned int i = 0; i < ZYGOTE_OLD_MAX; i++)
		if (z->old[i].pid && z->old[i].kill_us < first)
			first = z->old[i].kill_us;
	return first;
}
