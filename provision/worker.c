/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker pool of provisiond: starts workers, hears what they report, reaps them.  Runs in the main process; what a
 * worker does is in worker_run.c.
 */
#include "worker.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "worker_run.h"

#define SLACK_S 10
#define HOME_S  30 /* what a NIC on its way home may wait for: its return, its driver, its link */
#define PURGE_S 3600

struct worker {
	struct worker *next;
	struct worker_pool *pool;
	struct task *task;       /* NULL once it has been told the end */
	char name[STR_NAME_MAX]; /* of the workspace */
	pid_t pid;
	int report;
	bool timed_out, failed;
	struct worker_result res;
	sd_event_source *io, *timer;
};

struct worker_pool {
	sd_event *loop;
	sd_event_source *sigchld;
	unsigned int limit, running;
	struct task *head, *tail;
	struct worker *workers;
	bool starting; /* a begin() is being called: submit only queues */
	int keep[WORKER_KEEP_MAX];
	unsigned int nkeep;
	void (*orphan)(void *ctx, const siginfo_t *si);
	void *orphan_ctx;
};

union work_body {
	struct work_step step;
	struct work_done done;
	struct work_failed failed;
};

static void start_queued(struct worker_pool *p);

static void worker_free(struct worker *w)
{
	sd_event_source_disable_unref(w->io);
	sd_event_source_disable_unref(w->timer);
	fd_close(&w->report);
	fd_close(&w->res.pidfd);
	free(w);
}

/* The task's one terminal call. */
static void conclude(struct worker *w)
{
	struct task *t = w->task;

	if (!t)
		return;
	w->task = NULL;
	t->end(t, &w->res);
	fd_close(&w->res.pidfd);
}

static void take_report(struct worker *w, struct msg *m, const union work_body *b)
{
	switch (m->type) {
	case WORK_STEP:
		if (w->task && w->task->step)
			w->task->step(w->task, &b->step);
		break;
	case WORK_DONE:
		w->res.done = b->done;
		if (m->nfds)
			w->res.pidfd = fd_take(&m->fds[0]);
		/* The worker has nothing left but to exit: the login need not wait for that. */
		conclude(w);
		break;
	case WORK_FAILED:
		w->failed = true;
		err_set(&w->res.err, b->failed.code ? (int)b->failed.code : EIO, "%s",
			b->failed.text);
		break;
	}
	msg_close_fds(m);
}

static void read_reports(struct worker *w)
{
	for (;;) {
		union work_body body;
		struct msg m;
		struct err e;
		int ret = msg_recv(w->report, &work_proto, &body, sizeof(body), &m, &e);

		if (ret == 1) {
			take_report(w, &m, &body);
			continue;
		}
		if (ret != -EAGAIN)
			sd_event_source_set_enabled(w->io, SD_EVENT_OFF);
		return;
	}
}

static int on_report(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	read_reports(ctx);
	return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct worker *w = ctx;

	w->timed_out = true;
	kill(w->pid, SIGKILL); /* ours and not reaped yet: the pid cannot be somebody else's */
	return 0;
}

static void worker_exited(struct worker *w, const siginfo_t *si)
{
	struct worker_pool *p = w->pool;

	read_reports(w);
	for (struct worker **pp = &p->workers; *pp; pp = &(*pp)->next)
		if (*pp == w) {
			*pp = w->next;
			break;
		}
	p->running--;
	if (w->failed) {
		w->res.clean = si->si_code == CLD_EXITED && si->si_status == 0;
	} else if (w->timed_out) {
		err_set(&w->res.err, ETIMEDOUT, "run worker for '%s': took too long and was ended",
			w->name);
	} else if (w->task) {
		err_set(&w->res.err, ECHILD, "run worker for '%s': it died (%s %d)", w->name,
			si->si_code == CLD_EXITED ? "exit status" : "signal", si->si_status);
	}
	conclude(w);
	worker_free(w);
	start_queued(p);
}

static int on_sigchld(sd_event_source *s, const struct signalfd_siginfo *ssi, void *ctx)
{
	struct worker_pool *p = ctx;

	for (;;) {
		siginfo_t si = { 0 };
		struct worker *w;

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
			return 0;
		for (w = p->workers; w && w->pid != si.si_pid; w = w->next)
			;
		if (w)
			worker_exited(w, &si);
		else if (p->orphan)
			p->orphan(p->orphan_ctx, &si);
	}
}

static uint64_t allowed_us(const struct worker_order *o)
{
	uint64_t grace = o->timeout_s ? o->timeout_s : o->settings->limits.stop_timeout;
	uint64_t s = grace + o->settings->limits.start_timeout + SLACK_S;

	/* An up that hangs is given up early, and what it leaves taken down by another; deleting many files may take long. */
	if (o->kind != WORKER_UP)
		s += HOME_S;
	return (o->kind == WORKER_PURGE || o->kind == WORKER_TRASH ? s + PURGE_S : s) * 1000000ULL;
}

