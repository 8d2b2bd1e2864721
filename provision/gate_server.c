/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Life of the connection objects: taking them over from the listener, reading their messages, ending them.  One message
 * may cost provisiond a signature or a scan of a key file, so that a few are handled per turn of the event loop and no
 * connection starves another.
 */
#include "gate_conn.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "gate_jump.h"

#define CONNS_MAX         8192
#define MESSAGES_PER_TURN 4
#define MESSAGES_PER_SPAN                                                                          \
	100 /* ... and no more than these in SPAN_US; key exchanges alone cannot come faster */
#define SPAN_US       100000
#define LEAVE_US      2000000 /* a session that was told to leave has this long */
#define LINGER_US     1000000 /* the listener says within this time how the process ended */
#define GRACE_EXTRA_S 10 /* after login_grace the listener kills; this is for one that is gone */

static void conn_end(struct gate_conn *c, uint32_t signal, bool timeout);

int gate_server_send(struct gate_conn *c, uint32_t type, const void *body, int fd, struct err *e)
{
	int ret;

	if (c->fd < 0)
		return 0;
	ret = msg_send_fds(c->fd, &gate_proto, &(struct msg_out){ type, body, &fd, fd >= 0 }, e);
	/* Not to be taken for a socket that has nothing to read: a session that does not read wins nothing by it. */
	return ret == -EAGAIN ? err_set(e, ENOBUFS, "answer session '%s': it does not read",
					c->saved.info.id)
			      : ret;
}

void gate_server_tell(struct gate_conn *c, enum ctl_state_kind kind)
{
	if (c->owner)
		c->g->state(c->owner, c->id, kind);
}

void gate_server_store(struct gate_conn *c)
{
	struct err e = { 0 };

	if (sessions_save(c->g->sessionsfd, &c->saved, &e) < 0)
		log_warn("%s (the connection will not survive a restart of provisiond)", e.text);
}

