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
#include "jump.h"
#include "permit.h"
#include "pump.h"
#include "remote.h"
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

static struct chan *new_dial(struct session *s, ssh_message m)
{
	const char *host = ssh_message_channel_request_open_destination(m);
	int port = ssh_message_channel_request_open_destination_port(m);
	struct chan *c;

	if (!host || !*host || strlen(host) > HOST_MAX || port < 1 || port > 65535 ||
	    !permit_open(s, host, (uint32_t)port) || !remote_has_room(s))
		return NULL;
	c = chan_new(s, CHAN_DIAL);
	if (!c)
		return NULL;
	c->dial = calloc(1, sizeof(*c->dial));
	if (!c->dial) {
		chan_drop(s, c);
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
	if (!jump_begin(s, c))
		forward_dial_inside(s, c);
}

void forward_dial_inside(struct session *s, struct chan *c)
{
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
	c->target = rpc_target(c->dial);
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
	chan_drop(s, c);
}

/* OpenSSH: "" and "*" mean every address, "localhost" the loopback ones. ws-init resolves the rest inside. */
static bool start_listen(struct session *s, ssh_message m)
{
	const char *host = ssh_message_global_request_address(m);
	int port = ssh_message_global_request_port(m);
	struct init_address *ask;
	struct listen *l;

	if (!host || strlen(host) > HOST_MAX || port < 0 || port > 65535 ||
	    !permit_listen(s, host, (uint32_t)port))
		return false;
	ask = calloc(1, sizeof(*ask));
	l = ask ? remote_new(s, GATE_CHAN_LISTEN) : NULL;
	if (!l) {
		free(ask);
		return false;
	}
	l->port = (uint32_t)port;
	l->msg = m;
	memcpy(l->host, host, strlen(host) + 1);
	ask->kind = INIT_TCP;
	ask->port = l->port;
	(void)str_copy(ask->host, sizeof(ask->host), *host && strcmp(host, "*") ? host : "::");
	l->ask = ask;
	remote_ask(s, l);
	return true;
}

static bool stop_listen(struct session *s, ssh_message m)
{
	const char *host = ssh_message_global_request_address(m);
	int port = ssh_message_global_request_port(m);

	for (size_t i = 0; host && i < SESSION_LISTENS_MAX; i++) {
		struct listen *l = &s->listens[i];

		if (l->kind == GATE_CHAN_LISTEN && l->fd >= 0 && l->port == (uint32_t)port &&
		    strcmp(l->host, host) == 0) {
			remote_forget(s, l);
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
	if (!l->port)
		l->port = port;
	remote_listening(s, l, fd);
	ssh_message_global_request_reply_success(l->msg, (uint16_t)port);
	transport_note_writes(s);
	ssh_message_free(l->msg);
	l->msg = NULL;
}

void forward_listen_failed(struct session *s, struct listen *l)
{
	refuse(s, l->msg);
	l->msg = NULL;
	remote_forget(s, l);
}

void forward_fail_waiting(struct session *s)
{
	for (uint32_t i = s->nchans; i-- > 0;)
		if (s->chans[i]->kind == CHAN_DIAL && s->chans[i]->state == CHAN_WAITING &&
		    !s->chans[i]->jump_us)
			forward_dial_failed(s, s->chans[i]);
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].msg)
			forward_listen_failed(s, &s->listens[i]);
}
