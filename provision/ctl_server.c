/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listener's counterpart in provisiond: gives it sockets and limits, takes connections from it.  Several listeners
 * may be connected for a moment (a restart); each connection belongs to the one that announced it.
 */
#include "ctl_server.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit.h"
#include "base/fd.h"
#include "base/log.h"
#include "gate_server.h"
#include "net.h"
#include "proto/ctl.h"

#define CTL_VERSION       1
#define PEERS_MAX         8
#define BACKLOG           16
#define MESSAGES_PER_TURN 32

struct peer {
	struct ctl_server *server;
	struct peer *next;
	int fd;
	sd_event_source *io;
	struct msg_state st;
	bool started;
};

#define ACCEPT_SPAN_US 100000 /* listeners connect no faster than ACCEPT_BURST in it */
#define ACCEPT_BURST   20

struct ctl_server {
	sd_event *loop;
	struct registry *reg;
	struct gate_server *gate;
	char path[PATH_MAX]; /* run/gate.sock */
	int fd;
	sd_event_source *io;
	struct peer *peers;
	unsigned int npeers;
	struct net_listeners socks;   /* TCP, shared with the listener */
	char complaint[ERR_TEXT_MAX]; /* last failure to open them: logged once */
	struct ctl_look_state look;
};

_Static_assert(SETTINGS_EXEMPT_MAX == CTL_EXEMPT_MAX, "all exempt networks travel");
_Static_assert(SETTINGS_LISTEN_MAX + 2 <= MSG_FDS_MAX, "all sockets travel in one message");

static unsigned int count(const struct net_listeners *l)
{
	return l->nplain + l->ntransparent;
}

static void close_socks(struct net_listeners *l)
{
	for (unsigned int i = 0; i < count(l); i++)
		fd_close(&l->fds[i]);
	l->nplain = l->ntransparent = 0;
}

/* Open what the settings want, keeping what is open here or in the listener (`have`). */
static int open_socks(struct ctl_server *c, const int *have, unsigned int nhave, struct err *e)
{
	unsigned int old = count(&c->socks);
	struct net_listeners socks;
	int ret;

	ret = net_listen(registry_settings(c->reg), old ? c->socks.fds : have, old ? old : nhave,
			 &socks, e);
	if (ret < 0)
		return ret;
	close_socks(&c->socks);
	c->socks = socks;
	c->complaint[0] = 0;
	return 0;
}

static void fill_penalties(const struct settings_penalties *s, struct ctl_settings *m)
{
	size_t used = 0;
	char net[IP_TEXT_MAX];

	m->penalty_enable = s->enable;
	m->penalty_authfail_s = s->authfail;
	m->penalty_noauth_s = s->noauth;
	m->penalty_grace_s = s->grace;
	m->penalty_crash_s = s->crash;
	m->penalty_refused_s = s->refused;
	m->penalty_min_s = s->min;
	m->penalty_max_s = s->max;
	m->penalty_sources = s->sources;
	for (uint32_t i = 0; i < s->nexempt; i++, used = strlen(m->penalty_exempt))
		(void)str_format(m->penalty_exempt + used, sizeof(m->penalty_exempt) - used, "%s%s",
				 i ? "," : "", ip_net_text(&s->exempt[i], net, sizeof(net)));
}

static int send_settings(struct peer *p, struct err *e)
{
	const struct ctl_server *c = p->server;
	const struct settings *s = registry_settings(c->reg);
	struct ctl_settings m = {
		.uid = s->gate.uid,
		.gid = s->gate.gid,
		.nplain = c->socks.nplain,
		.ntransparent = c->socks.ntransparent,
		.grace_s = s->gate.login_grace,
		.startups_begin = s->gate.startups_begin,
		.startups_rate = s->gate.startups_rate,
		.startups_full = s->gate.startups_full,
		.per_source = s->gate.per_source,
		.source_v4_len = s->gate.source_v4_len,
		.source_v6_len = s->gate.source_v6_len,
	};

	fill_penalties(&s->penalties, &m);
	return msg_send_fds(p->fd, &ctl_proto,
			    &(struct msg_out){ CTL_SETTINGS, &m, c->socks.fds, count(&c->socks) },
			    e);
}

