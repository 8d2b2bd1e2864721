/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ws-init: PID 1 of a workspace.  Started by a worker from a sealed memfd, as the workspace's root, with the root pivoted
 * and descriptor 3 listening.  Reaps every process, serves the "init" conversation, stops the workspace when told to.
 * It must never exit otherwise, never block, and never resolve a path once it runs: helpers do (job.h).
 */
#include "agent.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "conn.h"
#include "job.h"
#include "served.h"

#define LISTEN_FD       3
#define EVENTS_PER_TURN 32
#define KILL_WAIT_MS                                                                               \
	2000 /* after SIGKILL; then exit anyway, which makes the kernel end what is left */

static struct agent agent;

/* Every zombie. When nobody is left in a stopping workspace, this is the one place that ends it. */
static void reap(struct agent *a)
{
	int wstatus;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &wstatus, WNOHANG | __WALL);
		if (pid > 0) {
			job_reaped(a, pid, wstatus);
			continue;
		}
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0 && errno == ECHILD && a->stopping)
			_exit(0);
		return;
	}
}

static void read_signals(struct agent *a)
{
	struct signalfd_siginfo si[8];
	ssize_t n = read(a->signals, si, sizeof(si));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(si[0]); i++) {
		/* Sender 0 is outside this pid namespace; `kill 1` by the workspace's root does nothing. */
		if (si[i].ssi_signo != SIGCHLD && si[i].ssi_code <= 0 && si[i].ssi_pid == 0)
			agent_stop(a, AGENT_STOP_MS);
	}
	reap(a);
}

/* What is due by the clock; returns the time to wait for, in ms, -1 = for ever. */
static int tick(struct agent *a)
{
	uint64_t now = agent_now();
	uint64_t conns = conn_expire(a, now), jobs = job_expire(a, now);
	uint64_t next = conns < jobs ? conns : jobs, served = served_retry(a, now);

	if (a->accept_at && a->accept_at <= now) {
		a->accept_at = 0;
		agent_watch(a, a->listener, AGENT_LISTENER, 0, EPOLLIN);
	}
	if (a->trim_at && a->trim_at <= now) {
		a->trim_at = 0;
		conn_trim(a);
	}
	if (a->stopping && a->kill_at <= now) {
		kill(-1, SIGKILL);
		if (a->exit_at && a->exit_at <= now)
			_exit(0);
		if (!a->exit_at)
			a->exit_at = now + KILL_WAIT_MS;
		a->kill_at = now + 100; /* again: something may have forked meanwhile */
	}
	if (a->stopping)
		reap(a);
	if (served < next)
		next = served;
	if (a->accept_at && a->accept_at < next)
		next = a->accept_at;
	if (a->trim_at && a->trim_at < next)
		next = a->trim_at;
	if (a->stopping && a->kill_at < next)
		next = a->kill_at;
	return next == UINT64_MAX ? -1 : (int)(next - now);
}

static void turn(struct agent *a)
{
	struct epoll_event ev[EVENTS_PER_TURN];
	int n = epoll_wait(a->epoll, ev, EVENTS_PER_TURN, tick(a));

	for (int i = 0; i < n; i++) {
		uint32_t row = (uint32_t)ev[i].data.u64;

		switch ((enum agent_source)(ev[i].data.u64 >> 32)) {
		case AGENT_SIGNALS:
			read_signals(a);
			break;
		case AGENT_LISTENER:
			conn_accept(a);
			break;
		case AGENT_CONN:
			conn_event(a, row, ev[i].events);
			break;
		case AGENT_JOB:
			job_event(a, row);
			break;
		}
	}
}

/*
 * Nothing of the host stays open: 0, 1 and 2 become /dev/null, or a dead pipe where that is not the null device, and all
 * but the listening socket is closed.
 */
static int isolate_fds(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	int pipes[2];
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)))
		fd_close(&fd);
	if (fd < 0) {
		if (pipe2(pipes, O_CLOEXEC) < 0)
			return -1;
		close(pipes[1]);
		fd = pipes[0];
	}
	for (int i = 0; i < LISTEN_FD; i++)
		if ((fd != i && dup2(fd, i) < 0) || fcntl(i, F_SETFD, 0) < 0)
			return -1;
	if (fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return (int)syscall(SYS_close_range, LISTEN_FD + 1, ~0U, 0);
}

/* Signals that have a meaning for PID 1 arrive by signalfd; the kernel drops the rest, which have no handler. */
static int open_signals(void)
{
	struct sigaction ign = { .sa_handler = SIG_IGN }, dfl = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(SIGPIPE, &ign, NULL);
	sigaction(SIGCHLD, &dfl, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGPWR);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start(struct agent *a)
{
	struct rlimit nofile, nproc;
	struct stat st;

	if (fstat(LISTEN_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		errno = EBADF;
		return -1;
	}
	a->listener = LISTEN_FD;
	if (chdir("/") < 0 || isolate_fds() < 0 || fd_nonblock(a->listener, 1) < 0)
		return -1;
	prctl(PR_SET_NAME, "ws-init");
	umask(022);
	if (getrlimit(RLIMIT_NOFILE, &a->limits.nofile) < 0 ||
	    getrlimit(RLIMIT_NPROC, &a->limits.nproc) < 0)
		return -1;
	/* Our soft limit is a login's: less than the workspace's, so that there is room for the next one. */
	nproc = a->limits.nproc;
	nproc.rlim_cur = nproc.rlim_max;
	setrlimit(RLIMIT_NPROC, &nproc);
	nofile = a->limits.nofile;
	nofile.rlim_cur = nofile.rlim_max < AGENT_NOFILE ? nofile.rlim_max : AGENT_NOFILE;
	setrlimit(RLIMIT_NOFILE, &nofile);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->signals = open_signals();
	if (a->epoll < 0 || a->signals < 0)
		return -1;
	agent_watch(a, a->signals, AGENT_SIGNALS, 0, EPOLLIN);
	agent_watch(a, a->listener, AGENT_LISTENER, 0, EPOLLIN);
	return 0;
}

int main(void)
{
	static const char failed[] = "start ws-init: descriptor 3 must be a listening socket\n";

	if (start(&agent) < 0) {
		(void)!write(STDERR_FILENO, failed, sizeof(failed) - 1);
		return 1;
	}
	for (;;)
		turn(&agent);
}
