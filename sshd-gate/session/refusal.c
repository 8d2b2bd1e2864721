/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See refusal.h.  Session process.  Clients ask for their forwards before their shell, so what is refused then waits a
 * moment for a terminal.
 */
#include "refusal.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "base/str.h"
#include "chan.h"
#include "lens.h"
#include "lens_rewrite.h"
#include "rekey.h"
#include "rpc.h"
#include "transport.h"

#define BURST     20       /* refusals that are told at once, */
#define EVERY_US  10000000 /* and one more for each such time */
#define LINES     4        /* that wait for a terminal, */
#define KEPT_US   30000000 /* for so long */
#define LINE_SIZE 320

struct refusals {
	uint32_t left;      /* may be told now */
	uint32_t untold;    /* since the last that was */
	uint64_t refill_us; /* when there is one more */
	uint32_t nlines;
	uint64_t kept_us; /* when the last line came */
	char lines[LINES][LINE_SIZE];
};

static struct refusals *state(struct session *s)
{
	if (!s->refusals)
		s->refusals = calloc(1, sizeof(*s->refusals));
	if (s->refusals && !s->refusals->refill_us) {
		s->refusals->left = BURST;
		s->refusals->refill_us = clk_now_us() + EVERY_US;
	}
	return s->refusals;
}

/* One of those that are told? */
static bool take(struct refusals *r, uint64_t now)
{
	while (now >= r->refill_us && r->left < BURST) {
		r->left++;
		r->refill_us += EVERY_US;
	}
	if (r->left == BURST)
		r->refill_us = now + EVERY_US;
	if (!r->left) {
		r->untold++;
		return false;
	}
	r->left--;
	return true;
}

/* The terminal that a user sees: the youngest shell's. */
static struct chan *terminal(const struct session *s)
{
	struct chan *best = NULL;

	for (uint32_t i = 0; i < s->nchans; i++) {
		struct chan *c = s->chans[i];

		if (c->pty && c->what == GATE_CHAN_SHELL && c->state == CHAN_RUNNING &&
		    !c->exited && (!best || c->id > best->id))
			best = c;
	}
	return best;
}

static void show(struct session *s, struct refusals *r, const char *line)
{
	struct chan *c = terminal(s);

	if (c) {
		chan_tell(c, line);
		return;
	}
	r->kept_us = clk_now_us();
	if (r->nlines < LINES)
		(void)str_copy(r->lines[r->nlines++], LINE_SIZE, line);
}

static void phrase(enum gate_channel_kind kind, const char *what, const char *why, char *line)
{
	static const char *const of[] = { [GATE_CHAN_DIAL] = "forward to",
					  [GATE_CHAN_LISTEN] = "forward from",
					  [GATE_CHAN_AGENT] = "agent forwarding",
					  [GATE_CHAN_X11] = "X11 forwarding" };

	(void)str_format(line, LINE_SIZE, "sshbay: %s%s%.120s: %.150s", of[kind], *what ? " " : "",
			 what, why);
}

void refusal_tell(struct session *s, enum gate_channel_kind kind, const char *what, const char *why)
{
	char safe_what[INIT_TEXT_MAX], safe_why[INIT_TEXT_MAX], line[LINE_SIZE], more[40] = "";
	struct refusals *r = state(s);

	if (!r || !take(r, clk_now_us()))
		return;
	(void)str_vis(what, strlen(what), safe_what, sizeof(safe_what));
	(void)str_vis(why, strlen(why), safe_why, sizeof(safe_why));
	if (r->untold)
		(void)str_format(more, sizeof(more), " (%u others were not told)", r->untold);
	r->untold = 0;
	(void)str_format(line, 256, "%.100s%s%.115s%s", safe_what, *what ? ": " : "", safe_why,
			 more);
	rpc_denied(s, kind, line);
	phrase(kind, safe_what, safe_why, line);
	(void)ssh_send_debug(s->ssh, line, 0);
	transport_note_writes(s);
	/* Of these two the program itself tells, or the client. */
	if (kind == GATE_CHAN_DIAL || kind == GATE_CHAN_LISTEN)
		show(s, r, line);
}

void refusal_open(struct session *s, struct ssh_message_struct *m, enum refusal_code code,
		  const char *why)
{
	char safe[INIT_TEXT_MAX], line[LINE_SIZE];
	uint32_t channel;

	/* During a re-exchange libssh keeps the one for later, and may let the other pass. */
	if (!rekey_is_on())
		lens_hush();
	ssh_message_reply_default(m);
	ssh_message_free(m);
	if (lens_hushed(&channel)) {
		(void)str_vis(why, strlen(why), safe, sizeof(safe));
		(void)str_format(line, sizeof(line), LENS_REWRITE_FAILURE "%08x%x%.200s", channel,
				 code, safe);
		(void)ssh_send_debug(s->ssh, line, 0);
	}
	transport_note_writes(s);
}

void refusal_notice(struct session *s, const char *text)
{
	struct refusals *r = state(s);
	char line[LINE_SIZE];

	if (!r)
		return;
	str_vis(text, strlen(text), line, sizeof(line));
	(void)ssh_send_debug(s->ssh, line, 0);
	transport_note_writes(s);
	show(s, r, line);
}

void refusal_terminal(struct session *s, struct chan *c)
{
	struct refusals *r = s->refusals;

	if (!r || !c->pty || c->what != GATE_CHAN_SHELL)
		return;
	if (clk_now_us() < r->kept_us + KEPT_US)
		for (uint32_t i = 0; i < r->nlines; i++)
			chan_tell(c, r->lines[i]);
	r->nlines = 0;
}

void refusal_login(struct session *s)
{
	if (lens_is_on())
		return;
	(void)ssh_send_debug(s->ssh,
			     "sshbay: unix sockets cannot be forwarded (the gate's libssh is not "
			     "one that it knows)",
			     0);
	transport_note_writes(s);
}
