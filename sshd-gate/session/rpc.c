/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See rpc.h.  Session process.  Messages are handled only from the loop; during a signature they are put aside. */
#include "rpc.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "attach.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "chan.h"
#include "jump.h"
#include "kbdint.h"
#include "login.h"
#include "permit.h"
#include "refusal.h"
#include "transport.h"

#define ANSWER_US 10000000 /* provisiond answers within this */
#define LOGIN_US                                                                                   \
	330000000 /* a question about the login: others than provisiond may be asked. The grace time ends it before */
#define LAST_WORD_US 1000000
#define REKEY_US     30000000 /* a restarting provisiond is waited for this long once logged in */
#define BODY_MAX     8192
#define DEFERRED_MAX 64

_Static_assert(sizeof(struct gate_welcome) <= BODY_MAX, "a welcome fits");

struct put_aside {
	struct msg m;
	void *body;
};

struct msg_queue {
	unsigned int n;
	struct put_aside items[DEFERRED_MAX];
};

/* The conversation is over. What needs provisiond fails from now on; the rest of the session goes on. */
static void lost(struct session *s, const char *why)
{
	if (s->prov < 0)
		return;
	log_detail("provisiond: %s", why);
	fd_close(&s->prov);
	outbox_clear(&s->to_prov);
	if (s->stage != STAGE_OPEN)
		session_end(s, "provisiond ended the conversation");
	else
		attach_lost(s, "provisiond is gone");
}

static int ask(struct session *s, uint32_t type, const void *body, struct err *e)
{
	if (s->prov < 0)
		return err_set(e, EPIPE, "ask 'provisiond': it is gone");
	/* Its end is noticed where it is read from (rpc_readable): here channels may be under way to their own end. */
	return msg_send(s->prov, &gate_proto, type, body, e);
}

/* What nobody comes again for: a full socket only delays it. */
static int tell(struct session *s, uint32_t type, const void *body, struct err *e)
{
	struct msg_out m = { .type = type, .body = body };

	if (s->prov < 0)
		return err_set(e, EPIPE, "tell 'provisiond': it is gone");
	return outbox_send(&s->to_prov, s->prov, &gate_proto, &m, e);
}

void rpc_writable(struct session *s)
{
	struct err e;

	/* An end is noticed where it is read from. */
	(void)outbox_flush(&s->to_prov, s->prov, &gate_proto, &e);
}

static int wait_for(int fd, short events, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = clk_now_us();

	if (now >= until)
		return -ETIMEDOUT;
	return poll(&p, 1, (int)((until - now) / 1000) + 1) < 0 && errno != EINTR ? -errno : 0;
}

int rpc_welcome(struct session *s, struct err *e)
{
	uint64_t until = clk_now_us() + ANSWER_US;
	uint8_t body[BODY_MAX] __attribute__((aligned(8)));
	struct msg m;
	int ret;

	do {
		ret = wait_for(s->prov, POLLIN, until);
		if (!ret)
			ret = msg_recv(s->prov, &gate_proto, body, sizeof(body), &m, e);
	} while (ret == -EAGAIN);
	if (ret < 0)
		return err_ret(e, ret, "await 'welcome of provisiond'");
	if (!ret)
		return err_set(e, EPIPE,
			       "await 'welcome of provisiond': it closed the conversation");
	msg_close_fds(&m);
	if (m.type != GATE_WELCOME)
		return err_set(e, EPROTO, "await 'welcome of provisiond': got %s", m.row->name);
	memcpy(&s->welcome, body, sizeof(s->welcome));
	return 0;
}

/* Keep a message for rpc_deferred. Takes its fds. */
static void put_aside(struct session *s, struct msg *m)
{
	struct put_aside *p;

	if (!s->deferred)
		s->deferred = calloc(1, sizeof(*s->deferred));
	if (!s->deferred || s->deferred->n == DEFERRED_MAX) {
		msg_close_fds(m);
		return;
	}
	p = &s->deferred->items[s->deferred->n];
	p->body = calloc(1, m->row->size ? m->row->size : 1);
	if (!p->body) {
		msg_close_fds(m);
		return;
	}
	memcpy(p->body, m->body, m->row->size);
	p->m = *m;
	p->m.body = p->body;
	s->deferred->n++;
}

/* A socket that is full of what the channels had to say gets room, or provisiond is gone for good. */
static int ask_patiently(struct session *s, uint32_t type, const void *body, uint64_t until)
{
	struct err e = { 0 };
	int ret;

	while ((ret = ask(s, type, body, &e)) == -EAGAIN) {
		ret = wait_for(s->prov, POLLOUT, until);
		if (ret < 0)
			break;
	}
	return ret;
}

