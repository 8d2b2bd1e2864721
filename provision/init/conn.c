/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connections of ws-init and its table of requests.  Runs in PID 1; never blocks.  A connection that breaks the
 * conversation, or does not read its answers while asking for more, is dropped; the others never notice.
 */
#include "conn.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"
#include "dial.h"
#include "job.h"
#include "listen.h"
#include "served.h"
#include "setup.h"
#include "spawn.h"
#include "user.h"

#define READS_PER_TURN 16 /* messages of one connection before the others get their turn */
#define PAGE           4096

/* The one receive buffer. Whole pages, so that conn_trim can give them back. */
static union {
	struct init_bind bind;
	struct init_spawn spawn;
	struct init_signal signal;
	struct init_address address;
	struct init_setup setup;
	struct init_power power;
	struct init_release release;
} body __attribute__((aligned(PAGE)));

/* The whole pages between two addresses become zeroes that take no memory. */
static void give_back(void *from, void *to)
{
	uintptr_t start = ((uintptr_t)from + PAGE - 1) & ~(uintptr_t)(PAGE - 1),
		  end = (uintptr_t)to & ~(uintptr_t)(PAGE - 1);

	if (start < end)
		madvise((void *)start, end - start, MADV_DONTNEED);
}

void conn_trim(struct agent *a)
{
	/* The first page stays: small messages come all the time. */
	give_back((char *)&body + PAGE, &body + 1);
	/* Rows that are free are zero, or are cleared when taken. */
	give_back(&a->conns[a->nconns], &a->conns[AGENT_CONNS]);
	give_back(&a->jobs[a->jobs_top], &a->jobs[AGENT_JOBS]);
}

static uint32_t row_of(const struct conn *c)
{
	return (uint32_t)(c - c->agent->conns);
}

static void watch(struct conn *c)
{
	agent_watch(c->agent, c->fd, AGENT_CONN, row_of(c),
		    c->blocked ? EPOLLOUT
		    : c->busy  ? EPOLLRDHUP
			       : EPOLLIN);
}

void conn_drop(struct conn *c)
{
	struct agent *a = c->agent;

	if (!c->used)
		return;
	c->used = false;
	agent_watch(a, c->fd, AGENT_CONN, 0, 0);
	fd_close(&c->fd);
	if (c->account.name[0])
		a->nusers--;
	job_forget(c);
	served_leave(c);
	while (a->nconns && !a->conns[a->nconns - 1].used)
		a->nconns--;
}

int conn_send(struct conn *c, uint32_t type, const void *body_out, const int *fds, uint32_t nfds)
{
	int r;

	if (c->blocked)
		return -EAGAIN;
	r = msg_send_fds(c->fd, &init_proto, &(struct msg_out){ type, body_out, fds, nfds }, NULL);
	if (r == -EAGAIN || r == -ENOBUFS) {
		c->blocked = true;
		watch(c);
		return -EAGAIN;
	}
	if (r < 0) {
		conn_drop(c);
		return -EPIPE;
	}
	return 0;
}

int conn_fail(struct conn *c, uint32_t id, uint32_t code, const char *text)
{
	struct init_failed f = { .id = id, .code = code };

	str_copy(f.text, sizeof(f.text), text);
	return conn_send(c, INIT_FAILED, &f, NULL, 0) < 0 ? -EPIPE : 0;
}

static int fail_err(struct conn *c, uint32_t id, const struct err *e)
{
	return conn_fail(c, id, (uint32_t)e->code, e->text);
}

void conn_bound(struct conn *c, bool ok)
{
	if (ok)
		c->state.phase = INIT_PHASE_USER;
	c->busy = false;
	watch(c);
}

static int start(struct conn *c, const struct job_start *s)
{
	struct err e = { 0 };
	struct job *j;

	if (c->agent->stopping && s->serves)
		served_failed(c, s->id);
	if (c->agent->stopping)
		return conn_fail(c, s->id, ESHUTDOWN,
				 "start process 'helper': the workspace is stopping");
	j = job_start(c->agent, c, s, &e);
	if (!j && s->serves)
		served_failed(c, s->id);
	return j ? 0 : fail_err(c, s->id, &e);
}

static struct known *find_known(struct agent *a, const char *user)
{
	for (uint32_t i = 0; i < a->nknown && i < AGENT_KNOWN; i++)
		if (strcmp(a->known[i].account.name, user) == 0)
			return &a->known[i];
	return NULL;
}

void conn_remember(const struct conn *c)
{
	struct agent *a = c->agent;
	struct known *k = find_known(a, c->account.name);

	if (!k)
		k = &a->known[a->nknown++ % AGENT_KNOWN];
	k->sudo = c->sudo;
	k->account = c->account;
}

