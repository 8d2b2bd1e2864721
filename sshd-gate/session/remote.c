/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See remote.h.  Session process.  Who connects, connects inside; the client decides whether it takes the channel. */
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attach.h"
#include "base/fd.h"
#include "chan.h"
#include "lens_rewrite.h"
#include "pump.h"
#include "rpc.h"
#include "spawn.h"
#include "transport.h"

static uint32_t most_of(enum gate_channel_kind kind)
{
	switch (kind) {
	case GATE_CHAN_AGENT:
		return 1;
	case GATE_CHAN_X11:
		return SESSION_DISPLAYS_MAX;
	default:
		return SESSION_PORTS_MAX;
	}
}

struct listen *remote_new(struct session *s, enum gate_channel_kind kind)
{
	struct listen *l = NULL;
	uint32_t n = 0;

	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++) {
		if (!s->listens[i].id)
			l = &s->listens[i];
		else if (s->listens[i].kind == kind)
			n++;
	}
	if (!l || n >= most_of(kind))
		return NULL;
	*l = (struct listen){ .fd = -1, .kind = kind, .id = ++s->next_id };
	return l;
}

struct listen *remote_by_id(struct session *s, uint32_t id)
{
	for (size_t i = 0; id && i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].id == id)
			return &s->listens[i];
	return NULL;
}

void remote_ask(struct session *s, struct listen *l)
{
	l->ask->id = l->id;
	if (attach_is_ready(s))
		spawn_listen(s, l);
	else
		attach_want(s, false);
}

void remote_submit_waiting(struct session *s)
{
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		spawn_listen(s, &s->listens[i]);
}

void remote_listening(struct session *s, struct listen *l, int fd)
{
	l->fd = fd;
	(void)fd_nonblock(fd, 1);
	free(l->ask);
	l->ask = NULL;
	l->announced = true;
	rpc_listen(s, l, GATE_CHAN_OPENED);
}

void remote_forget(struct session *s, struct listen *l)
{
	if (l->announced)
		rpc_listen(s, l, GATE_CHAN_CLOSED);
	if (l->sent && (l->kind != GATE_CHAN_LISTEN || l->address == INIT_UNIX))
		spawn_release(s, l->id);
	fd_close(&l->fd);
	ssh_message_free(l->msg);
	free(l->ask);
	*l = (struct listen){ .fd = -1 };
}

bool remote_has_room(const struct session *s)
{
	uint32_t most = s->welcome.max_forwards;

	if (most == 0 || most > SESSION_DIALS_MAX)
		most = SESSION_DIALS_MAX;
	return chan_count(s, CHAN_DIAL) + chan_count(s, CHAN_REMOTE) < most;
}

/* The lens makes forwarded-streamlocal@openssh.com of it. */
static int open_unix(struct chan *c)
{
	char marked[sizeof(c->dial->host) + sizeof(LENS_REWRITE_UNIX_OUT)];

	(void)str_format(marked, sizeof(marked), LENS_REWRITE_UNIX_OUT "%s", c->dial->host);
	return ssh_channel_open_reverse_forward(c->ssh, marked, 0, "", 0);
}

/* The open request of its kind, with the address of who connected where the protocol wants it. */
static int open_channel(struct chan *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport from = { 0 };
	char text[64];

	if (c->what == GATE_CHAN_AGENT)
		return ssh_channel_open_auth_agent(c->ssh);
	if (c->dial->kind == INIT_UNIX)
		return open_unix(c);
	if (getpeername(c->out.fd, (struct sockaddr *)&ss, &len) == 0)
		(void)ip_from_sockaddr((struct sockaddr *)&ss, len, &from);
	(void)ip_text(&from.addr, text, sizeof(text));
	if (c->what == GATE_CHAN_X11)
		return ssh_channel_open_x11(c->ssh, text, from.port);
	return ssh_channel_open_reverse_forward(c->ssh, c->dial->host, (int)c->dial->port, text,
						from.port);
}

/* libssh opens a channel over several turns. */
static void open_step(struct session *s, struct chan *c)
{
	int rc = open_channel(c);

	transport_note_writes(s);
	if (rc == SSH_AGAIN)
		return;
	if (c->what == GATE_CHAN_LISTEN)
		c->target = rpc_target(c->dial);
	free(c->dial);
	c->dial = NULL;
	if (rc == SSH_OK) {
		c->state = CHAN_RUNNING;
		c->announced = true;
		s->channel_ran = true;
		rpc_channel(s, c, true);
		return;
	}
	c->remote_closed = true; /* refused: nothing to close on the other side */
	c->state = CHAN_CLOSING;
}

/* A channel for a connection that came by `l`, with its libssh channel. NULL: no room. */
static struct chan *new_channel(struct session *s, const struct listen *l)
{
	struct chan *c = remote_has_room(s) ? chan_new(s, CHAN_REMOTE) : NULL;
	ssh_channel ssh;

	if (!c)
		return NULL;
	c->what = l->kind;
	c->dial = calloc(1, sizeof(*c->dial));
	ssh = ssh_channel_new(s->ssh);
	if (!ssh || !c->dial || chan_adopt(s, c, ssh) < 0) {
		ssh_channel_free(ssh);
		chan_drop(s, c);
		return NULL;
	}
	c->dial->port = l->port;
	c->dial->kind = l->address;
	memcpy(c->dial->host, l->host, sizeof(l->host));
	return c;
}

void remote_accept(struct session *s, struct listen *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct chan *c;

	if (fd < 0) {
		/* Not a listening socket, whatever the workspace says: poll would report it for ever. */
		if (errno == EINVAL || errno == EOPNOTSUPP)
			remote_forget(s, l);
		return;
	}
	c = new_channel(s, l);
	if (!c) {
		fd_close(&fd);
		return;
	}
	pump_attach(c, fcntl(fd, F_DUPFD_CLOEXEC, 3), fd, -1);
	c->state = CHAN_WAITING;
	c->sent = true;
	if (l->single)
		remote_forget(s, l);
	open_step(s, c);
}

void remote_tick(struct session *s)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->kind == CHAN_REMOTE && s->chans[i]->state == CHAN_WAITING)
			open_step(s, s->chans[i]);
}
