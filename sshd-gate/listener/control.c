/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * provisiond may come and go: sessions run on, and when it is back it gets a duplicate of every living connection's
 * socket again.  Runs in the listener.
 */
#include "control.h"

#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "accept.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "judge.h"
#include "sandbox.h"

#define CTL_VERSION    1
#define BACKOFF_MIN_US 50000
#define BACKOFF_MAX_US 250000
#define HURRY_US       20000 /* not more often than this, however many clients ask */
#define NOTICE_BURST   100   /* CTL_PENALTY at once, and per second */
#define NOTICE_RATE    10
#define DROP_US        1000000 /* a dropped session may say good-bye for this long */

int control_init(struct control *c, const char *run, struct err *e)
{
	c->sock = -1;
	c->backoff_us = BACKOFF_MIN_US;
	if (str_format(c->path, sizeof(c->path), "%s/gate.sock", run) < 0)
		return err_set(e, ENAMETOOLONG, "use run directory '%s': path too long", run);
	return 0;
}

static void later(struct control *c, uint64_t now_us)
{
	c->retry_us = now_us + c->backoff_us;
	c->backoff_us = c->backoff_us * 2 < BACKOFF_MAX_US ? c->backoff_us * 2 : BACKOFF_MAX_US;
}

void control_lost(struct listener *l, uint64_t now_us, const struct err *e)
{
	struct control *c = &l->control;

	if (!c->said)
		log_warn(
			"%s; sessions run on, new connections are refused until provisiond is back",
			e->text);
	c->said = true;
	if (c->started)
		c->lost_us = now_us;
	fd_close(&c->sock);
	c->started = false;
	later(c, now_us);
}

static int start(struct listener *l, struct err *e)
{
	struct ctl_start m = { .version = CTL_VERSION,
			       .nplain = l->settings.nplain,
			       .ntransparent = l->settings.ntransparent };

	return msg_send_fds(l->control.sock, &ctl_proto,
			    &(struct msg_out){ CTL_START, &m, l->socks, l->nsocks }, e);
}

void control_connect(struct listener *l, uint64_t now_us)
{
	struct control *c = &l->control;
	struct err e = { 0 };
	int ret;

	if (c->sock >= 0 || now_us < c->retry_us)
		return;
	c->tried_us = now_us;
	c->sock = msg_connect(c->path, &e);
	if (c->sock < 0) {
		if (!c->said)
			log_note("%s: waiting for provisiond", e.text);
		c->sock = -1;
		c->said = true;
		later(c, now_us);
		return;
	}
	for (size_t i = 0; i < l->children.n; i++)
		l->children.v[i]->announced = false;
	ret = fd_nonblock(c->sock, 1);
	if (ret < 0)
		err_ret(&e, ret, "connect to '%s'", c->path);
	else
		ret = start(l, &e);
	if (ret < 0)
		control_lost(l, now_us, &e);
}

bool control_hurry(struct listener *l, uint64_t now_us)
{
	struct control *c = &l->control;

	if (c->sock < 0 && now_us >= c->tried_us + HURRY_US) {
		c->retry_us = 0;
		control_connect(l, now_us);
	}
	return c->sock >= 0;
}

uint64_t control_absent_at(const struct listener *l)
{
	const struct control *c = &l->control;

	return c->sock >= 0 ? c->tried_us + CONTROL_ANSWER_US : c->lost_us + CONTROL_PATIENCE_US;
}

bool control_absent(const struct listener *l, uint64_t now_us)
{
	return !l->control.started && now_us >= control_absent_at(l);
}

/* What cannot be taken leaves the old rules; the settings were checked by provisiond. */
static void take_penalties(struct listener *l)
{
	uint64_t seed = l->penalty.seed;
	struct err e = { 0 };

	if (!seed)
		(void)!getrandom(&seed, sizeof(seed), 0);
	if (penalty_configure(&l->penalty, &l->settings, seed, &e) < 0)
		log_error("%s ([penalties])", e.text);
}