bool conn_looks_again(const struct conn *c)
{
	const struct known *k = c->known ? find_known(c->agent, c->account.name) : NULL;

	/* A login since then has other rights: those of this connection must not come back. */
	return k && k->sudo == c->sudo;
}

int conn_send_bound(struct conn *c)
{
	struct init_bound b = { .uid = c->account.uid, .gid = c->account.gid };

	str_copy(b.home, sizeof(b.home), c->account.home);
	str_copy(b.shell, sizeof(b.shell), c->account.shell);
	return conn_send(c, INIT_BOUND, &b, NULL, 0);
}

/*
 * A user that was bound before needs no helper of its own: the one of each request looks the account up anyway, as files
 * may have changed meanwhile, and makes what has vanished.
 */
static int bind_known(struct conn *c, const struct known *k)
{
	c->account = k->account;
	c->known = true;
	c->state.phase = INIT_PHASE_USER;
	return conn_send_bound(c);
}

static int answer_bind(void *ctx, struct msg *m, struct err *e)
{
	struct conn *c = ctx;
	const struct init_bind *b = m->body;
	struct init_bound control = { 0 };
	struct job_start s = {
		.kind = JOB_BIND, .limit_ms = USER_LIMIT_MS, .work = user_bind_work, .request = b
	};
	struct known *k;
	int r;

	if (!b->user[0]) {
		c->state.phase = INIT_PHASE_CONTROL;
		c->deadline = 0;
		return conn_send(c, INIT_BOUND, &control, NULL, 0);
	}
	if (!str_is_name(b->user, strlen(b->user)))
		return err_set(e, EBADMSG, "bind: bad user name");
	if (c->agent->nusers >= AGENT_USER_CONNS) {
		r = err_set(NULL, EBUSY, "limit");
		(void)conn_fail(c, 0, (uint32_t)-r, "bind: too many connections to the workspace");
		return r;
	}
	str_copy(c->account.name, sizeof(c->account.name), b->user);
	c->agent->nusers++;
	c->deadline = 0;
	c->sudo = b->sudo;
	k = find_known(c->agent, b->user);
	if (k && k->sudo == b->sudo && !c->agent->stopping)
		return bind_known(c, k);
	if (k)
		k->account.name[0] = '\0';
	c->busy = true;
	r = start(c, &s);
	if (r == 0 && c->used && c->nhelpers == 0)
		c->busy = false; /* refused and told so */
	if (c->used)
		watch(c);
	return r;
}

static int answer_spawn(void *ctx, struct msg *m, struct err *e)
{
	struct conn *c = ctx;
	const struct init_spawn *sp = m->body;
	struct job_start s = { .kind = JOB_SPAWN,
			       .id = sp->id,
			       .limit_ms = SPAWN_LIMIT_MS,
			       .work = spawn_work,
			       .request = sp,
			       .pty = sp->flags & INIT_PTY };

	if (memchr(sp->command.data, '\0', sp->command.len))
		return err_set(e, EBADMSG, "spawn %u: NUL in the command", sp->id);
	if (job_find(c, sp->id))
		return conn_fail(c, sp->id, EEXIST, "start process 'spawn': this id is in use");
	if (c->nspawns >= AGENT_CONN_SPAWNS)
		return conn_fail(c, sp->id, EBUSY,
				 "start process 'spawn': too many run on this connection");
	return start(c, &s);
}

static int answer_signal(void *ctx, struct msg *m, struct err *e)
{
	const struct init_signal *sg = m->body;
	struct job *j = job_find(ctx, sg->id);

	if (sg->signal < 1 || sg->signal > 31)
		return err_set(e, EBADMSG, "signal %u: no such signal", sg->signal);
	/* Not reaped yet, so the pid is still ours; the group dies with its last member, and ESRCH is fine. */
	if (j && !j->gone && j->sock < 0)
		kill(-j->pid, (int)sg->signal);
	return 0;
}

static int answer_address(struct conn *c, struct msg *m, enum job_kind kind)
{
	const struct init_address *ad = m->body;
	struct job_start s = { .kind = kind, .id = ad->id, .request = ad };

	s.limit_ms = kind == JOB_DIAL ? DIAL_LIMIT_MS : LISTEN_LIMIT_MS;
	s.work = kind == JOB_DIAL ? dial_work : listen_work;
	if (c->nhelpers >= AGENT_CONN_HELPERS)
		return conn_fail(c, ad->id, EBUSY,
				 "connect: too many attempts under way on this connection");
	s.serves = kind == JOB_LISTEN && served_kind(ad);
	if (s.serves && !served_new(c, ad))
		return conn_fail(c, ad->id, EBUSY,
				 "listen: too many sockets or displays on this connection");
	return start(c, &s);
}