/* One message of the wait for a signature. 1 = it is there, 0 = go on, -errno. */
static int sign_step(struct session *s, const struct gate_sign *q, uint8_t sig[64], struct err *e)
{
	uint8_t body[BODY_MAX] __attribute__((aligned(8)));
	struct msg m;
	int ret = msg_recv(s->prov, &gate_proto, body, sizeof(body), &m, e);

	if (ret == -EAGAIN)
		return 0;
	if (ret <= 0)
		return ret < 0 ? ret : -EPIPE;
	if (m.type == GATE_SIGNED) {
		const struct gate_signed *a = m.body;

		msg_close_fds(&m);
		if (a->sig.len != 64)
			return err_set(e, EPROTO, "ask 'signature': wrong length");
		memcpy(sig, a->sig.data, 64);
		return 1;
	}
	if (m.type == GATE_RESUMED)
		ret = ask_patiently(s, GATE_SIGN, q, clk_now_us() + LAST_WORD_US);
	put_aside(s, &m);
	return m.type == GATE_RESUMED ? ret : 0;
}

int rpc_sign(void *ctx, const uint8_t *hash, size_t len, uint8_t sig[64])
{
	struct session *s = ctx;
	uint64_t until = clk_now_us() + (s->stage == STAGE_OPEN ? REKEY_US : ANSWER_US);
	struct gate_sign q = { 0 };
	struct err e = { 0 };
	int ret;

	if (len < 20 || len > sizeof(q.hash.data))
		return -EINVAL;
	q.hash.len = (uint32_t)len;
	memcpy(q.hash.data, hash, len);
	ret = ask_patiently(s, GATE_SIGN, &q, until);
	while (!ret) {
		ret = wait_for(s->prov, POLLIN, until);
		if (!ret)
			ret = sign_step(s, &q, sig, &e);
	}
	if (ret < 0) {
		session_end(s, "no signature from provisiond: %s",
			    e.text[0] ? e.text : strerror(-ret));
		return ret;
	}
	return 0;
}

int rpc_ask_login(struct session *s, uint32_t type, const void *body, struct err *e)
{
	int ret = ask(s, type, body, e);

	/* There may be a password in it. */
	msg_scrub();
	if (ret < 0)
		return ret;
	s->auth_type = type;
	s->asked_us = clk_now_us();
	s->ask_until_us = s->asked_us + LOGIN_US;
	return 0;
}

int rpc_attach(struct session *s, bool progress, struct err *e)
{
	struct gate_attach q = { .progress = progress };

	return tell(s, GATE_ATTACH, &q, e);
}

void rpc_why(struct session *s)
{
	struct err e;

	(void)tell(s, GATE_WHY, NULL, &e);
}

int rpc_jump(struct session *s, const struct gate_jump *q)
{
	struct err e;

	return tell(s, GATE_JUMP, q, &e);
}

void rpc_violation(struct session *s)
{
	struct gate_violation v = { 0 };

	if (s->stage == STAGE_OPEN || (!s->violated && !transport_out_of_place(s->why)))
		return;
	memcpy(v.text, s->why, sizeof(v.text));
	(void)ask_patiently(s, GATE_VIOLATION, &v, clk_now_us() + LAST_WORD_US);
}

char *rpc_target(const struct init_address *a)
{
	char text[256];

	/* Of the others the address says nothing: it is a cookie, or empty. */
	if (a->kind == INIT_TCP && a->port)
		(void)str_format(text, sizeof(text), "%.200s:%u", a->host, a->port);
	else if (a->kind == INIT_TCP || a->kind == INIT_UNIX)
		(void)str_copy(text, sizeof(text), a->host);
	else
		return NULL;
	return strdup(text);
}

/* The beginning of what ends, or another denial, as long as that was not sent. */
static bool superseded(const struct outbox_item *i, const void *ctx)
{
	const struct gate_channel *n = ctx, *kept = (const void *)i->body;

	return i->type == GATE_CHANNEL && kept->id == n->id && kept->event == GATE_CHAN_OPENED;
}

static bool denied(const struct outbox_item *i, const void *ctx)
{
	const struct gate_channel *kept = (const void *)i->body;

	return i->type == GATE_CHANNEL && kept->event == GATE_CHAN_DENIED;
}

/*
 * A provisiond that cannot keep up hears of every channel that lives on, and of the end of each that it knows; what began
 * and ended meanwhile, and all but the last denial, it does not miss.
 */
static void notice(struct session *s, const struct gate_channel *n)
{
	struct err e = { 0 };

	if (n->event == GATE_CHAN_CLOSED && outbox_take_back(&s->to_prov, superseded, n))
		return;
	if (n->event == GATE_CHAN_DENIED)
		(void)outbox_take_back(&s->to_prov, denied, n);
	if (tell(s, GATE_CHANNEL, n, &e) < 0)
		log_detail("%s", e.text);
}

void rpc_channel(struct session *s, const struct chan *c, bool open)
{
	struct gate_channel n = { .id = c->id,
				  .kind = c->what,
				  .event = open ? GATE_CHAN_OPENED : GATE_CHAN_CLOSED };

	if (c->target)
		(void)str_copy(n.what, sizeof(n.what), c->target);
	if (!open)
		n.status = c->signal ? 128 + c->signal : c->status;
	notice(s, &n);
}

