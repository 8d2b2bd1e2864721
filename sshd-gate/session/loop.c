/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop of a session process: one poll over the connection, provisiond, ws-init and the descriptors of the channels.
 * Session process.  Everything that is watched is watched only while something can be done about it: a descriptor in
 * error that nobody wants to use must not wake the loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "attach.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "chan.h"
#include "forward.h"
#include "global.h"
#include "idle.h"
#include "jump.h"
#include "login.h"
#include "pump.h"
#include "readahead.h"
#include "remote.h"
#include "rpc.h"
#include "served.h"
#include "session.h"
#include "spawn.h"
#include "transport.h"

#define ALARM_S   10
#define FIXED     3 /* connection, provisiond, ws-init */
#define POLLS_MAX (FIXED + SESSION_LISTENS_MAX + 3 * SESSION_CHANNELS_MAX)

struct polls {
	struct pollfd fds[POLLS_MAX];
	nfds_t n;
	nfds_t listen_at[SESSION_LISTENS_MAX];
	struct {
		nfds_t at[3]; /* index in fds, 0 = not polled */
		short ev[3];
	} chans[SESSION_CHANNELS_MAX];
};

void session_end(struct session *s, const char *fmt, ...)
{
	va_list ap;

	if (s->ending)
		return;
	s->ending = true;
	va_start(ap, fmt);
	(void)vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
}

static nfds_t watch(struct polls *p, int fd, short events)
{
	p->fds[p->n] = (struct pollfd){ .fd = events ? fd : -1, .events = events };
	return p->n++;
}

