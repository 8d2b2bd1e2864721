/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See forward.h.  Session process.  Names and ports come from the client; whoever connects, connects inside. */
#include "forward.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attach.h"
#include "base/fd.h"
#include "base/log.h"
#include "chan.h"
#include "permit.h"
#include "pump.h"
#include "rpc.h"
#include "spawn.h"
#include "transport.h"

#define HOST_MAX 255 /* RFC 1035; also any literal */

static void refuse(struct session *s, struct ssh_message_struct *m)
{
	ssh_message_reply_default(m);
	ssh_message_free(m);
	transport_note_writes(s);
}

/* A channel that never came to be. */
static void drop(struct session *s, struct chan *c)
{
	for (uint32_t i = 0; i < s->nchans; i++) {
		if (s->chans[i] != c)
			continue;
		s->chans[i] = s->chans[--s->nchans];
		pump_close(c);
		ssh_message_free(c->open_msg);
		free(c->dial);
		free(c);
		return;
	}
}

static struct chan *new_dial(struct session *s, ssh_message m)
{
	const char *host = ssh_message_channel_request_open_destination(m);
	int port = ssh_message_channel_request_open_destination_port(m);
	struct chan *c;

	if (!host || !*host || strlen(host) > HOST_MAX || port < 1 || port > 65535 ||
	    !permit_open(s, host, (uint32_t)port) ||
	    chan_count(s, CHAN_DIAL) + chan_count(s, CHAN_REMOTE) >= SESSION_DIALS_MAX)
		return NULL;
	c = chan_new(s, CHAN_DIAL);
	if (!c)
		return NULL;
	c->dial = calloc(1, sizeof(*c->dial));
	if (!c->dial) {
		drop(s, c);
		return NULL;
	}
	c->dial->kind = INIT_TCP;
	c->dial->port = (uint32_t)port;
	memcpy(c->dial->host, host, strlen(host) + 1);
	return c;
}

void forward_open_request(struct session *s, struct ssh_message_struct *m)
{
	struct chan *c = NULL;

	if (ssh_message_subtype(m) == SSH_CHANNEL_DIRECT_TCPIP)
		c = new_dial(s, m);
	if (!c) {
		refuse(s, m);
		return;
	}
	c->open_msg = m;
	c->what = GATE_CHAN_DIAL;
	c->state = CHAN_WAITING;
	if (attach_is_ready(s))
		spawn_submit(s, c);
	else
		attach_want(s, false);
}

static void wire_up(struct session *s, struct chan *c, int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pump_attach(c, fcntl(fd, F_DUPFD_CLOEXEC, 3), fd, -1);
	c->state = CHAN_RUNNING;
	c->announced = true;
	s->channel_ran = true;
	rpc_channel(s, c, true);
}

void forward_dialed(struct session *s, struct chan *c, int fd)
{
	ssh_channel ssh = ssh_message_channel_request_open_reply_accept(c->open_msg);

	ssh_message_free(c->open_msg);
	c->open_msg = NULL;
	free(c->dial);
	c->dial = NULL;
	if (!ssh || chan_adopt(s, c, ssh) < 0) {
		fd_close(&fd);
		session_end(s, "cannot open a channel: %s", ssh_get_error(s->ssh));
		return;
	}
	transport_note_writes(s);
	wire_up(s, c, fd);
}

void forward_dial_failed(struct session *s, struct chan *c)
{
	refuse(s, c->open_msg);
	c->open_msg = NULL;
	drop(s, c);
}

struct listen *forward_listen_by_id(struct session *s, uint32_t id)
{
	for (size_t i = 0; id && i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].id == id)
			return &s->listens[i];
	return NULL;
}

static void forget(struct listen *l)
{
	fd_close(&l->fd);
	ssh_message_free(l->msg);
	free(l->ask);
	*l = (struct listen){ .fd = -1 };
}

/* OpenSSH: "" and "*" mean every address, "localhost" the loopback ones. ws-init resolves the rest inside. */
static bool start_listen(struct session *s, ssh_message m)
{
	const char *host = ssh_message_global_request_address(m);
	int port = ssh_message_global_request_port(m);
	struct init_address *ask;
	struct listen *l = NULL;

	for (size_t i = 0; !l && i < SESSION_LISTENS_MAX; i++)
		l = s->listens[i].id ? NULL : &s->listens[i];
	if (!l || !host || strlen(host) > HOST_MAX || port < 0 || port > 65535 ||
	    !permit_listen(s, host, (uint32_t)port))
		return false;
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return false;
	l->id = ++s->next_id;
	l->fd = -1;
	l->port = (uint32_t)port;
	l->msg = m;
	memcpy(l->host, host, strlen(host) + 1);
	ask->id = l->id;
	ask->kind = INIT_TCP;
	ask->port = l->port;
	(void)str_copy(ask->host, sizeof(ask->host), *host && strcmp(host, "*") ? host : "::");
	l->ask = ask;
	if (attach_is_ready(s))
		spawn_listen(s, l);
	else
		attach_want(s, false);
	return true;
}