static void peer_close(struct peer *p)
{
	struct ctl_server *c = p->server;

	gate_server_disown(c->gate, p);
	ctl_look_lost(&c->look, p->fd);
	for (struct peer **at = &c->peers; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			c->npeers--;
			break;
		}
	}
	sd_event_source_disable_unref(p->io);
	fd_close(&p->fd);
	free(p);
}

/*
 * What became of a connection. A listener whose socket is full has stopped reading; it is cut off here, and when it
 * comes back it hears everything again. Not closed at once: this may run inside a handler of the same peer.
 */
static void tell_state(void *owner, const uint8_t id[CTL_ID_LEN], enum ctl_state_kind kind)
{
	struct peer *p = owner;
	struct ctl_state m = { .kind = kind };
	struct err e = { 0 };

	m.id.len = CTL_ID_LEN;
	memcpy(m.id.data, id, CTL_ID_LEN);
	if (msg_send(p->fd, &ctl_proto, CTL_STATE, &m, &e) < 0) {
		log_warn("%s", e.text);
		(void)shutdown(p->fd, SHUT_RDWR);
	}
}

/* A full socket only costs this jump. */
static int tell_jump(void *owner, const struct ctl_jump *j, int fd, struct err *e)
{
	const struct peer *p = owner;

	return msg_send_fds(p->fd, &ctl_proto, &(struct msg_out){ CTL_JUMP, j, &fd, 1 }, e);
}

static int answer_start(void *ctx, struct msg *m, struct err *e)
{
	struct peer *p = ctx;
	struct ctl_server *c = p->server;
	const struct ctl_start *start = m->body;
	int ret = 0;

	if (start->version != CTL_VERSION)
		return err_set(e, EPROTO, "serve 'sshd-gate': it speaks version %u, this is %u",
			       start->version, CTL_VERSION);
	if (count(&c->socks) == 0)
		ret = open_socks(c, m->fds, m->nfds, e);
	if (ret == 0)
		ret = send_settings(p, e);
	if (ret == 0)
		p->started = true;
	return ret;
}

static int answer_conn(void *ctx, struct msg *m, struct err *e)
{
	struct peer *p = ctx;
	const struct ctl_conn *conn = m->body;
	struct err why = { 0 };

	if (!p->started)
		return err_set(e, EPROTO, "receive 'CTL_CONN': before CTL_START");
	if (gate_server_add(p->server->gate, conn, fd_take(&m->fds[0]), p, &why) < 0)
		log_note("%s", why.text);
	return 0;
}

static int answer_closed(void *ctx, struct msg *m, struct err *e)
{
	struct peer *p = ctx;

	gate_server_closed(p->server->gate, m->body);
	return 0;
}

static int answer_penalty(void *ctx, struct msg *m, struct err *e)
{
	static const char *const names[] = {
		[CTL_PENALTY_AUTHFAIL] = "authfail",    [CTL_PENALTY_NOAUTH] = "noauth",
		[CTL_PENALTY_GRACE] = "grace_exceeded", [CTL_PENALTY_CRASH] = "crash",
		[CTL_PENALTY_REFUSED] = "refused",
	};
	struct peer *p = ctx;
	const struct ctl_penalty *n = m->body;
	char src[IP_TEXT_MAX];
	const struct audit_field f[] = {
		AUDIT_TEXT("src", ip_text(&n->peer.addr, src, sizeof(src))),
		AUDIT_NUM("sport", n->peer.port),
		AUDIT_TEXT("result", n->refused ? "refused" : "counted"),
		AUDIT_TEXT("reason", names[n->kind]),
		AUDIT_NUM("penalty_s", n->total_s),
		AUDIT_NUM("sources", n->sources),
		AUDIT_NUM("suppressed", n->suppressed),
	};

	if (!p->started)
		return err_set(e, EPROTO, "receive 'CTL_PENALTY': before CTL_START");
	audit_write("auth.penalty", f, sizeof(f) / sizeof(f[0]) - (n->suppressed ? 0 : 1));
	return 0;
}