/* Close the old sockets; what waits in them is served first. */
static void swap_sockets(struct listener *l, const struct ctl_settings *s, struct msg *m)
{
	struct ctl_settings old = l->settings;

	/* Only addresses that are given up lose their queue with the close; still-shared sockets stay open elsewhere. */
	if (l->nsocks && l->control.started)
		accept_turn(l, NULL, clk_now_us());
	for (uint32_t i = 0; i < l->nsocks; i++)
		fd_close(&l->socks[i]);
	l->nsocks = 0;
	for (uint32_t i = 0; i < m->nfds; i++) {
		(void)fd_nonblock(m->fds[i], 1);
		l->socks[l->nsocks++] = fd_take(&m->fds[i]);
	}
	l->settings = *s;
	take_penalties(l);
	if (l->confined && (old.uid != s->uid || old.gid != s->gid))
		log_warn("become uid %u: restart sshd-gate for that", s->uid);
}

static int confine(struct listener *l, struct err *e)
{
	int ret = sandbox_become(l->settings.uid, l->settings.gid, e);

	if (ret == 0)
		ret = sandbox_enter(l->program_fd, e);
	if (ret == 0)
		l->confined = true;
	return ret;
}

static int take_settings(void *ctx, struct msg *m, struct err *e)
{
	struct listener *l = ctx;
	const struct ctl_settings *s = m->body;

	if (s->nplain + s->ntransparent != m->nfds)
		return err_set(e, EPROTO, "receive 'CTL_SETTINGS': %u sockets, %u announced",
			       m->nfds, s->nplain + s->ntransparent);
	swap_sockets(l, s, m);
	if (!l->confined && confine(l, e) < 0) {
		/* Without the sandbox nothing is served. */
		log_error("%s", e->text);
		l->stop = true;
		return -e->code;
	}
	if (!l->control.started || l->control.said)
		log_note("serving %u addresses and %u transparent sockets", s->nplain,
			 s->ntransparent);
	l->control.started = true;
	l->control.said = false;
	l->control.backoff_us = BACKOFF_MIN_US;
	return 0;
}

static int take_state(void *ctx, struct msg *m, struct err *e)
{
	struct listener *l = ctx;
	const struct ctl_state *s = m->body;
	struct child *c = children_by_id(&l->children, s->id.data);

	/* Unknown: it ended while the message was under way. */
	if (!c) {
		judge_state(l, s->id.data, (enum ctl_state_kind)s->kind);
		return 0;
	}
	switch ((enum ctl_state_kind)s->kind) {
	case CTL_AUTHENTICATED:
		c->authenticated = true;
		c->deadline_us = 0;
		break;
	case CTL_AUTH_FAILED:
		c->failed = true;
		break;
	case CTL_VIOLATED:
		c->violated = true;
		break;
	case CTL_DROP:
		c->dropped = true;
		if (c->gate >= 0)
			(void)shutdown(c->gate, SHUT_RDWR);
		fd_close(&c->gate);
		c->deadline_us = clk_now_us() + DROP_US;
		break;
	}
	return 0;
}

static int take_jump(void *ctx, struct msg *m, struct err *e)
{
	accept_jump(ctx, fd_take(&m->fds[0]), m->body, clk_now_us());
	return 0;
}

/* What it says about sources that are no network was checked where it came from. */
static int take_look(void *ctx, struct msg *m, struct err *e)
{
	struct listener *l = ctx;
	const struct ctl_look *q = m->body;
	struct ctl_sources a = { .serial = q->serial };
	struct penalty_source worst[CTL_WORST];
	uint64_t now = clk_now_us();
	struct ipnet net;
	char text[IP_TEXT_MAX];
	size_t used = 0;
	uint32_t n;

	if (strcmp(q->lift, "all") == 0)
		a.lifted = penalty_lift(&l->penalty, NULL, now);
	else if (q->lift[0] && ip_parse_net(q->lift, &net, e) < 0)
		return -EINVAL;
	else if (q->lift[0])
		a.lifted = penalty_lift(&l->penalty, &net, now);
	a.refused = penalty_count(&l->penalty, now);
	n = penalty_worst(&l->penalty, now, worst, CTL_WORST);
	for (uint32_t i = 0; i < n; i++, used = strlen(a.worst))
		(void)str_format(a.worst + used, sizeof(a.worst) - used, "%s/%u %u,",
				 ip_text(&worst[i].source.addr, text, sizeof(text)),
				 worst[i].source.plen, worst[i].left_s);
	/* A full socket costs the answer: the admin asks again. */
	if (msg_send(l->control.sock, &ctl_proto, CTL_SOURCES, &a, e) < 0)
		log_detail("%s", e->text);
	return 0;
}

