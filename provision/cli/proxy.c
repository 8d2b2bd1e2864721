/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pump of `sshbay enter`: a pty master or three pipes on one side, the admin's descriptors on the other.  One poll
 * loop; nothing of ours is made non-blocking, because other processes share the admin's descriptors.  Runs in sshbay.
 */
#include "proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "proto/init.h"

#define CHUNK (64 * 1024)
#define QUIET_MS                                                                                   \
	100 /* after the exit: how long output that a background process may hold open is waited for */

struct flow {
	int from, to; /* -1: ended */
	int *owned;   /* the spawn's descriptor, to be closed at the end of the flow, or NULL */
	size_t at, end;
	char buf[CHUNK];
};

enum { STDIN, STDOUT, STDERR, NFLOWS };

/* One array for poll(2), with names. */
struct polls {
	struct pollfd from[NFLOWS], to[NFLOWS], control, signals;
};

struct pump {
	struct proxy *proxy;
	struct flow flows[NFLOWS];
	int signals;
	bool exited;
	int status;
};

/* One enter per process. */
static struct pump pump;
static struct termios saved;
static bool raw;

void proxy_size(struct winsize *ws)
{
	memset(ws, 0, sizeof(*ws));
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, ws) < 0)
		memset(ws, 0, sizeof(*ws));
}

