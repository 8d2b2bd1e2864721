/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See jump.h.  Session process.  What is asked for is a channel that is waiting; its id is the question's. */
#include "jump.h"

#include <string.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "chan.h"
#include "forward.h"
#include "rpc.h"

#define PORT      22
#define ANSWER_US 20000000 /* a provisiond that restarts is waited for */

static bool is_jump(const struct init_address *a)
{
	struct gate_jump q;
	struct ip ip;

	if (a->kind != INIT_TCP || a->port != PORT || strlen(a->host) >= sizeof(q.host))
		return false;
	return str_is_name(a->host, strlen(a->host)) || ip_parse(a->host, &ip, NULL) == 0;
}

static bool ask(struct session *s, const struct chan *c)
{
	struct gate_jump q = { .id = c->id, .port = PORT };

	(void)str_copy(q.host, sizeof(q.host), c->dial->host);
	return rpc_jump(s, &q) == 0;
}

bool jump_begin(struct session *s, struct chan *c)
{
	if (!is_jump(c->dial) || !ask(s, c))
		return false;
	c->jump_us = clk_now_us() + ANSWER_US;
	c->sent = true; /* not for ws-init */
	return true;
}

void jump_answered(struct session *s, const struct gate_jumped *a, int fd)
{
	struct chan *c = chan_by_id(s, a->id);
	auto_fd int mine = fd;

	if (!c || !c->jump_us)
		return;
	c->jump_us = 0;
	if (a->result == GATE_JUMP_CONNECTED && mine >= 0) {
		(void)fd_nonblock(mine, 1);
		forward_dialed(s, c, fd_take(&mine));
	} else if (a->result == GATE_JUMP_INSIDE) {
		c->sent = false;
		forward_dial_inside(s, c);
	} else {
		log_detail("%s", a->text);
		forward_dial_failed(s, c, REFUSAL_PROHIBITED, a->text);
	}
}

void jump_again(struct session *s)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->jump_us)
			(void)ask(s, s->chans[i]);
}

void jump_tick(struct session *s, uint64_t now)
{
	for (uint32_t i = s->nchans; i-- > 0;) {
		struct chan *c = s->chans[i];

		if (!c->jump_us || (now < c->jump_us && s->prov >= 0))
			continue;
		c->jump_us = 0;
		forward_dial_failed(s, c, REFUSAL_CONNECT, "no answer from the workspace service");
	}
}

uint64_t jump_next(const struct session *s)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < s->nchans; i++) {
		uint64_t t = s->chans[i]->jump_us;

		if (t && (!next || t < next))
			next = t;
	}
	return next;
}