static int answer_sources(void *ctx, struct msg *m, struct err *e)
{
	struct peer *p = ctx;

	ctl_look_answer(&p->server->look, p->fd, m->body);
	return 0;
}

static int receive(struct peer *p, struct err *e)
{
	static const struct msg_route routes[] = {
		{ CTL_START, answer_start },     { CTL_CONN, answer_conn },
		{ CTL_CLOSED, answer_closed },   { CTL_PENALTY, answer_penalty },
		{ CTL_SOURCES, answer_sources },
	};
	static const struct msg_table table = { &ctl_proto, routes,
						sizeof(routes) / sizeof(routes[0]) };
	union {
		struct ctl_start start;
		struct ctl_settings settings;
		struct ctl_conn conn;
		struct ctl_closed closed;
		struct ctl_state state;
		struct ctl_penalty penalty;
		struct ctl_sources sources;
		struct ctl_jump jump;
		struct ctl_look look;
	} body;
	struct msg m;
	int ret = msg_recv(p->fd, &ctl_proto, &body, sizeof(body), &m, e);

	if (ret == 0)
		return err_set(e, EPIPE, "serve 'sshd-gate': it is gone");
	if (ret < 0)
		return ret;
	return msg_dispatch(&table, &p->st, p, &m, e);
}

static int on_peer(sd_event_source *src, int fd, uint32_t revents, void *userdata)
{
	struct peer *p = userdata;
	struct err e = { 0 };
	int ret = 0;

	for (int n = 0; n < MESSAGES_PER_TURN && ret == 0; n++)
		ret = receive(p, &e);
	if (ret == 0 || ret == -EAGAIN)
		return 0;
	/* The listener comes again and again; one line is enough. */
	if (strcmp(e.text, p->server->complaint) != 0)
		log_msg(ret == -EPIPE ? LOG_LEVEL_NOTE : LOG_LEVEL_ERROR, "%s", e.text);
	(void)str_copy(p->server->complaint, sizeof(p->server->complaint), e.text);
	peer_close(p);
	return 0;
}

static int peer_new(struct ctl_server *c, int fd, struct err *e)
{
	struct peer *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return err_set(e, ENOMEM, "serve 'sshd-gate': out of memory");
	ret = sd_event_add_io(c->loop, &p->io, fd, EPOLLIN, on_peer, p);
	if (ret < 0) {
		free(p);
		return err_ret(e, ret, "serve 'sshd-gate'");
	}
	p->server = c;
	p->fd = fd;
	p->st.phase = 1;
	p->next = c->peers;
	c->peers = p;
	c->npeers++;
	return 0;
}

/* Once, however often it fails. */
static void complain(struct ctl_server *c, int error)
{
	struct err e = { 0 };

	err_set(&e, error, "serve '%s': %s (LimitNOFILE=)", c->path, strerror(error));
	if (strcmp(e.text, c->complaint) != 0)
		log_error("%s", e.text);
	(void)str_copy(c->complaint, sizeof(c->complaint), e.text);
}

