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
#include "lens.h"
#include "lens_rewrite.h"
#include "permit.h"
#include "pump.h"
#include "refusal.h"
#include "remote.h"
#include "rpc.h"
#include "spawn.h"
#include "transport.h"

#define HOST_MAX     255 /* RFC 1035; also any literal */
#define PATH_LEN_MAX 107 /* sun_path of unix(7) */

#define TOO_MANY "too many listening sockets on this connection"

/* Where a request leads: a host and a port, or a unix socket (port 0). */
struct target {
	enum init_address_kind kind;
	const char *host; /* or the path */
	uint32_t port;
};

static void refuse(struct session *s, struct ssh_message_struct *m)
{
	ssh_message_reply_default(m);
	ssh_message_free(m);
	transport_note_writes(s);
}

/* False: nothing that could be one. Port 0 is for listening alone. */
static bool target_of(struct target *t, const char *host, int port)
{
	static const char mark[] = LENS_REWRITE_UNIX;
	size_t len = sizeof(mark) - 1;

	if (!host || port < 0 || port > 65535)
		return false;
	*t = (struct target){ INIT_TCP, host, (uint32_t)port };
	/* Only the lens puts this there: it does not let a client say it. */
	if (lens_is_on() && strncmp(host, mark, len) == 0)
		*t = (struct target){ INIT_UNIX, host + len, 0 };
	return strlen(t->host) <= (t->kind == INIT_UNIX ? PATH_LEN_MAX : HOST_MAX);
}

static void describe(const struct target *t, char *out, size_t cap)
{
	if (t->kind == INIT_UNIX)
		(void)str_copy(out, cap, t->host);
	else
		(void)str_format(out, cap, strchr(t->host, ':') ? "[%.200s]:%u" : "%.200s:%u",
				 t->host, t->port);
}

static void denied(struct session *s, enum gate_channel_kind kind, const struct target *t,
		   const char *why)
{
	char what[256];

	describe(t, what, sizeof(what));
	refusal_tell(s, kind, what, why);
}

/* What stands behind the address, which is told anyway: "connect to 'host' port 1: reason". */
static const char *reason_of(const char *text)
{
	const char *begin = strchr(text, '\''), *end = begin ? strchr(begin + 1, '\'') : NULL;
	const char *colon = end ? strstr(end, ": ") : NULL;

	return colon ? colon + 2 : text;
}

static const char *not_permitted(const struct session *s)
{
	return permit_has(s, GATE_MAY_FORWARD)
		       ? "not permitted (the key leads to other addresses only)"
		       : "not permitted (by the gate's settings, or an option of the key)";
}

/* Why there will be no such connection, NULL: there may be one. */
static const char *dial_refusal(const struct session *s, const struct target *t)
{
	bool may = t->kind == INIT_UNIX ? permit_unix(s) : permit_open(s, t->host, t->port);

	if (!may)
		return not_permitted(s);
	return remote_has_room(s) ? NULL : "too many forwarded connections (max_forwards)";
}

/* NULL: *why tells the client the reason. */
static struct chan *new_dial(struct session *s, ssh_message m, const char **why)
{
	struct target t;
	struct chan *c;

	*why = "no such address";

	if (!target_of(&t, ssh_message_channel_request_open_destination(m),
		       ssh_message_channel_request_open_destination_port(m)) ||
	    !*t.host || (t.kind == INIT_TCP && !t.port))
		return NULL;
	*why = dial_refusal(s, &t);
	if (*why) {
		denied(s, GATE_CHAN_DIAL, &t, *why);
		return NULL;
	}
	*why = "out of memory";
	c = chan_new(s, CHAN_DIAL);
	if (!c)
		return NULL;
	c->dial = calloc(1, sizeof(*c->dial));
	if (!c->dial) {
		chan_drop(s, c);
		return NULL;
	}
	c->dial->kind = t.kind;
	c->dial->port = t.port;
	memcpy(c->dial->host, t.host, strlen(t.host) + 1);
	return c;
}

/* A channel of a type that libssh does not know, or that the lens took from it. */
static const char *unknown_kind(void)
{
	return lens_is_on() ? "neither a host and port nor a unix socket"
			    : "not a host and port (this gate cannot forward unix sockets)";
}

