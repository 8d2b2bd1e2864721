/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See served.h.  Session process.  The requests are accepted at once and made when the workspace is there; one that fails
 * then is told where the user sees it, and the program starts without.
 */
#include "served.h"

#include <errno.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "base/fd.h"
#include "base/str.h"
#include "chan.h"
#include "permit.h"
#include "refusal.h"
#include "remote.h"
#include "request.h"
#include "rpc.h"
#include "spawn.h"

#define SCREEN_MAX 255

/* The only accessors there are for a queued x11-req carry a deprecation mark. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static struct listen *agent_of(const struct session *s)
{
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].id && s->listens[i].kind == GATE_CHAN_AGENT)
			return (struct listen *)&s->listens[i];
	return NULL;
}

static struct listen *display_of(const struct session *s, const struct chan *c)
{
	return remote_by_id((struct session *)s, c->display);
}

/* Not a reason to attach: only a program is, and a terminal wants to see how the workspace is made. */
static struct listen *ask(struct session *s, enum gate_channel_kind kind, const char *host)
{
	struct init_address *q = calloc(1, sizeof(*q));
	struct listen *l = q ? remote_new(s, kind) : NULL;

	if (!l) {
		free(q);
		return NULL;
	}
	q->id = l->id;
	q->kind = kind == GATE_CHAN_AGENT ? INIT_AGENT : INIT_X11;
	(void)str_copy(q->host, sizeof(q->host), host);
	l->ask = q;
	spawn_listen(s, l);
	return l;
}

bool served_agent_request(struct session *s)
{
	bool may = permit_has(s, GATE_MAY_AGENT);

	if (may)
		s->agent_wanted = true;
	else
		refusal_tell(s, GATE_CHAN_AGENT, "",
			     "not allowed ([gate] agent_forwarding, or an option of the key)");
	return may;
}

void served_agent_wanted(struct session *s)
{
	s->agent_wanted = true;
}

void served_tick(struct session *s)
{
	if (!s->agent_wanted || s->ending)
		return;
	s->agent_wanted = false;
	if (!agent_of(s) && !ask(s, GATE_CHAN_AGENT, ""))
		refusal_tell(s, GATE_CHAN_AGENT, "", "out of memory");
}

/* NULL, or why not. */
static const char *x11_start(struct session *s, struct chan *c, ssh_message m)
{
	const char *protocol = ssh_message_channel_request_x11_auth_protocol(m),
		   *hex = ssh_message_channel_request_x11_auth_cookie(m);
	int screen = ssh_message_channel_request_x11_screen_number(m);
	struct x11_cookie cookie;
	struct listen *l;

	if (!permit_has(s, GATE_MAY_X11))
		return "not allowed ([gate] x11_forwarding, or an option of the key)";
	if (c->state != CHAN_IDLE || c->display)
		return "asked for twice, or after the start";
	if (!protocol || !hex || x11_parse(protocol, hex, &cookie) < 0)
		return "bad protocol or cookie";
	if (screen < 0 || screen > SCREEN_MAX)
		return "bad screen number";
	x11_text(&cookie, c->ask->x11);
	l = ask(s, GATE_CHAN_X11, c->ask->x11);
	if (!l) {
		c->ask->x11[0] = '\0';
		return "too many displays on this connection";
	}
	l->single = ssh_message_channel_request_x11_single_connection(m) != 0;
	l->screen = (uint32_t)screen;
	c->display = l->id;
	return NULL;
}

bool served_x11_request(struct session *s, struct chan *c, struct ssh_message_struct *m)
{
	const char *why = x11_start(s, c, m);

	if (why)
		refusal_tell(s, GATE_CHAN_X11, "", why);
	return !why;
}

bool served_pending(const struct session *s, const struct chan *c)
{
	const struct listen *agent = agent_of(s), *display = display_of(s, c);

	return s->agent_wanted || (agent && agent->ask) || (display && display->ask);
}

void served_environment(struct session *s, struct chan *c)
{
	const struct listen *agent = agent_of(s), *display = display_of(s, c);
	char text[64];

	if (agent)
		request_set(c, "SSH_AUTH_SOCK", agent->host);
	if (!display)
		return;
	/* Not localhost, as in sshd: whoever listens on this port of ::1 later would get clients that try ::1 first. */
	(void)str_format(text, sizeof(text), "127.0.0.1:%u.%u", display->port, display->screen);
	request_set(c, "DISPLAY", text);
	request_set(c, "XAUTHORITY", display->host);
}

void served_listening(struct session *s, struct listen *l, int fd, const struct init_opened *a)
{
	l->port = a->port;
	(void)str_copy(l->host, sizeof(l->host), a->path);
	remote_listening(s, l, fd);
	chan_submit_waiting(s);
}

void served_failed(struct session *s, struct listen *l, const char *text)
{
	const char *what = l->kind == GATE_CHAN_AGENT ? "agent forwarding" : "X11 forwarding";
	char vis[INIT_TEXT_MAX], line[INIT_TEXT_MAX + 64];

	(void)str_vis(text, strlen(text), vis, sizeof(vis));
	(void)str_format(line, sizeof(line), "sshbay: %s: %s", what, vis);
	refusal_tell(s, l->kind, "", text);
	for (uint32_t i = 0; i < s->nchans; i++) {
		struct chan *c = s->chans[i];

		if (c->kind != CHAN_SESSION || c->state != CHAN_WAITING || c->sent ||
		    (l->kind == GATE_CHAN_X11 && c->display != l->id))
			continue;
		if (l->kind == GATE_CHAN_X11)
			c->ask->x11[0] = '\0';
		chan_tell(c, line);
	}
	l->sent = false; /* nothing to release */
	remote_forget(s, l);
	chan_submit_waiting(s);
}

void served_end(struct session *s, const struct chan *c)
{
	struct listen *l = display_of(s, c);

	if (l)
		remote_forget(s, l);
}

void served_lost(struct session *s)
{
	s->agent_wanted |= agent_of(s) != NULL;
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].id && s->listens[i].kind != GATE_CHAN_LISTEN)
			remote_forget(s, &s->listens[i]);
}