void rpc_listen(struct session *s, const struct listen *l, enum gate_channel_event event)
{
	struct gate_channel n = { .id = l->id, .kind = l->kind, .event = event };

	if (l->kind == GATE_CHAN_AGENT)
		(void)str_copy(n.what, sizeof(n.what), l->host);
	else if (l->kind == GATE_CHAN_X11)
		(void)str_format(n.what, sizeof(n.what), "display %u", l->port);
	else if (l->address == INIT_UNIX)
		(void)str_copy(n.what, sizeof(n.what), l->host);
	else
		(void)str_format(n.what, sizeof(n.what), "%.200s:%u", l->host, l->port);
	notice(s, &n);
}

void rpc_denied(struct session *s, enum gate_channel_kind kind, const char *what)
{
	struct gate_channel n = { .kind = kind, .event = GATE_CHAN_DENIED };

	(void)str_copy(n.what, sizeof(n.what), what);
	notice(s, &n);
}

/* A new provisiond asks to hear the open questions again. */
static void resumed(struct session *s)
{
	bool why = false;

	log_detail("provisiond is back");
	outbox_clear(&s->to_prov); /* all that still matters is said again */
	/* Never before a login: what provisiond had verified of it is lost, and the connection is ended. */
	if (s->auth_type)
		session_end(s, "provisiond was restarted");
	attach_again(s);
	jump_again(s);
	for (uint32_t i = 0; i < s->nchans; i++) {
		if (s->chans[i]->announced)
			rpc_channel(s, s->chans[i], true);
		why |= s->chans[i]->why_asked;
	}
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].announced)
			rpc_listen(s, &s->listens[i], GATE_CHAN_OPENED);
	if (why)
		rpc_why(s);
}

static void permit(struct session *s, const struct gate_permit *p)
{
	int ret = s->stage == STAGE_AUTH ? permit_take(s, p) : -EPROTO;

	if (ret < 0)
		session_end(s, "what the login may do: %s", strerror(-ret));
}

/* An administrator's words reach the client's terminal: SSH clients escape them, and so do we. */
static void leave(struct session *s, const struct gate_leave *l)
{
	char vis[GATE_TEXT_MAX];

	transport_disconnect(s, str_vis(l->text, strlen(l->text), vis, sizeof(vis)));
}

static void handle(struct session *s, struct msg *m)
{
	switch (m->type) {
	case GATE_LEAVE:
		leave(s, m->body);
		break;
	case GATE_NOTICE:
		refusal_notice(s, ((const struct gate_notice *)m->body)->text);
		break;
	case GATE_PERMIT:
		permit(s, m->body);
		break;
	case GATE_VERDICT:
		login_verdict(s, m->body);
		break;
	case GATE_PROMPT:
		kbdint_prompt(s, m->body);
		break;
	case GATE_PROGRESS:
		attach_progress(s, m->body);
		break;
	case GATE_ATTACHED:
		attach_done(s, m->body, fd_take(&m->fds[0]));
		break;
	case GATE_REFUSED:
		attach_refused(s, ((const struct gate_refused *)m->body)->text);
		break;
	case GATE_JUMPED:
		jump_answered(s, m->body, m->nfds ? fd_take(&m->fds[0]) : -1);
		break;
	case GATE_BECAUSE:
		chan_because(s, ((const struct gate_because *)m->body)->text);
		break;
	case GATE_RESUMED:
		resumed(s);
		break;
	case GATE_SIGNED: /* an answer asked for twice around a restart */
		break;
	default:
		lost(s, "sent what it may not");
		break;
	}
	msg_close_fds(m);
}

void rpc_readable(struct session *s)
{
	uint8_t small[BODY_MAX] __attribute__((aligned(8)));
	bool login = s->stage != STAGE_OPEN; /* a permit may come */
	size_t cap = login ? sizeof(struct gate_permit) : sizeof(small);
	struct err e = { 0 };
	struct msg m;
	void *body = small;
	int ret = 1;

	/* Not from the heap or the stack: what is written once would cost its memory as long as the session lives. */
	if (login)
		body = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (body == MAP_FAILED) {
		session_end(s, "out of memory");
		return;
	}
	while (s->prov >= 0 && !s->ending && ret > 0) {
		ret = msg_recv(s->prov, &gate_proto, body, cap, &m, &e);
		if (ret > 0)
			handle(s, &m);
		else if (ret != -EAGAIN)
			lost(s, ret ? e.text : "closed");
	}
	if (login)
		(void)munmap(body, cap);
}

bool rpc_pending(const struct session *s)
{
	return s->deferred && s->deferred->n;
}

void rpc_deferred(struct session *s)
{
	while (s->deferred && s->deferred->n) {
		struct msg_queue *q = s->deferred;

		/* A handler may sign and so put more aside: start over with a fresh queue. */
		s->deferred = NULL;
		for (unsigned int i = 0; i < q->n; i++) {
			handle(s, &q->items[i].m);
			free(q->items[i].body);
		}
		free(q);
	}
}