static void set_timer(struct gate_conn *c, uint64_t us)
{
	sd_event_source_set_time(c->timer, clk_now_us() + us);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

void gate_server_doom(struct gate_conn *c)
{
	c->doomed = true;
	gate_auth_end(c);
	if (c->throttled)
		sd_event_source_set_enabled(c->io, SD_EVENT_ON);
	c->throttled = false;
	set_timer(c, LEAVE_US);
}

/* A rule was broken. The listener ends the process; nothing of it is listened to any more. */
static void drop(struct gate_conn *c, const char *event, const char *reason)
{
	gate_audit_line(c, event, "dropped", reason);
	if (c->fd >= 0)
		(void)shutdown(c->fd, SHUT_RDWR);
	gate_server_tell(c, CTL_DROP);
	conn_end(c, 0, false);
}

/* End of the session's socket: stop serving at once, wait a moment for the listener to say how the process ended. */
static void session_gone(struct gate_conn *c)
{
	if (!c->owner) {
		conn_end(c, 0, false);
		return;
	}
	c->io = sd_event_source_disable_unref(c->io);
	fd_close(&c->fd);
	if (c->st.phase == GATE_PHASE_OPEN)
		sessions_remove(&c->saved.info);
	gate_auth_end(c);
	gate_attach_end(c);
	set_timer(c, LINGER_US);
}

static int on_timer(sd_event_source *src, uint64_t usec, void *userdata)
{
	struct gate_conn *c = userdata;

	if (c->fd < 0) {
		/* No end was reported: a process that left this conversation and lives on is counted nowhere any more. */
		gate_server_tell(c, CTL_DROP);
		conn_end(c, 0, false);
	} else if (c->throttled) {
		c->throttled = false;
		sd_event_source_set_enabled(c->io, SD_EVENT_ON);
	} else {
		drop(c, "conn.drop", c->doomed ? "did not leave" : "not authenticated in time");
	}
	return 0;
}

/*
 * The kernel says who sends. It is one process from the first message to the last, also across a restart of provisiond:
 * whoever else has got hold of an end of the socket, the listener included, cannot speak in the name of a login.
 */
static int check_sender(struct gate_conn *c, pid_t pid, struct err *e)
{
	struct session_saved *s = &c->saved;
	uint64_t start = 0;

	if (pid <= 0 || (c->sender_known && s->info.pid == (uint32_t)pid))
		return 0;
	if (!c->sender_known && proc_start_time(pid, &start, NULL) < 0)
		start = 0; /* as short-lived as that */
	if (s->info.pid &&
	    (s->info.pid != (uint32_t)pid || (start && s->pid_start && start != s->pid_start)))
		return err_set(e, EPERM,
			       "receive from session '%s': process %d speaks for process %u",
			       s->info.id, pid, s->info.pid);
	s->info.pid = (uint32_t)pid;
	s->pid_start = start ? start : s->pid_start;
	c->sender_known = true;
	return 0;
}

static int receive(struct gate_conn *c, struct err *e)
{
	static const struct msg_route routes[] = {
		{ GATE_SIGN, gate_auth_sign },
		{ GATE_PROBE, gate_key_probe },
		{ GATE_VERIFY, gate_key_verify },
		{ GATE_PASSWORD, gate_password_try },
		{ GATE_INTERACTIVE, gate_interactive_begin },
		{ GATE_ANSWERS, gate_interactive_answers },
		{ GATE_ATTACH, gate_attach_begin },
		{ GATE_CHANNEL, gate_channel_notice },
		{ GATE_WHY, gate_attach_why },
		{ GATE_VIOLATION, gate_auth_violation },
		{ GATE_JUMP, gate_jump_ask },
	};
	static const struct msg_table table = { &gate_proto, routes,
						sizeof(routes) / sizeof(routes[0]) };
	union {
		struct gate_sign sign;
		struct gate_key key;
		struct gate_password password;
		struct gate_interactive interactive;
		struct gate_answers answers;
		struct gate_attach attach;
		struct gate_channel channel;
		/* What only we send is decoded before it is refused. */
		struct gate_welcome welcome;
		struct gate_verdict verdict;
		struct gate_attached attached;
	} body;
	struct msg m;
	int ret = msg_recv_plain(c->fd, &gate_proto, &body, sizeof(body), &m, e);

	if (ret == 0)
		return -ESHUTDOWN;
	if (ret < 0)
		return ret;
	ret = check_sender(c, m.pid, e);
	if (ret < 0 || c->doomed)
		msg_close_fds(&m);
	else
		ret = msg_dispatch(&table, &c->st, c, &m, e);
	if (m.type == GATE_PASSWORD || m.type == GATE_ANSWERS) {
		explicit_bzero(&body, sizeof(body));
		msg_scrub();
	}
	return ret;
}

/*
 * One session must not keep provisiond busy. Before the login the number of its messages is limited; afterwards, when the
 * timer has nothing else to do, a session that asks faster than any client can make it is read from more slowly.
 */
static void throttle(struct gate_conn *c)
{
	uint64_t now = clk_now_us();

	if (now >= c->turn_us + SPAN_US) {
		c->turn_us = now;
		c->turn_messages = 0;
	}
	if (++c->turn_messages <= MESSAGES_PER_SPAN || c->st.phase != GATE_PHASE_OPEN || c->doomed)
		return;
	c->throttled = true;
	sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
	set_timer(c, c->turn_us + SPAN_US - now);
}

static int on_io(sd_event_source *src, int fd, uint32_t revents, void *userdata)
{
	struct gate_conn *c = userdata;
	struct err e = { 0 };
	int ret = 0;

	for (int n = 0; n < MESSAGES_PER_TURN && ret == 0 && !c->throttled; n++) {
		ret = receive(c, &e);
		if (ret == 0)
			throttle(c);
	}
	if (ret == 0 || ret == -EAGAIN)
		return 0;
	if (ret == -ESHUTDOWN || ret == -EPIPE) {
		session_gone(c);
		return 0;
	}
	log_warn("connection %s: %s", c->saved.info.id, e.text);
	drop(c, "auth.protocol_violation", e.text);
	return 0;
}

static void conn_end(struct gate_conn *c, uint32_t signal, bool timeout)
{
	struct gate_server *g = c->g;
	const char *why = timeout ? "login_grace" : NULL;
	char how[64];

	if (c->fd >= 0 && c->st.phase == GATE_PHASE_OPEN)
		sessions_remove(&c->saved.info);
	gate_auth_end(c);
	gate_attach_end(c);
	(void)sessions_forget(g->sessionsfd, c->saved.info.id, NULL);
	if (signal && !why) {
		(void)str_format(how, sizeof(how), "session process killed by signal %u", signal);
		why = how;
	}
	gate_audit_line(c, "conn.close",
			c->st.phase == GATE_PHASE_OPEN ? "ended" : "unauthenticated", why);
	for (struct gate_conn **at = &g->conns; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			g->nconns--;
			break;
		}
	}
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	fd_close(&c->fd);
	hostkey_free(c->key);
	gate_channel_forget(c);
	sessions_free_keys(&c->saved);
	free(c);
}

