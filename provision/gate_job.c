/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See gate_job.h.  Main process of provisiond; run() is called in the child.  Children are reaped by the worker pool,
 * which takes every one: they are known by pidfd here, never by number.
 */
#include "gate_job.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "proto/msg.h"

#define JOB_FD 3

/*
 * crypt takes a core each and memory; a person may take long to answer, but no more logins are under way than
 * max_startups lets in.
 */
static const unsigned int limits[GATE_JOB_KINDS] = {
	[GATE_JOB_PASSWORD] = 4,
	[GATE_JOB_KEYS] = 16,
	[GATE_JOB_INTERACTIVE] = 128,
};

static _Noreturn void child(struct gate_job *j, int fd, pid_t parent)
{
	const struct rlimit none = { 0, 0 };
	sigset_t all;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(1);
	if (fd != JOB_FD && dup2(fd, JOB_FD) < 0)
		_exit(1);
	if (close_range(JOB_FD + 1, ~0U, 0) < 0)
		_exit(1);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)path_write_sys("/proc/self/oom_score_adj", "0", NULL);
	_exit(j->run(j, JOB_FD));
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct gate_job *j = ctx;

	gate_job_end(j);
	j->failed(j, -ETIMEDOUT);
	return 0;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct gate_job *j = ctx;

	j->readable(j);
	return 0;
}

static int watch(struct gate_job *j)
{
	int ret = sd_event_add_io(j->jobs->loop, &j->io, j->fd, EPOLLIN, on_readable, j);

	if (ret >= 0)
		ret = sd_event_add_time(j->jobs->loop, &j->timer, CLOCK_MONOTONIC,
					clk_now_us() + j->limit_us, 0, on_timeout, j);
	return ret;
}

/* 0, or -errno with nothing left behind. */
static int start(struct gate_job *j)
{
	auto_fd int theirs = -1;
	pid_t parent = getpid(), pid;
	int sv[2], ret;

	j->fd = j->pidfd = -1;
	j->active = false; /* one that has waited says that it is */
	ret = fault_point("job.pair");
	if (ret == 0)
		ret = msg_pair(sv, NULL);
	if (ret < 0)
		return ret;
	j->fd = sv[0];
	theirs = sv[1];
	j->active = true;
	j->jobs->running[j->kind]++;
	ret = fd_nonblock(j->fd, 1);
	if (ret == 0)
		ret = watch(j);
	if (ret >= 0)
		ret = fault_point("job.fork");
	if (ret >= 0) {
		pid = fork();
		if (pid == 0)
			child(j, theirs, parent);
		/* Not reaped before this returns to the loop: the number is still its own. */
		j->pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
		ret = pid < 0 || j->pidfd < 0 ? -errno : 0;
		if (pid > 0 && j->pidfd < 0)
			(void)kill(pid, SIGKILL);
	}
	if (ret < 0)
		gate_job_end(j);
	else if (j->started)
		j->started(j);
	return ret < 0 ? ret : 0;
}

static void start_waiting(struct gate_jobs *jobs)
{
	struct gate_job **at = &jobs->waiting;

	while (*at) {
		struct gate_job *j = *at;
		int ret;

		if (jobs->running[j->kind] >= limits[j->kind]) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		j->queued = false;
		ret = start(j);
		if (ret < 0)
			j->failed(j, ret);
		at = &jobs->waiting; /* the list may have changed */
	}
}

int gate_job_begin(struct gate_jobs *jobs, struct gate_job *j, struct err *e)
{
	struct gate_job **at = &jobs->waiting;
	int ret;

	j->jobs = jobs;
	j->fd = j->pidfd = -1;
	if (jobs->running[j->kind] >= limits[j->kind]) {
		while (*at)
			at = &(*at)->next;
		*at = j;
		j->next = NULL;
		j->active = j->queued = true;
		return 0;
	}
	ret = start(j);
	return ret < 0 ? err_ret(e, ret, "start a helper process for a login") : 0;
}

void gate_job_deadline(struct gate_job *j, uint64_t us)
{
	if (!j->timer)
		return;
	sd_event_source_set_time(j->timer, clk_now_us() + us);
	sd_event_source_set_enabled(j->timer, us ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void forget_waiting(struct gate_job *j)
{
	for (struct gate_job **at = &j->jobs->waiting; *at; at = &(*at)->next) {
		if (*at == j) {
			*at = j->next;
			break;
		}
	}
	j->queued = j->active = false;
}

void gate_job_end(struct gate_job *j)
{
	if (!j->active)
		return;
	if (j->queued) {
		forget_waiting(j);
		return;
	}
	j->active = false;
	j->io = sd_event_source_disable_unref(j->io);
	j->timer = sd_event_source_disable_unref(j->timer);
	if (j->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, j->pidfd, SIGKILL, NULL, 0);
	fd_close(&j->pidfd);
	fd_close(&j->fd);
	j->jobs->running[j->kind]--;
	start_waiting(j->jobs);
}