static int answer_dial(void *ctx, struct msg *m, struct err *e)
{
	return answer_address(ctx, m, JOB_DIAL);
}

static int answer_listen(void *ctx, struct msg *m, struct err *e)
{
	return answer_address(ctx, m, JOB_LISTEN);
}

static int answer_release(void *ctx, struct msg *m, struct err *e)
{
	served_release(ctx, ((const struct init_release *)m->body)->id);
	return 0;
}

static int answer_setup(void *ctx, struct msg *m, struct err *e)
{
	struct job_start s = { .kind = JOB_SETUP,
			       .limit_ms = SETUP_LIMIT_MS,
			       .work = setup_work,
			       .request = m->body };

	return start(ctx, &s);
}

static int answer_power(void *ctx, struct msg *m, struct err *e)
{
	struct conn *c = ctx;
	const struct init_power *p = m->body;
	uint64_t s = p->timeout_s < AGENT_STOP_MAX_S ? p->timeout_s : AGENT_STOP_MAX_S;

	agent_stop(c->agent, s * 1000);
	return 0;
}

static const struct msg_route routes[] = {
	{ INIT_BIND, answer_bind },     { INIT_SPAWN, answer_spawn },
	{ INIT_SIGNAL, answer_signal }, { INIT_DIAL, answer_dial },
	{ INIT_LISTEN, answer_listen }, { INIT_SETUP, answer_setup },
	{ INIT_POWER, answer_power },   { INIT_RELEASE, answer_release },
};
static const struct msg_table table = { &init_proto, routes, sizeof(routes) / sizeof(routes[0]) };

static void read_requests(struct conn *c)
{
	struct agent *a = c->agent;

	for (int i = 0; i < READS_PER_TURN && c->used && !c->blocked && !c->busy; i++) {
		struct msg m = { 0 };
		int r = msg_recv(c->fd, &init_proto, &body, sizeof(body), &m, NULL);

		if (r == -EAGAIN || r == -EINTR)
			return;
		a->trim_at = agent_now() + AGENT_TRIM_MS;
		if (r == 1) {
			r = msg_dispatch(&table, &c->state, c, &m, NULL);
			msg_close_fds(&m);
		} else {
			r = -EPIPE;
		}
		/* conn_send may have dropped it already; -EAGAIN from an answer means a peer that does not read. */
		if (r < 0 && c->used)
			conn_drop(c);
	}
}

void conn_event(struct agent *a, uint32_t row, uint32_t events)
{
	struct conn *c = &a->conns[row];

	if (row >= AGENT_CONNS || !c->used)
		return;
	/* Closed by a peer that nothing more is read from. Otherwise what it sent before comes first. */
	if ((c->busy || c->blocked) && events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		conn_drop(c);
		return;
	}
	if (c->blocked && events & EPOLLOUT) {
		c->blocked = false;
		job_flush(c);
		if (c->used)
			watch(c);
		return;
	}
	read_requests(c);
}

static struct conn *conn_new(struct agent *a, int fd)
{
	for (uint32_t i = 0; i < AGENT_CONNS; i++) {
		struct conn *c = &a->conns[i];

		if (c->used)
			continue;
		memset(c, 0, sizeof(*c));
		c->used = true;
		c->fd = fd;
		c->agent = a;
		c->state.phase = INIT_PHASE_NEW;
		c->deadline = agent_now() + AGENT_BIND_GRACE_MS;
		if (i >= a->nconns)
			a->nconns = i + 1;
		return c;
	}
	return NULL;
}

void conn_accept(struct agent *a)
{
	for (;;) {
		int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct conn *c;

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS) {
				a->accept_at = agent_now() + AGENT_ACCEPT_PAUSE_MS;
				agent_watch(a, a->listener, AGENT_LISTENER, 0, 0);
			}
			if (errno != EINTR && errno != ECONNABORTED)
				return;
			continue;
		}
		c = conn_new(a, fd);
		if (!c) {
			struct init_failed f = {
				.code = EBUSY,
				.text = "connect to the workspace: too many connections"
			};

			(void)msg_send(fd, &init_proto, INIT_FAILED, &f, NULL);
			close(fd);
			continue;
		}
		watch(c);
		a->trim_at = agent_now() + AGENT_TRIM_MS;
	}
}

uint64_t conn_expire(struct agent *a, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < a->nconns; i++) {
		struct conn *c = &a->conns[i];

		if (!c->used || !c->deadline)
			continue;
		if (c->deadline <= now)
			conn_drop(c);
		else if (c->deadline < next)
			next = c->deadline;
	}
	return next;
}