void forward_open_request(struct session *s, struct ssh_message_struct *m)
{
	const char *why = unknown_kind();
	struct chan *c;

	if (ssh_message_subtype(m) != SSH_CHANNEL_DIRECT_TCPIP) {
		refusal_tell(s, GATE_CHAN_DIAL, "(unknown)", why);
		refusal_open(s, m, REFUSAL_UNKNOWN, why);
		return;
	}
	c = new_dial(s, m, &why);
	if (!c) {
		refusal_open(s, m, REFUSAL_PROHIBITED, why);
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

void forward_dial_failed(struct session *s, struct chan *c, enum refusal_code code, const char *why)
{
	struct target t = { (enum init_address_kind)c->dial->kind, c->dial->host, c->dial->port };

	denied(s, GATE_CHAN_DIAL, &t, reason_of(why));
	refusal_open(s, c->open_msg, code, reason_of(why));
	c->open_msg = NULL;
	chan_drop(s, c);
}

static const char *listen_refusal(const struct session *s, const struct target *t)
{
	bool may = t->kind == INIT_UNIX ? permit_unix(s) : permit_listen(s, t->host, t->port);

	return may ? NULL : not_permitted(s);
}

/* OpenSSH: "" and "*" mean every address, "localhost" the loopback ones. ws-init resolves the rest inside. */
static void ask_for(struct listen *l, const struct target *t)
{
	bool any = t->kind == INIT_TCP && (!*t->host || strcmp(t->host, "*") == 0);

	l->address = t->kind;
	l->port = t->port;
	memcpy(l->host, t->host, strlen(t->host) + 1);
	l->ask->kind = t->kind;
	l->ask->port = t->port;
	(void)str_copy(l->ask->host, sizeof(l->ask->host), any ? "::" : t->host);
}

static bool start_listen(struct session *s, ssh_message m, const struct target *t)
{
	const char *why = listen_refusal(s, t);
	struct init_address *ask = why ? NULL : calloc(1, sizeof(*ask));
	struct listen *l = ask ? remote_new(s, GATE_CHAN_LISTEN) : NULL;

	if (!l) {
		free(ask);
		denied(s, GATE_CHAN_LISTEN, t, why ? why : TOO_MANY);
		return false;
	}
	l->msg = m;
	l->ask = ask;
	ask_for(l, t);
	remote_ask(s, l);
	return true;
}

static bool stop_listen(struct session *s, const struct target *t)
{
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++) {
		struct listen *l = &s->listens[i];

		if (l->kind == GATE_CHAN_LISTEN && l->fd >= 0 && l->address == t->kind &&
		    l->port == t->port && strcmp(l->host, t->host) == 0) {
			remote_forget(s, l);
			return true;
		}
	}
	return false;
}

static void done(struct session *s, struct ssh_message_struct *m)
{
	ssh_message_global_request_reply_success(m, 0);
	ssh_message_free(m);
	transport_note_writes(s);
}

void forward_global_request(struct session *s, struct ssh_message_struct *m)
{
	int what = ssh_message_subtype(m);
	struct target t;

	if (!target_of(&t, ssh_message_global_request_address(m),
		       ssh_message_global_request_port(m))) {
		refuse(s, m);
	} else if (what == SSH_GLOBAL_REQUEST_CANCEL_TCPIP_FORWARD && stop_listen(s, &t)) {
		done(s, m);
	} else if (what != SSH_GLOBAL_REQUEST_TCPIP_FORWARD || !start_listen(s, m, &t)) {
		refuse(s, m);
	}
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

void forward_listen_failed(struct session *s, struct listen *l, const char *why)
{
	struct target t = { (enum init_address_kind)l->address, l->host, l->port };

	denied(s, GATE_CHAN_LISTEN, &t, reason_of(why));
	refuse(s, l->msg);
	l->msg = NULL;
	remote_forget(s, l);
}

void forward_fail_waiting(struct session *s, const char *why)
{
	for (uint32_t i = s->nchans; i-- > 0;)
		if (s->chans[i]->kind == CHAN_DIAL && s->chans[i]->state == CHAN_WAITING &&
		    !s->chans[i]->jump_us)
			forward_dial_failed(s, s->chans[i], REFUSAL_CONNECT, why);
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		if (s->listens[i].msg)
			forward_listen_failed(s, &s->listens[i], why);
}