static void restore_terminal(void)
{
	if (raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	raw = false;
}

static void make_raw(void)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	t = saved;
	cfmakeraw(&t);
	raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

/* SIGINT only without a pty; with one the terminal is raw and ^C is a byte. */
static int open_signals(bool pty, sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (pty)
		sigaddset(&set, SIGWINCH);
	if (sigprocmask(SIG_BLOCK, &set, old) < 0)
		return -errno;
	(void)signal(SIGPIPE, SIG_IGN);
	pump.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return pump.signals < 0 ? -errno : 0;
}

static void flow_close_to(struct flow *f)
{
	/* Half close: the end of our stdin becomes the end of the spawn's. Of a pty it is not the end. */
	if (f->owned)
		fd_close(f->owned);
	f->to = -1;
}

static bool flow_reads(const struct flow *f)
{
	return f->from >= 0 && f->at == f->end;
}

static bool flow_writes(const struct flow *f)
{
	return f->to >= 0 && f->at < f->end;
}

static void flow_read(struct flow *f, bool input)
{
	ssize_t n = read(f->from, f->buf, sizeof(f->buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* EIO is how a pty master tells that its other side is gone. */
	if (n <= 0) {
		f->from = -1;
		if (input)
			flow_close_to(f);
		return;
	}
	f->at = 0;
	f->end = (size_t)n;
}

static void flow_write(struct flow *f, bool input)
{
	size_t n = f->end - f->at;
	ssize_t w;

	/* At most what a pipe that polls writable takes without blocking (pipe(7)). */
	if (!input && n > 4096)
		n = 4096;
	w = write(f->to, f->buf + f->at, n);
	if (w < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (w < 0) {
		/* A reader of ours that went away is passed on: the spawn gets its SIGPIPE. */
		f->at = f->end = 0;
		f->from = -1;
		if (!input)
			fd_close(f->owned);
		else
			flow_close_to(f);
		f->to = -1;
		return;
	}
	f->at += (size_t)w;
}

static void on_signals(void)
{
	struct signalfd_siginfo info;
	struct winsize ws;

	while (read(pump.signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH) {
			proxy_size(&ws);
			(void)ioctl(pump.proxy->in, TIOCSWINSZ, &ws);
			continue;
		}
		/* ws-init hangs up the spawn when our socket closes. Die as if there were no handler. */
		restore_terminal();
		(void)signal((int)info.ssi_signo, SIG_DFL);
		(void)raise((int)info.ssi_signo);
		_exit(128 + (int)info.ssi_signo);
	}
}

static int on_control(struct err *e)
{
	union {
		struct init_exited exited;
		struct init_failed failed;
	} body;
	struct msg m;
	int r = msg_recv(pump.proxy->control, &init_proto, &body, sizeof(body), &m, e);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ECONNRESET, "it was stopped");
	msg_close_fds(&m);
	if (m.type != INIT_EXITED)
		return err_set(e, EPROTO, "talk to ws-init: unexpected answer %s", m.row->name);
	pump.exited = true;
	pump.status = (int)(body.exited.signal ? 128 + body.exited.signal : body.exited.status);
	return 0;
}

static bool output_open(void)
{
	return pump.flows[STDOUT].from >= 0 || pump.flows[STDERR].from >= 0 ||
	       flow_writes(&pump.flows[STDOUT]) || flow_writes(&pump.flows[STDERR]);
}

static struct pollfd wait_for(int fd, short events)
{
	return (struct pollfd){ .fd = fd, .events = events };
}

static int poll_once(struct polls *p)
{
	bool pending = flow_writes(&pump.flows[STDOUT]) || flow_writes(&pump.flows[STDERR]);
	int n;

	for (unsigned int i = 0; i < NFLOWS; i++) {
		const struct flow *f = &pump.flows[i];
		/* Nobody reads the input of a spawn that has exited. */
		bool idle = pump.exited && i == STDIN;

		p->from[i] = wait_for(flow_reads(f) && !idle ? f->from : -1, POLLIN);
		p->to[i] = wait_for(flow_writes(f) && !idle ? f->to : -1, POLLOUT);
	}
	p->control = wait_for(pump.exited ? -1 : pump.proxy->control, POLLIN);
	p->signals = wait_for(pump.signals, POLLIN);
	do {
		n = poll((struct pollfd *)p, sizeof(*p) / sizeof(struct pollfd),
			 pump.exited && !pending ? QUIET_MS : -1);
	} while (n < 0 && errno == EINTR);
	return n;
}

static int loop(struct err *e)
{
	struct polls p;
	int r;

	while (!pump.exited || output_open()) {
		r = poll_once(&p);
		if (r < 0)
			return err_sys(e, "wait for the workspace");
		if (r == 0)
			break;
		for (unsigned int i = 0; i < NFLOWS; i++) {
			if (p.from[i].revents)
				flow_read(&pump.flows[i], i == STDIN);
			if (p.to[i].revents)
				flow_write(&pump.flows[i], i == STDIN);
		}
		if (p.signals.revents)
			on_signals();
		r = p.control.revents ? on_control(e) : 0;
		if (r < 0)
			return r;
	}
	return pump.status;
}

static void set_flow(int which, int from, int to, int *owned)
{
	struct flow *f = &pump.flows[which];

	f->from = from;
	f->to = to;
	f->owned = owned;
	f->at = f->end = 0;
}

int proxy_run(struct proxy *p, struct err *e)
{
	sigset_t old;
	int r;

	pump.proxy = p;
	pump.exited = false;
	set_flow(STDIN, STDIN_FILENO, p->in, p->pty ? NULL : &p->in);
	set_flow(STDOUT, p->out, STDOUT_FILENO, &p->out);
	set_flow(STDERR, p->error, STDERR_FILENO, &p->error);
	/* Shared with nobody but ws-init, which does not use them. */
	(void)fd_nonblock(p->in, 1);
	(void)fd_nonblock(p->out, 1);
	if (p->error >= 0)
		(void)fd_nonblock(p->error, 1);
	(void)fd_nonblock(p->control, 1);
	r = open_signals(p->pty, &old);
	if (r < 0)
		return err_ret(e, r, "watch signals");
	if (p->pty)
		make_raw();
	r = loop(e);
	restore_terminal();
	fd_close(&pump.signals);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

void proxy_close(struct proxy *p)
{
	fd_close(&p->in);
	fd_close(&p->out);
	fd_close(&p->error);
}