static bool stop_listen(struct session *s, ssh_message m)
{
	const char *host = ssh_message_global_request_address(m);
	int port = ssh_message_global_request_port(m);

	for (size_t i = 0; host && i < SESSION_LISTENS_MAX; i++) {
		struct listen *l = &s->listens[i];

		if (l->id && l->fd >= 0 && l->port == (uint32_t)port &&
		    strcmp(l->host, host) == 0) {
			forget(l);
			return true;
		}
	}
	return false;
}

void forward_global_request(struct session *s, struct ssh_message_struct *m)
{
	int what = ssh_message_subtype(m);

	if (what == SSH_GLOBAL_REQUEST_TCPIP_FORWARD && start_listen(s, m))
		return;
	if (what == SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD && stop_listen(s, m)) {
		ssh_message_global_request_reply_success(m, 0);
		ssh_message_free(m);
		transport_note_writes(s);
		return;
	}
	refuse(s, m);
}

void forward_listening(struct session *s, struct listen *l, int fd, uint32_t port)
{
	l->fd = fd;
	(void)fd_nonblock(fd, 1);
	ssh_message_global_request_reply_success(l->msg, (uint16_t)port);
	transport_note_writes(s);
	if (!l->port)
		l->port = port;
	ssh_message_free(l->msg);
	l->msg = NULL;
	free(l->ask);
	l->ask = NULL;
}

void forward_listen_failed(struct session *s, struct listen *l)
{
	refuse(s, l->msg);
	l->msg = NULL;
	forget(l);
}

void forward_submit_waiting(struct session *s)
{
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		spawn_listen(s, &s->listens[i]);
}

void forward_fail_waiting(struct session *s)
{
	for (uint32_t i = s->nchans; i-- > 0;)
		if (s->chans[i]->kind == CHAN_DIAL && s->chans[i]->state == CHAN_WAITING)
			forward_dial_failed(s, s->chans[i]);
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].msg)
			forward_listen_failed(s, &s->listens[i]);
}

/* forwarded-tcpip to the client: libssh opens it over several turns. */
static void open_step(struct session *s, struct chan *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport from = { 0 };
	char text[64];
	int rc;

	if (getpeername(c->out.fd, (struct sockaddr *)&ss, &len) == 0)
		(void)ip_from_sockaddr((struct sockaddr *)&ss, len, &from);
	rc = ssh_channel_open_reverse_forward(c->ssh, c->dial->host, (int)c->dial->port,
					      ip_text(&from.addr, text, sizeof(text)), from.port);
	transport_note_writes(s);
	if (rc == SSH_AGAIN)
		return;
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

void forward_accept(struct session *s, struct listen *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct chan *c = NULL;
	ssh_channel ssh;

	if (fd < 0) {
		/* Not a listening socket, whatever the workspace says: poll would report it for ever. */
		if (errno == EINVAL || errno == EOPNOTSUPP)
			forget(l);
		return;
	}
	if (chan_count(s, CHAN_DIAL) + chan_count(s, CHAN_REMOTE) < SESSION_DIALS_MAX)
		c = chan_new(s, CHAN_REMOTE);
	ssh = c ? ssh_channel_new(s->ssh) : NULL;
	if (c)
		c->dial = calloc(1, sizeof(*c->dial));
	if (!ssh || !c->dial || chan_adopt(s, c, ssh) < 0) {
		ssh_channel_free(ssh);
		fd_close(&fd);
		if (c)
			drop(s, c);
		return;
	}
	pump_attach(c, fcntl(fd, F_DUPFD_CLOEXEC, 3), fd, -1);
	c->what = GATE_CHAN_LISTEN;
	c->state = CHAN_WAITING;
	c->sent = true;
	c->dial->port = l->port;
	memcpy(c->dial->host, l->host, sizeof(l->host));
	open_step(s, c);
}

void forward_tick(struct session *s)
{
	for (uint32_t i = 0; i < s->nchans; i++)
		if (s->chans[i]->kind == CHAN_REMOTE && s->chans[i]->state == CHAN_WAITING)
			open_step(s, s->chans[i]);
}