static struct gate_conn *find(struct gate_server *g, const uint8_t id[CTL_ID_LEN])
{
	for (struct gate_conn *c = g->conns; c; c = c->next)
		if (memcmp(c->id, id, CTL_ID_LEN) == 0)
			return c;
	return NULL;
}

static int add_sources(struct gate_conn *c, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);
	uint64_t grace =
		s->gate.login_grace ? (s->gate.login_grace + GRACE_EXTRA_S) * UINT64_C(1000000) : 0;
	int on = 1, ret;

	if (setsockopt(c->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return err_sys(e, "serve connection '%s'", c->saved.info.id);
	ret = fd_nonblock(c->fd, 1);
	if (ret == 0)
		ret = sd_event_add_io(c->g->loop, &c->io, c->fd, EPOLLIN, on_io, c);
	if (ret >= 0)
		ret = sd_event_add_time(c->g->loop, &c->timer, CLOCK_MONOTONIC,
					clk_now_us() + grace, 0, on_timer, c);
	if (ret >= 0 && !grace)
		ret = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	return ret < 0 ? err_ret(e, ret, "serve connection '%s'", c->saved.info.id) : 0;
}

static int is_seqpacket(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static struct gate_conn *conn_new(struct gate_server *g, const struct ctl_conn *m, int fd,
				  void *owner)
{
	struct gate_conn *c = fault_point("gate.conn") < 0 ? NULL : calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->g = g;
	c->fd = fd;
	c->owner = owner;
	c->peer = m->peer;
	c->local = m->local;
	c->st.phase = GATE_PHASE_AUTH;
	/* Checked when it was loaded; what cannot be read lets nobody in. */
	(void)methods_parse(registry_settings(g->reg)->auth.methods, &c->methods, NULL);
	c->opened_us = clk_now_us();
	gate_audit_begin(c);
	memcpy(c->id, m->id.data, CTL_ID_LEN);
	str_hex(c->id, CTL_ID_LEN, c->saved.info.id);
	if (m->via.len)
		str_hex(m->via.data, CTL_ID_LEN, c->via);
	ip_port_text(&c->peer, c->saved.info.peer, sizeof(c->saved.info.peer));
	ip_port_text(&c->local, c->saved.info.local, sizeof(c->saved.info.local));
	c->next = g->conns;
	g->conns = c;
	g->nconns++;
	return c;
}

int gate_server_add(struct gate_server *g, const struct ctl_conn *m, int fd, void *owner,
		    struct err *e)
{
	struct gate_conn *c = find(g, m->id.data);
	auto_fd int mine = fd;
	struct err why = { 0 };
	int ret;

	if (!e)
		e = &why;
	if (c && m->resumed) {
		c->owner = owner;
		if (c->st.phase == GATE_PHASE_OPEN)
			gate_server_tell(c, CTL_AUTHENTICATED);
		return 0;
	}
	if (c || !is_seqpacket(fd))
		return err_set(e, EPROTO, "take over a connection: %s",
			       c ? "its id is in use" : "not a session's socket");
	if (g->nconns >= CONNS_MAX || !(c = conn_new(g, m, fd, owner))) {
		g->state(owner, m->id.data, CTL_DROP);
		return err_set(e, ENOMEM, "take over a connection: %u are open", g->nconns);
	}
	fd_take(&mine);
	ret = add_sources(c, e);
	if (ret == 0 && m->resumed) {
		ret = gate_open_again(c, e);
		if (ret == 0)
			sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	} else if (ret == 0) {
		ret = gate_open_first(c, e);
	}
	if (ret == -EPIPE) {
		session_gone(c); /* as short-lived as a port scan */
		return 0;
	}
	if (ret < 0)
		drop(c, "conn.drop", e->text);
	return ret;
}

/* The listener's word may overtake what the session said at its end. Nothing is answered any more. */
static void hear_last_words(struct gate_conn *c)
{
	static const struct msg_route routes[] = {
		{ GATE_CHANNEL, gate_channel_notice },
		{ GATE_VIOLATION, gate_auth_violation },
	};
	static const struct msg_table table = { &gate_proto, routes,
						sizeof(routes) / sizeof(routes[0]) };
	struct gate_key body; /* the largest request */
	struct msg m;

	for (int i = 0; i < 256 && c->fd >= 0 && !c->doomed; i++) {
		int ret = msg_recv_plain(c->fd, &gate_proto, &body, sizeof(body), &m, NULL);

		if (ret <= 0)
			break;
		(void)msg_dispatch(&table, &c->st, c, &m, NULL);
		msg_close_fds(&m);
	}
	/* A password may have been among it. */
	explicit_bzero(&body, sizeof(body));
	msg_scrub();
}

void gate_server_closed(struct gate_server *g, const struct ctl_closed *m)
{
	struct gate_conn *c = find(g, m->id.data);

	if (!c)
		return;
	hear_last_words(c);
	conn_end(c, m->signal, m->timeout);
}

void gate_server_disown(struct gate_server *g, const void *owner)
{
	struct gate_conn *next;

	for (struct gate_conn *c = g->conns; c; c = next) {
		next = c->next;
		if (c->owner != owner)
			continue;
		c->owner = NULL;
		if (c->fd < 0)
			conn_end(c, 0, false);
	}
}

static void read_text(const char *path, char *buf, size_t size, const char *key)
{
	struct err e = { 0 };
	size_t len;

	buf[0] = 0;
	if (path[0] && path_read(AT_FDCWD, path, buf, size, &len, &e) < 0) {
		log_warn("%s: it is not shown ([gate] %s)", e.text, key);
		buf[0] = 0;
	}
}

void gate_server_reload(struct gate_server *g)
{
	const struct settings *s = registry_settings(g->reg);

	gate_revoke_begin(g, NULL);
	read_text(s->gate.banner, g->banner, sizeof(g->banner), "banner");
	read_text(s->gate.motd, g->motd, sizeof(g->motd), "motd");
}

int gate_server_new(sd_event *loop, struct registry *reg, struct hostkey *hostkey,
		    gate_state_fn state, struct gate_server **out, struct err *e)
{
	struct gate_server *g = calloc(1, sizeof(*g));
	struct err why = { 0 };
	int ret;

	*out = NULL;
	if (!g)
		return err_set(e, ENOMEM, "start 'gate server': out of memory");
	g->loop = g->jobs.loop = loop;
	g->reg = reg;
	g->hostkey = hostkey;
	g->state = state;
	ret = hostkeys_new(registry_settings(reg)->storage.state, &g->hostkeys, e);
	if (ret < 0) {
		free(g);
		return ret;
	}
	g->sessionsfd = sessions_open_dir(registry_settings(reg)->storage.run, e);
	if (g->sessionsfd < 0) {
		ret = g->sessionsfd;
		hostkeys_free(g->hostkeys);
		free(g);
		return ret;
	}
	if (sessions_sweep(g->sessionsfd, &why) < 0)
		log_warn("%s", why.text);
	gate_server_reload(g);
	registry_on_notice(reg, gate_notice, g);
	*out = g;
	return 0;
}

void gate_server_on_jump(struct gate_server *g, gate_jump_fn jump)
{
	g->jump = jump;
}

void gate_server_free(struct gate_server *g)
{
	if (!g)
		return;
	registry_on_notice(g->reg, NULL, NULL);
	while (g->conns) {
		struct gate_conn *c = g->conns;

		/* Not conn_end: the connection lives on, and its file is what the next provisiond resumes it from. */
		gate_auth_end(c);
		gate_attach_cancel(c);
		if (c->fd >= 0 && c->st.phase == GATE_PHASE_OPEN)
			sessions_remove(&c->saved.info);
		g->conns = c->next;
		sd_event_source_disable_unref(c->io);
		sd_event_source_disable_unref(c->timer);
		fd_close(&c->fd);
		hostkey_free(c->key);
		gate_channel_forget(c);
		sessions_free_keys(&c->saved);
		free(c);
	}
	sd_event_source_disable_unref(g->revoke);
	fd_close(&g->sessionsfd);
	hostkeys_free(g->hostkeys);
	free(g);
}
