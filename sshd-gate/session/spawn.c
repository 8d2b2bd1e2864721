/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See spawn.h.  Session process, after the attach.  A ws-init that breaks the rules costs its own workspace's sessions. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "chan.h"
#include "forward.h"
#include "global.h"
#include "pump.h"
#include "remote.h"
#include "request.h"
#include "rpc.h"
#include "served.h"

#define BODY_MAX    4096
#define SIGNALS_MAX 64 /* kept for a ws-init that does not read; more are not what a user means */
#define MESSAGES_PER_TURN                                                                          \
	64 /* a ws-init that never stops talking must not keep the client from being heard */

_Static_assert(sizeof(struct init_bound) <= BODY_MAX, "an answer fits");

/* ws-init is gone, and with it every process of the workspace. */
static void lost(struct session *s, const char *why)
{
	log_note("workspace '%s': ws-init: %s", s->attached.workspace, why);
	if (s->attach == ATTACH_BINDING) {
		attach_lost(s, why);
		return;
	}
	fd_close(&s->init);
	outbox_clear(&s->to_init);
	s->attach = ATTACH_NONE;
	for (uint32_t i = 0; i < s->nchans; i++) {
		struct chan *c = s->chans[i];
		struct init_exited killed = { .id = c->id, .signal = 9 };

		if (c->kind != CHAN_SESSION || c->exited)
			continue;
		if (c->state == CHAN_WAITING)
			chan_fail(s, c, "the workspace was stopped");
		else if (c->state == CHAN_RUNNING)
			chan_exited(s, c, &killed);
	}
	forward_fail_waiting(s, "the workspace was stopped");
	served_lost(s);
}

/*
 * A loss is not handled here, in the midst of who knows what: the socket, shut down, says it to spawn_readable, from the
 * loop. Also when the other end only refuses to listen.
 */
static void broken(struct session *s)
{
	(void)shutdown(s->init, SHUT_RDWR);
}

/* 1 = sent, 0 = later, or never. The caller comes again when there is room. */
static int tell(struct session *s, uint32_t type, const void *body)
{
	struct err e = { 0 };
	int ret;

	/* A port is listened on again after it was released, and not before. */
	if (s->init < 0 || s->to_init.first)
		return 0;
	ret = msg_send(s->init, &init_proto, type, body, &e);
	if (ret < 0 && ret != -EAGAIN)
		broken(s);
	return ret == 0;
}

/* Said once, with no answer to wait for. */
static void tell_once(struct session *s, uint32_t type, const void *body)
{
	struct msg_out m = { .type = type, .body = body };
	struct err e = { 0 };

	if (s->init >= 0 && outbox_send(&s->to_init, s->init, &init_proto, &m, &e) < 0)
		broken(s);
}

/* Does it wait for what the client asked for before: an agent or a display, or a -R that it may be about to dial? */
static bool is_held(const struct session *s, const struct chan *c)
{
	return (c->ask && served_pending(s, c)) || (c->dial && global_waits(s));
}

void spawn_submit(struct session *s, struct chan *c)
{
	if (c->sent || !attach_is_ready(s) || is_held(s, c))
		return;
	if (c->ask) {
		c->ask->id = c->id;
		request_finish(s, c);
		c->sent = tell(s, INIT_SPAWN, c->ask);
		if (c->sent) {
			free(c->ask);
			c->ask = NULL;
		}
	} else if (c->dial) {
		c->dial->id = c->id;
		c->sent = tell(s, INIT_DIAL, c->dial);
	}
}

void spawn_listen(struct session *s, struct listen *l)
{
	if (!l->sent && l->ask && attach_is_ready(s))
		l->sent = tell(s, INIT_LISTEN, l->ask);
}

void spawn_release(struct session *s, uint32_t id)
{
	struct init_release q = { .id = id };

	tell_once(s, INIT_RELEASE, &q);
}

bool spawn_wants_write(const struct session *s)
{
	if (s->attach != ATTACH_READY)
		return false;
	if (s->to_init.first)
		return true;
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->state == CHAN_WAITING && !s->chans[i]->sent &&
		    !is_held(s, s->chans[i]))
			return true;
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].ask && !s->listens[i].sent)
			return true;
	return false;
}

void spawn_writable(struct session *s)
{
	struct err e = { 0 };

	if (outbox_flush(&s->to_init, s->init, &init_proto, &e) < 0)
		broken(s);
	chan_submit_waiting(s);
	remote_submit_waiting(s);
}

/* A second one of the same kind says no more than the first, as with any process that has not yet seen it. */
static bool same_signal(const struct outbox_item *i, const void *ctx)
{
	return i->type == INIT_SIGNAL && memcmp(i->body, ctx, sizeof(struct init_signal)) == 0;
}