/* Announce what this provisiond does not know, as far as its socket has room. */
static int announce_all(struct listener *l, struct err *e)
{
	for (size_t i = 0; i < l->children.n; i++) {
		struct child *c = l->children.v[i];
		int ret = c->announced || c->gate < 0 ? 0 : control_announce(l, c, true, e);

		if (ret == -EAGAIN || ret == -ETOOMANYREFS)
			return 0;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int read_one(struct listener *l, struct err *e)
{
	static const struct msg_route routes[] = {
		{ CTL_SETTINGS, take_settings },
		{ CTL_STATE, take_state },
		{ CTL_JUMP, take_jump },
		{ CTL_LOOK, take_look },
	};
	static const struct msg_table table = { &ctl_proto, routes,
						sizeof(routes) / sizeof(routes[0]) };
	struct msg_state any = { .phase = 1 };
	union {
		struct ctl_settings settings;
		struct ctl_state state;
		struct ctl_conn conn;
		struct ctl_jump jump;
		struct ctl_look look;
	} body;
	struct msg m;
	int ret = msg_recv(l->control.sock, &ctl_proto, &body, sizeof(body), &m, e);

	if (ret == -EAGAIN)
		return 0;
	if (ret == 0)
		return err_set(e, EPIPE, "talk to provisiond on '%s': it is gone", l->control.path);
	if (ret < 0)
		return ret;
	ret = msg_dispatch(&table, &any, l, &m, e);
	return ret < 0 ? ret : 1;
}

void control_ready(struct listener *l, uint64_t now_us)
{
	struct err e = { 0 };
	int ret;

	do {
		ret = read_one(l, &e);
	} while (ret > 0);
	if (ret == 0 && l->control.started)
		ret = announce_all(l, &e);
	if (ret < 0)
		control_lost(l, now_us, &e);
}

bool control_backlog(const struct listener *l)
{
	if (!l->control.started)
		return false;
	for (size_t i = 0; i < l->children.n; i++)
		if (!l->children.v[i]->announced && l->children.v[i]->gate >= 0)
			return true;
	return false;
}

int control_announce(struct listener *l, struct child *c, bool resumed, struct err *e)
{
	struct ctl_conn m = { .peer = c->peer, .local = c->local, .resumed = resumed };
	int ret;

	m.id.len = CTL_ID_LEN;
	memcpy(m.id.data, c->id, CTL_ID_LEN);
	m.via.len = c->jumped ? CTL_ID_LEN : 0;
	memcpy(m.via.data, c->via, m.via.len);
	ret = msg_send_fds(l->control.sock, &ctl_proto,
			   &(struct msg_out){ CTL_CONN, &m, &c->gate, 1 }, e);
	if (ret == 0)
		c->announced = true;
	return ret;
}

void control_closed(struct listener *l, const struct child *c, uint32_t signal)
{
	struct ctl_closed m = { .signal = signal, .timeout = c->timeout };
	struct err e;

	if (!l->control.started || !c->announced)
		return;
	m.id.len = CTL_ID_LEN;
	memcpy(m.id.data, c->id, CTL_ID_LEN);
	/* When it gets lost, the end of the session's own socket tells provisiond the same. */
	if (msg_send(l->control.sock, &ctl_proto, CTL_CLOSED, &m, &e) < 0)
		log_detail("%s", e.text);
}

void control_penalty(struct listener *l, struct ctl_penalty *m, uint64_t now_us)
{
	uint64_t fresh = (now_us - l->notice_us) * NOTICE_RATE / 1000000;
	struct err e;

	if (fresh) {
		l->notice_us = now_us;
		l->notice_tokens = fresh > NOTICE_BURST - l->notice_tokens
					   ? NOTICE_BURST
					   : l->notice_tokens + (uint32_t)fresh;
	}
	if (!l->control.started || !l->notice_tokens) {
		l->notice_lost++;
		return;
	}
	l->notice_tokens--;
	m->suppressed = l->notice_lost;
	m->sources = penalty_count(&l->penalty, now_us);
	if (msg_send(l->control.sock, &ctl_proto, CTL_PENALTY, m, &e) < 0)
		l->notice_lost++;
	else
		l->notice_lost = 0;
}
