/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From accept(2) to a session process.  Every failure that resources cause ends in a back-off, so that the listener
 * never spins; one descriptor is kept in reserve to tell a client about it.
 */
#include "accept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "control.h"
#include "judge.h"

#define ACCEPTS_PER_TURN 16
#define BACKOFF_MIN_US   50000
#define BACKOFF_MAX_US   1000000
#define HOPELESS         3 /* failed starts of the zygote in a row, after which clients are told */
#define LOG_EVERY_US     1000000

static void back_off(struct listener *l, uint64_t now_us, const char *why)
{
	if (l->accept_backoff_us == 0) {
		l->accept_backoff_us = BACKOFF_MIN_US;
		if (now_us >= l->accept_log_us)
			log_warn(
				"accept a connection: %s (pausing; see LimitNOFILE= and TasksMax=)",
				why);
		l->accept_log_us = now_us + LOG_EVERY_US;
	} else if (l->accept_backoff_us < BACKOFF_MAX_US) {
		l->accept_backoff_us *= 2;
	}
	l->accept_after_us = now_us + l->accept_backoff_us;
}

void accept_resume(struct listener *l)
{
	l->accept_after_us = 0;
}

bool accept_wanted(const struct listener *l, uint64_t now_us)
{
	if (now_us < l->accept_after_us)
		return false;
	if (!l->control.started)
		return control_absent(l, now_us);
	return zygote_usable(&l->zygote) || l->zygote.failures >= HOPELESS;
}

uint64_t accept_deadline(const struct listener *l, uint64_t now_us)
{
	if (l->nsocks == 0)
		return UINT64_MAX;
	if (now_us < l->accept_after_us)
		return l->accept_after_us;
	if (!l->control.started && !control_absent(l, now_us))
		return control_absent_at(l);
	return UINT64_MAX;
}

static void log_refusal(struct listener *l, const struct ipport *peer, const char *text,
			uint64_t now_us)
{
	char from[IP_TEXT_MAX];

	l->refuse_count++;
	if (l->refuse_log_us && now_us < l->refuse_log_us + LOG_EVERY_US)
		return;
	log_note("refused %u connection%s, the last from %s: %s", l->refuse_count,
		 l->refuse_count == 1 ? "" : "s", ip_port_text(peer, from, sizeof(from)), text);
	l->refuse_count = 0;
	l->refuse_log_us = now_us;
}

static void refuse(struct listener *l, int conn, const struct ipport *peer, const char *text,
		   uint64_t now_us)
{
	log_refusal(l, peer, text, now_us);
	refuse_send(&l->refused, conn,
		    strstr(text, "too many") ? DISCONNECT_TOO_MANY : DISCONNECT_BY_APPLICATION,
		    text, now_us);
}

/* Why the connection cannot be served at all now; NULL when it can. */
static const char *unserved(const struct listener *l)
{
	if (!l->control.started)
		return "sshbay: provisiond is not running, no workspace can be reached now; try "
		       "again in a moment";
	if (!zygote_usable(&l->zygote))
		return "sshbay: the session program does not start, no workspace can be reached "
		       "now";
	return NULL;
}

static const char *not_admitted(struct listener *l, const struct ip *peer,
				const struct ipnet *source, uint64_t now_us)
{
	struct admission_load load = { .all_max = CHILDREN_MAX };
	enum admission verdict;
	uint32_t dice = 0;

	children_load(&l->children, source, &load);
	(void)!getrandom(&dice, sizeof(dice), 0);
	verdict = admission_check(&l->settings, &load, dice % 100);
	if (verdict == ADMISSION_SOURCE)
		judge_refused(l, peer, now_us);
	return admission_text(verdict);
}

/*
 * The source has a penalty: no process, no random number, no scan of the children. Its owner is told why, but only the
 * first few wait for the client to read it: a flood shall not keep descriptors.
 */
static void turn_away(struct listener *l, int conn, const struct ipport *peer, uint64_t now_us)
{
	static const char text[] = "sshbay: not allowed at this time";

	log_refusal(l, peer, text, now_us);
	if (l->refused.n < REFUSE_MAX / 2)
		refuse_send(&l->refused, conn, DISCONNECT_BY_APPLICATION, text, now_us);
	else
		refuse_brief(conn, DISCONNECT_BY_APPLICATION, text);
}

/* Pair to provisiond, connection and the pair's other end to the zygote. 0 or -errno. */
static int launch(struct listener *l, struct child *c, struct err *e)
{
	struct zygote_spawn req = { .serial = c->serial, .peer = c->peer, .local = c->local };
	auto_fd int session = -1;
	int sv[2], ret;

	if (getrandom(c->id, sizeof(c->id), 0) != (ssize_t)sizeof(c->id))
		return err_sys(e, "start a session: no random numbers");
	ret = fault_point("gate.pair");
	ret = ret < 0 ? err_ret(e, ret, "create socket pair") : msg_pair(sv, e);
	if (ret < 0)
		return ret;
	c->gate = sv[0];
	session = sv[1];
	ret = control_announce(l, c, false, e);
	if (ret == 0)
		ret = zygote_spawn(&l->zygote, &req, c->conn, session, e);
	return ret;
}

/* The address that was dialled. False: reset by the client already. */
static bool learn_local(struct child *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getsockname(c->conn, (struct sockaddr *)&ss, &len) == 0 &&
	       ip_from_sockaddr((struct sockaddr *)&ss, len, &c->local);
}