static int on_connect(sd_event_source *src, int lfd, uint32_t revents, void *userdata)
{
	struct ctl_server *c = userdata;
	auto_fd int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err e = { 0 };
	pid_t pid;
	uid_t uid;

	if (fd < 0) {
		/* Without descriptors it stays in the queue; ACCEPT_BURST keeps that from being a busy loop. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			complain(c, errno);
		return 0;
	}
	if (msg_peer(fd, &pid, &uid, &e) < 0) {
		log_warn("%s", e.text);
	} else if (uid != 0 && uid != registry_settings(c->reg)->gate.uid) {
		log_warn("serve '%s': process %d of uid %u is not the listener ([gate] user)",
			 c->path, pid, uid);
	} else if (c->npeers >= PEERS_MAX) {
		log_warn("serve '%s': %u listeners are connected already", c->path, c->npeers);
	} else if (peer_new(c, fd, &e) < 0) {
		log_warn("%s", e.text);
	} else {
		(void)fd_take(&fd);
	}
	return 0;
}

/* The gate's uid, and nobody else, passes through the run directory and may connect. */
static int permit_gate(struct ctl_server *c, struct err *e)
{
	const struct settings *s = registry_settings(c->reg);
	struct stat st;

	if (stat(s->storage.run, &st) < 0)
		return err_sys(e, "open run directory '%s'", s->storage.run);
	if ((st.st_mode & 0011) != 0011 && chmod(s->storage.run, (st.st_mode & 07777) | 0011) < 0)
		return err_sys(e, "let the gate into '%s'", s->storage.run);
	if (lchown(c->path, s->gate.uid, s->gate.gid) < 0)
		return err_sys(e, "give '%s' to the gate", c->path);
	return 0;
}

int ctl_server_new(sd_event *loop, struct registry *reg, struct hostkey *hostkey,
		   struct ctl_server **out, struct err *e)
{
	const struct settings *s = registry_settings(reg);
	struct ctl_server *c = calloc(1, sizeof(*c));
	int ret;

	*out = NULL;
	if (!c)
		return err_set(e, ENOMEM, "start 'ctl server': out of memory");
	c->loop = loop;
	c->reg = reg;
	c->fd = -1;
	ret = gate_server_new(loop, reg, hostkey, tell_state, &c->gate, e);
	if (ret == 0)
		gate_server_on_jump(c->gate, tell_jump);
	if (ret == 0 && str_format(c->path, sizeof(c->path), "%s/gate.sock", s->storage.run) < 0)
		ret = err_set(e, ENAMETOOLONG, "listen on '%s/gate.sock': path too long",
			      s->storage.run);
	if (ret == 0) {
		c->fd = msg_listen(c->path, 0600, BACKLOG, e);
		ret = c->fd < 0 ? c->fd : permit_gate(c, e);
	}
	if (ret == 0) {
		ret = fd_nonblock(c->fd, 1);
		if (ret == 0)
			ret = sd_event_add_io(loop, &c->io, c->fd, EPOLLIN, on_connect, c);
		if (ret >= 0)
			ret = sd_event_source_set_ratelimit(c->io, ACCEPT_SPAN_US, ACCEPT_BURST);
		if (ret < 0)
			err_ret(e, ret, "serve '%s'", c->path);
	}
	if (ret < 0) {
		ctl_server_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

int ctl_server_reload(struct ctl_server *c, struct err *e)
{
	int ret = permit_gate(c, e);

	gate_server_reload(c->gate);
	if (ret == 0 && count(&c->socks))
		ret = open_socks(c, NULL, 0, e);
	for (struct peer *p = c->peers; p; p = p->next) {
		struct err why = { 0 };

		if (p->started && send_settings(p, &why) < 0) {
			log_warn("%s", why.text);
			(void)shutdown(p->fd, SHUT_RDWR);
		}
	}
	return ret;
}

int ctl_server_kick(struct ctl_server *c, const char *who, const char *message, struct err *e)
{
	return gate_server_kick(c->gate, who, message, e);
}

int ctl_server_look(struct ctl_server *c, const char *lift, ctl_look_fn fn, void *who,
		    struct err *e)
{
	const struct peer *p = c ? c->peers : NULL;

	if (!fn) {
		if (c)
			ctl_look_cancel(&c->look, who);
		return 0;
	}
	while (p && !p->started)
		p = p->next;
	if (!p)
		return err_set(e, ENOTCONN,
			       "ask 'sshd-gate': it is not running (systemctl status sshd-gate)");
	c->look.loop = c->loop;
	return ctl_look_ask(&c->look, p->fd, lift, fn, who, e);
}

void ctl_server_free(struct ctl_server *c)
{
	if (!c)
		return;
	ctl_look_cancel(&c->look, NULL);
	while (c->peers)
		peer_close(c->peers);
	gate_server_free(c->gate);
	close_socks(&c->socks);
	sd_event_source_disable_unref(c->io);
	fd_close(&c->fd);
	/* gate.sock stays: a listener that finds nobody there knows that provisiond is down. */
	free(c);
}