static void build(const struct session *s, struct polls *p)
{
	p->n = 0;
	/* Even when nothing may be read, a connection that breaks must be noticed: poll reports that unasked. */
	(void)watch(p, ssh_get_fd(s->ssh), transport_events(s));
	p->fds[0].fd = ssh_get_fd(s->ssh);
	(void)watch(p, s->prov, (short)(POLLIN | (s->to_prov.first ? POLLOUT : 0)));
	(void)watch(p, s->init, (short)(POLLIN | (spawn_wants_write(s) ? POLLOUT : 0)));
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		p->listen_at[i] = s->listens[i].id && s->listens[i].fd >= 0
					  ? watch(p, s->listens[i].fd, POLLIN)
					  : 0;
	for (uint32_t i = 0; i < s->nchans; i++) {
		const struct chan *c = s->chans[i];
		const int fds[3] = { c->in, c->out.fd, c->err.fd };

		memset(&p->chans[i], 0, sizeof(p->chans[i]));
		if (c->state != CHAN_RUNNING)
			continue;
		pump_events(s, c, p->chans[i].ev);
		for (int k = 0; k < 3; k++)
			if (p->chans[i].ev[k])
				p->chans[i].at[k] = watch(p, fds[k], p->chans[i].ev[k]);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

/* Milliseconds until something must be done, -1 = never. */
static int timeout(const struct session *s, uint64_t now)
{
	uint64_t next = chan_next(s),
		 alive = s->heard_us + (uint64_t)s->welcome.alive_interval_s * 1000000;

	/* Whatever was sent last may have taken in data, requests or closes after those had their turn; so may a signature. */
	if (s->stirred || rpc_pending(s) || transport_pending(s))
		return 0;
	for (uint32_t i = 0; i < s->nchans; i++)
		if (pump_pending(s, s->chans[i]))
			return 0;
	next = earlier(next, pump_next(s));
	next = earlier(next, s->deadline_us);
	next = earlier(next, s->auth_type ? s->ask_until_us : 0);
	/* What libssh left unanswered waits for the verdict that is out. */
	next = earlier(next, s->auth_type || s->late_us ? 0 : s->mute_us);
	next = earlier(next, s->late_us);
	next = earlier(next, s->attach_until_us);
	next = earlier(next, jump_next(s));
	if (s->welcome.alive_interval_s && s->stage == STAGE_OPEN)
		next = earlier(next, alive > s->alive_us ? alive : s->alive_us);
	if (s->stage == STAGE_OPEN)
		next = earlier(next, idle_next(s));
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	next = (next - now + 999) / 1000;
	return next > 60000 ? 60000 : (int)next;
}

static void dispatch(struct session *s, struct ssh_message_struct *m)
{
	if (s->stage != STAGE_OPEN) {
		login_request(s, m);
		return;
	}
	/* A keepalive is no use of anything; global.c tells. */
	if (ssh_message_type(m) != SSH_REQUEST_GLOBAL)
		idle_used(s);
	switch (ssh_message_type(m)) {
	case SSH_REQUEST_CHANNEL_OPEN:
		if (ssh_message_subtype(m) != SSH_CHANNEL_SESSION)
			forward_open_request(s, m);
		else if (global_waits(s))
			global_request(s, m);
		else
			chan_open_request(s, m);
		break;
	case SSH_REQUEST_CHANNEL:
		chan_request(s, m);
		break;
	case SSH_REQUEST_GLOBAL:
		global_request(s, m);
		break;
	default:
		ssh_message_free(m);
		session_end(s, "request out of order");
		break;
	}
	transport_note_writes(s);
}

static void serve_client(struct session *s, bool readable, uint64_t now)
{
	struct ssh_message_struct *m;
	unsigned int handled = 0;

	if (s->stage == STAGE_KEX) {
		if (!readable || !transport_kex(s))
			return;
		s->stage = STAGE_AUTH;
		login_account(s, 0, now);
	}
	while (!s->ending && (m = transport_next(s, readable))) {
		handled++;
		served_tick(s);
		dispatch(s, m);
	}
	served_tick(s);
	if (s->stage == STAGE_AUTH && !s->ending)
		login_account(s, handled, now);
}

/* What poll saw. Only before anything changes the table of channels. */
static void polled_channels(struct session *s, const struct polls *p)
{
	for (uint32_t i = 0; i < s->nchans; i++) {
		short seen[3] = { 0 };

		for (int k = 0; k < 3; k++)
			if (p->chans[i].at[k])
				seen[k] = p->fds[p->chans[i].at[k]].revents;
		pump_polled(s->chans[i], p->chans[i].ev, seen);
	}
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (p->listen_at[i] && p->fds[p->listen_at[i]].revents)
			remote_accept(s, &s->listens[i]);
}

static void turn(struct session *s, const struct polls *p)
{
	uint64_t now = clk_now_us();

	polled_channels(s, p);
	if (p->fds[0].revents && !(p->fds[0].revents & p->fds[0].events)) {
		session_end(s, "connection lost");
		return;
	}
	serve_client(s, p->fds[0].revents != 0, now);
	if (s->prov >= 0 && p->fds[1].revents & POLLOUT)
		rpc_writable(s);
	if (s->prov >= 0 && p->fds[1].revents)
		rpc_readable(s);
	rpc_deferred(s);
	if (s->init >= 0 && p->fds[2].revents & POLLOUT)
		spawn_writable(s);
	if (s->init >= 0 && p->fds[2].revents)
		spawn_readable(s);
	if (s->ending)
		return;
	/* A verdict may have opened the way for requests that are already here. */
	serve_client(s, false, now);
	if (s->ending)
		return;
	if (s->stage == STAGE_OPEN) {
		pump_run(s);
		remote_tick(s);
		chan_settle(s, now);
		attach_tick(s, now);
		jump_tick(s, now);
		transport_keepalive(s, now);
		idle_tick(s, now);
		/* Writing may have taken packets in. */
		serve_client(s, false, now);
		global_run(s);
	} else {
		login_tick(s, now);
		/* A refusal that was due may have opened it, too. */
		serve_client(s, false, now);
	}
	if (s->deadline_us && now >= s->deadline_us && !s->ending)
		transport_disconnect(s, "Login grace time exceeded");
}

static void loop(struct session *s)
{
	static struct polls p;

	while (!s->ending) {
		build(s, &p);
		if (readahead_poll(p.fds, p.n, timeout(s, clk_now_us())) < 0) {
			if (errno == EINTR)
				continue;
			session_end(s, "poll: %s", strerror(errno));
			return;
		}
		turn(s, &p);
		transport_note_writes(s);
	}
}

static void tick(int sig)
{
}

/*
 * Who made a descriptor can make it block again. Without SA_RESTART an alarm ends such a call, so that the connection
 * is still looked after and its end noticed.
 */
static void start_alarm(void)
{
	const struct sigaction act = { .sa_handler = tick };
	const struct itimerval every = { { ALARM_S, 0 }, { ALARM_S, 0 } };

	(void)sigaction(SIGALRM, &act, NULL);
	(void)setitimer(ITIMER_REAL, &every, NULL);
}

int session_run(int conn, int prov, const struct ipport *peer, const struct ipport *local)
{
	struct session *s = calloc(1, sizeof(*s));
	struct err e = { 0 };

	if (!s)
		return 1;
	s->prov = prov;
	s->init = -1;
	s->peer = *peer;
	s->local = *local;
	s->linger = fcntl(conn, F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		s->listens[i].fd = -1;
	(void)fd_nonblock(prov, 1);
	if (rpc_welcome(s, &e) < 0 || transport_start(s, conn, &e) < 0) {
		log_error("%s", e.text);
		transport_refuse(s->linger, "sshbay: the login service does not answer, try again");
		return 1;
	}
	login_methods(s, s->welcome.methods);
	if (s->welcome.grace_s)
		s->deadline_us = clk_now_us() + (uint64_t)s->welcome.grace_s * 1000000;
	start_alarm();
	(void)transport_kex(s);
	loop(s);
	transport_farewell(s);
	rpc_violation(s);
	log_detail("connection ended: %s", s->why);
	return 0;
}
