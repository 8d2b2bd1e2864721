/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See idle.h.  Session process.  Traffic is what the pump counts anyway: bytes between the client and the workspace. */
#include "idle.h"

#include "base/clk.h"
#include "chan.h"
#include "transport.h"

#define SECOND UINT64_C(1000000)

/* Only what works: one that waits for the workspace has a time-out of its own, one that closes waits for the client. */
static bool counts(const struct chan *c)
{
	return c->ssh && c->state == CHAN_RUNNING && !c->exited;
}

static bool unused(const struct session *s)
{
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].id)
			return false;
	return s->nchans == 0;
}

static void expire(struct session *s, struct chan *c)
{
	char text[128];

	(void)str_format(text, sizeof(text),
			 "closed after %u s without traffic ([gate] idle_timeout)",
			 s->welcome.idle_s);
	chan_expire(s, c, text);
}

void idle_used(struct session *s)
{
	s->used_us = clk_now_us();
}

void idle_tick(struct session *s, uint64_t now)
{
	char text[128];

	for (uint32_t i = 0; s->welcome.idle_s && i < s->nchans; i++) {
		struct chan *c = s->chans[i];
		uint64_t bytes = c->in_bytes + c->out.bytes + c->err.bytes;

		if (!c->moved_us || bytes != c->moved || !counts(c)) {
			c->moved = bytes;
			c->moved_us = now;
		} else if (now >= c->moved_us + s->welcome.idle_s * SECOND) {
			expire(s, c);
		}
	}
	if (!s->used_us || !unused(s))
		s->used_us = now;
	if (!s->welcome.unused_s || now < s->used_us + s->welcome.unused_s * SECOND)
		return;
	(void)str_format(text, sizeof(text),
			 "sshbay: no channel was open for %u s (unused_timeout)",
			 s->welcome.unused_s);
	transport_disconnect(s, text);
}

uint64_t idle_next(const struct session *s)
{
	uint64_t next = UINT64_MAX, t;

	for (uint32_t i = 0; s->welcome.idle_s && i < s->nchans; i++) {
		t = s->chans[i]->moved_us + s->welcome.idle_s * SECOND;
		if (counts(s->chans[i]) && t < next)
			next = t;
	}
	t = s->used_us + s->welcome.unused_s * SECOND;
	return s->welcome.unused_s && unused(s) && t < next ? t : next;
}