void spawn_signal(struct session *s, const struct chan *c, int number)
{
	struct init_signal q = { .id = c->id, .signal = (uint32_t)number };

	if (c->state != CHAN_RUNNING || c->exited)
		return;
	(void)outbox_take_back(&s->to_init, same_signal, &q);
	if (s->to_init.n < SIGNALS_MAX)
		tell_once(s, INIT_SIGNAL, &q);
}

static mode_t type_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_mode & S_IFMT;
}

/* Are these the descriptors of a terminal, or of three pipes? */
static bool fds_ok(const struct chan *c, const struct msg *m)
{
	if (m->nfds != (c->pty ? 1U : 3U))
		return false;
	for (uint32_t i = 0; i < m->nfds; i++) {
		mode_t t = type_of(m->fds[i]);

		if (c->pty ? t != S_IFCHR : t != S_IFIFO && t != S_IFSOCK)
			return false;
	}
	return true;
}

static void spawned(struct session *s, struct msg *m)
{
	const struct init_spawned *a = m->body;
	struct chan *c = chan_by_id(s, a->id);
	int in;

	/* A channel that was closed meanwhile: closing the fds hangs the process up. */
	if (!c || c->kind != CHAN_SESSION || c->state != CHAN_WAITING || !c->sent)
		return;
	if (!fds_ok(c, m)) {
		chan_fail(s, c, "the workspace sent wrong descriptors");
		return;
	}
	if (c->pty) {
		in = fcntl(m->fds[0], F_DUPFD_CLOEXEC, 3);
		pump_attach(c, in, fd_take(&m->fds[0]), -1);
	} else {
		pump_attach(c, fd_take(&m->fds[0]), fd_take(&m->fds[1]), fd_take(&m->fds[2]));
	}
	c->hush = a->hush;
	chan_running(s, c);
}

static void exited(struct session *s, const struct init_exited *x)
{
	struct chan *c = chan_by_id(s, x->id);

	if (c && c->kind == CHAN_SESSION && c->state == CHAN_RUNNING && !c->exited)
		chan_exited(s, c, x);
}

/* By us: a jump is provisiond's to answer, and nobody inside shall get in its way. */
static bool asked_to_dial(const struct chan *c)
{
	return c->kind == CHAN_DIAL && c->state == CHAN_WAITING && c->sent && !c->jump_us;
}

static void opened(struct session *s, struct msg *m)
{
	const struct init_opened *a = m->body;
	struct chan *c = chan_by_id(s, a->id);
	struct listen *l = remote_by_id(s, a->id);

	if (!m->nfds || type_of(m->fds[0]) != S_IFSOCK)
		return;
	if (m->type == INIT_DIALED && c && asked_to_dial(c))
		forward_dialed(s, c, fd_take(&m->fds[0]));
	else if (m->type == INIT_LISTENING && l && l->msg)
		forward_listening(s, l, fd_take(&m->fds[0]), a->port);
	else if (m->type == INIT_LISTENING && l && l->sent && l->kind != GATE_CHAN_LISTEN &&
		 l->fd < 0)
		served_listening(s, l, fd_take(&m->fds[0]), a);
}

static void failed(struct session *s, const struct init_failed *f)
{
	struct chan *c = chan_by_id(s, f->id);
	struct listen *l = remote_by_id(s, f->id);
	const char *text = f->text[0] ? f->text : "refused inside the workspace";

	if (!f->id)
		attach_lost(s, text);
	else if (c && c->kind == CHAN_SESSION && c->state == CHAN_WAITING)
		chan_fail(s, c, text);
	else if (c && asked_to_dial(c))
		forward_dial_failed(s, c, REFUSAL_CONNECT, text);
	else if (l && l->msg)
		forward_listen_failed(s, l, text);
	else if (l && l->sent && l->kind != GATE_CHAN_LISTEN && l->fd < 0)
		served_failed(s, l, text);
}

static void handle(struct session *s, struct msg *m)
{
	switch (m->type) {
	case INIT_BOUND:
		if (s->attach == ATTACH_BINDING)
			attach_bound(s);
		break;
	case INIT_SPAWNED:
		spawned(s, m);
		break;
	case INIT_EXITED:
		exited(s, m->body);
		break;
	case INIT_DIALED:
	case INIT_LISTENING:
		opened(s, m);
		break;
	case INIT_FAILED:
		failed(s, m->body);
		break;
	default:
		lost(s, "sent what it may not");
		break;
	}
	msg_close_fds(m);
}

void spawn_readable(struct session *s)
{
	uint8_t body[BODY_MAX] __attribute__((aligned(8)));
	struct err e = { 0 };
	struct msg m;
	int ret = 1;

	for (int n = 0; n < MESSAGES_PER_TURN && s->init >= 0 && !s->ending && ret > 0; n++) {
		ret = msg_recv(s->init, &init_proto, body, sizeof(body), &m, &e);
		if (ret > 0)
			handle(s, &m);
		else if (ret != -EAGAIN)
			lost(s, ret ? e.text : "the workspace was stopped");
	}
}