/* `jump`: where it comes from and goes to, when no socket can tell; else NULL. */
static void start_session(struct listener *l, int conn, const struct ipport *peer,
			  const struct ctl_jump *jump, uint64_t now_us)
{
	struct child *c = children_add(&l->children);
	struct err e = { 0 };

	if (!c) {
		refuse(l, conn, peer, "sshbay: out of memory, try again", now_us);
		back_off(l, now_us, "out of memory");
		return;
	}
	c->conn = conn;
	c->peer = *peer;
	c->source = admission_source(&l->settings, &peer->addr);
	c->started_us = now_us;
	c->deadline_us = l->settings.grace_s ? now_us + l->settings.grace_s * UINT64_C(1000000) : 0;
	if (jump) {
		c->local = jump->local;
		c->jumped = true;
		memcpy(c->via, jump->via.data, sizeof(c->via));
	} else if (!learn_local(c)) {
		children_remove(&l->children, c);
		return;
	}
	if (launch(l, c, &e) < 0) {
		control_closed(l, c, 0);
		refuse(l, fd_take(&c->conn), peer,
		       "sshbay: no session can be started now, try again", now_us);
		children_remove(&l->children, c);
		back_off(l, now_us, e.text);
	}
}

/* A new connection, ours now: serve it, or tell it why not. */
static void admit(struct listener *l, int conn, const struct ipport *peer,
		  const struct ctl_jump *jump, uint64_t now_us)
{
	struct ipnet source = admission_source(&l->settings, &peer->addr);
	const char *why;

	if (penalty_refused(&l->penalty, &peer->addr, now_us)) {
		turn_away(l, conn, peer, now_us);
		return;
	}
	why = unserved(l);
	if (!why)
		why = not_admitted(l, &peer->addr, &source, now_us);
	if (why)
		refuse(l, conn, peer, why, now_us);
	else
		start_session(l, conn, peer, jump, now_us);
}

void accept_jump(struct listener *l, int conn, const struct ctl_jump *jump, uint64_t now_us)
{
	admit(l, conn, &jump->peer, jump, now_us);
}

/* No descriptor is left for the connection: use the one in reserve to say so, and leave the rest in the queue. */
static void answer_with_reserve(struct listener *l, int sock)
{
	int conn;

	if (l->reserve < 0)
		return;
	fd_close(&l->reserve);
	conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
	if (conn >= 0)
		refuse_brief(conn, DISCONNECT_TOO_MANY,
			     "sshbay: too many connections for this machine, try again later");
	l->reserve = fcntl(l->null, F_DUPFD_CLOEXEC, 3);
}

/* 0, or -1 with errno as a test wants it. */
static int accept_fault(void)
{
	int ret = fault_point("gate.accept");

	if (ret == 0)
		return 0;
	errno = -ret;
	return -1;
}

/* False: nothing more to accept here now. */
static bool accept_one(struct listener *l, int sock, uint64_t now_us)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ipport peer;
	const char *why;
	int conn = accept_fault();

	if (conn == 0)
		conn = accept4(sock, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);
	if (conn < 0) {
		if (errno == EINTR || errno == ECONNABORTED)
			return true;
		if (errno == EAGAIN)
			return false;
		why = strerror(errno);
		if (errno == EMFILE || errno == ENFILE)
			answer_with_reserve(l, sock);
		back_off(l, now_us, why);
		return false;
	}
	if (!ip_from_sockaddr((struct sockaddr *)&ss, len, &peer)) {
		fd_close(&conn);
		return true;
	}
	admit(l, conn, &peer, NULL, now_us);
	return now_us >= l->accept_after_us;
}

void accept_turn(struct listener *l, const struct pollfd *p, uint64_t now_us)
{
	bool any = false;

	/* A provisiond that has just come back shall not miss the one who asks for it. */
	for (uint32_t i = 0; p && !l->control.started && i < l->nsocks; i++)
		if (p[i].revents && control_hurry(l, now_us) && !control_absent(l, now_us))
			return;
	if (l->reserve < 0)
		l->reserve = fcntl(l->null, F_DUPFD_CLOEXEC, 3);
	for (uint32_t i = 0; i < l->nsocks && now_us >= l->accept_after_us; i++) {
		if (p && !p[i].revents)
			continue;
		any = true;
		for (int n = 0; n < ACCEPTS_PER_TURN && accept_one(l, l->socks[i], now_us); n++)
			;
	}
	if (any && now_us >= l->accept_after_us)
		l->accept_backoff_us = 0;
}

void accept_spawned(struct listener *l, const struct zygote_spawned *s, uint64_t now_us)
{
	struct child *c = children_by_serial(&l->children, s->serial);
	char why[128];

	if (!c || c->pid)
		return;
	if (s->pid && children_adopt(c, (pid_t)s->pid)) {
		fd_close(&c->conn);
		return;
	}
	if (s->pid) {
		log_error("start a session: the zygote named process %u, which is no child of ours",
			  s->pid);
		fd_close(&c->conn);
	} else {
		(void)str_format(why, sizeof(why), "fork: %s", strerror((int)s->code));
		back_off(l, now_us, why);
		refuse(l, fd_take(&c->conn), &c->peer,
		       "sshbay: no session can be started now, try again", now_us);
	}
	control_closed(l, c, 0);
	children_remove(&l->children, c);
}

void accept_abandon(struct listener *l)
{
	for (size_t i = l->children.n; i-- > 0;) {
		struct child *c = l->children.v[i];

		if (c->pid)
			continue;
		/* It may have been forked all the same: without its gate socket it ends by itself. */
		if (c->gate >= 0)
			(void)shutdown(c->gate, SHUT_RDWR);
		control_closed(l, c, 0);
		children_remove(&l->children, c);
		l->children.lost++;
	}
}