static int arm(struct worker *w, const struct worker_order *o, struct err *e)
{
	sd_event *loop = w->pool->loop;
	int ret = sd_event_add_io(loop, &w->io, w->report, EPOLLIN, on_report, w);

	if (ret >= 0)
		ret = sd_event_add_time(loop, &w->timer, CLOCK_MONOTONIC,
					clk_now_us() + allowed_us(o), 0, on_timeout, w);
	if (ret < 0)
		return err_ret(e, ret, "watch worker for '%s'", w->name);
	return 0;
}

static int spawn(struct worker_pool *p, struct task *t, const struct worker_order *o, struct err *e)
{
	const char *name = o->rec ? o->rec->name : "host";
	struct worker *w = calloc(1, sizeof(*w));
	struct worker_run run = { .parent = getpid(), .keep = p->keep, .nkeep = p->nkeep };
	int sv[2];
	int ret;

	if (!w)
		return err_set(e, ENOMEM, "start worker for '%s': out of memory", name);
	*w = (struct worker){ .pool = p, .task = t, .report = -1, .res.pidfd = -1 };
	str_copy(w->name, sizeof(w->name), name);
	ret = fault_point("worker.pair");
	ret = ret < 0 ? err_ret(e, ret, "create socket pair") : msg_pair(sv, e);
	if (ret) {
		free(w);
		return ret;
	}
	w->report = sv[0];
	run.report = sv[1];
	fd_nonblock(sv[0], 1);
	ret = arm(w, o, e);
	if (!ret && (ret = fault_point("worker.fork")) < 0)
		err_ret(e, ret, "start worker for '%s'", name);
	if (!ret) {
		w->pid = fork();
		if (w->pid == 0)
			worker_run(o, &run);
		if (w->pid < 0)
			ret = err_sys(e, "start worker for '%s'", name);
	}
	close(sv[1]);
	if (ret) {
		worker_free(w);
		return ret;
	}
	w->next = p->workers;
	p->workers = w;
	p->running++;
	return 0;
}

static void start_queued(struct worker_pool *p)
{
	if (p->starting)
		return;
	p->starting = true;
	while (p->head && p->running < p->limit) {
		struct worker_order o = { .initfd = -1, .filterfd = -1 };
		struct task *t = p->head;
		struct err e = { 0 };

		p->head = t->next;
		if (!p->head)
			p->tail = NULL;
		t->next = NULL;
		if (t->begin(t, &o, &e) || spawn(p, t, &o, &e))
			t->refused(t, &e);
	}
	p->starting = false;
}

int worker_pool_new(sd_event *loop, unsigned int limit, struct worker_pool **out, struct err *e)
{
	struct worker_pool *p = calloc(1, sizeof(*p));
	int ret;

	*out = NULL;
	if (!p)
		return err_set(e, ENOMEM, "make worker pool: out of memory");
	p->loop = loop;
	p->limit = limit;
	ret = sd_event_add_signal(loop, &p->sigchld, SIGCHLD, on_sigchld, p);
	if (ret < 0) {
		free(p);
		return err_ret(e, ret, "watch for 'SIGCHLD'");
	}
	*out = p;
	return 0;
}

void worker_pool_free(struct worker_pool *p)
{
	if (!p)
		return;
	sd_event_source_disable_unref(p->sigchld);
	while (p->workers) {
		struct worker *w = p->workers;

		p->workers = w->next;
		kill(w->pid, SIGKILL);
		waitid(P_PID, (id_t)w->pid, NULL, WEXITED);
		worker_free(w);
	}
	free(p);
}

void worker_pool_limit(struct worker_pool *p, unsigned int limit)
{
	p->limit = limit;
	start_queued(p);
}

void worker_pool_keep(struct worker_pool *p, int fd)
{
	if (p->nkeep < WORKER_KEEP_MAX)
		p->keep[p->nkeep++] = fd;
}

void worker_pool_orphans(struct worker_pool *p, void (*fn)(void *ctx, const siginfo_t *si),
			 void *ctx)
{
	p->orphan = fn;
	p->orphan_ctx = ctx;
}

unsigned int worker_pool_running(const struct worker_pool *p)
{
	return p->running;
}

void worker_submit(struct worker_pool *p, struct task *t, bool urgent)
{
	t->next = NULL;
	if (!p->head) {
		p->head = p->tail = t;
	} else if (urgent) {
		t->next = p->head;
		p->head = t;
	} else {
		p->tail->next = t;
		p->tail = t;
	}
	start_queued(p);
}
