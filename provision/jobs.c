/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The queue of jobs of one workspace, in provisiond's main process: who may join, what goes first, what needs no worker
 * at all, and telling the waiters.  What a job does is operate.c's.
 */
#include "jobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "operate.h"

static void kick(struct workspace *ws);

bool job_unsettled(const struct workspace *ws)
{
	if (!ws->has_record || ws->damaged)
		return false;
	switch (ws->rec.state) {
	case RECORD_CREATING:
	case RECORD_STOPPING:
	case RECORD_DESTROYING:
		return true;
	case RECORD_RUNNING:
		return ws->dead;
	default:
		return false;
	}
}

/* The job is over: tell everybody, then go on with the next one. `e` may be the job's own. */
void job_finish(struct workspace *ws, struct job *job, int ret, const struct err *e)
{
	struct err told = *e;

	ws->jobs = job->next;
	ws->ending = job;
	ws->busy = true;
	if (ret && !job->waiters)
		log_warn("%s", told.text);
	while (job->waiters) {
		struct waiter *w = job->waiters;

		job->waiters = w->next;
		w->next = NULL;
		w->ws = NULL;
		w->done(w, ws, ret, &told);
	}
	ws->ending = NULL;
	ws->busy = false;
	/* What is not settled now would fail the next job in the same way: let it say so. */
	if (ret && job->req.kind == JOB_CLEAN && ws->jobs) {
		free(job);
		job_finish(ws, ws->jobs, ret, &told);
		return;
	}
	free(job);
	kick(ws);
}

/* Is there nothing to do for this job, or may it not be done? True: *ret and *e are its result. */
static bool needless(const struct workspace *ws, const struct job *job, int *ret, struct err *e)
{
	bool here = ws->has_record && ws->rec.state != RECORD_ABSENT;
	const char *state = record_state_text(ws->rec.state);

	*ret = 0;
	if (ws->damaged)
		*ret = err_set(
			e, EUCLEAN,
			"use workspace '%s': %.150s (mend or move its record, restart provisiond)",
			ws->name, ws->rec.note);
	else if (job->req.kind == JOB_UP && job->req.want == WANT_ABSENT && here)
		*ret = err_set(e, EEXIST,
			       "create workspace '%s': it exists and is %s (sshbay show %s)",
			       ws->name, state, ws->name);
	else if (job->req.kind == JOB_UP && job->req.want == WANT_PRESENT && !ws->has_record &&
		 !ws->configured)
		*ret = err_set(e, ENOENT,
			       "start workspace '%s': no such workspace (sshbay create %s)",
			       ws->name, ws->name);
	else if (job->req.kind == JOB_STOP && !ws->has_record)
		*ret = err_set(e, ENOENT, "stop workspace '%s': no such workspace (sshbay list)",
			       ws->name);
	else if (job->req.kind == JOB_DESTROY && !ws->has_record)
		*ret = err_set(e, ENOENT, "destroy workspace '%s': no such workspace (sshbay list)",
			       ws->name);
	else if (job->req.kind == JOB_ATTACH && !ws->has_record && !ws->configured)
		*ret = err_set(e, ENOENT,
			       "attach the NIC of workspace '%s': no such workspace (sshbay list)",
			       ws->name);
	else if (job->req.kind == JOB_ATTACH &&
		 (!here || ws->rec.state != RECORD_RUNNING || ws->dead))
		*ret = err_set(e, ENOTCONN,
			       "attach the NIC of workspace '%s': it is %s (sshbay start %s)",
			       ws->name, ws->has_record ? state : "absent", ws->name);
	else if (job->req.kind == JOB_ATTACH)
		return false;
	else if (job->req.kind == JOB_UP)
		return here && ws->rec.state == RECORD_RUNNING && !ws->dead;
	else if (job->req.kind == JOB_STOP)
		return ws->rec.state == RECORD_STOPPED || ws->rec.state == RECORD_ABSENT;
	else if (job->req.kind == JOB_DESTROY)
		return ws->rec.state == RECORD_ABSENT && !job->req.purge;
	else
		return !job_unsettled(ws);
	return true;
}

static struct job *new_job(const struct job_request *req)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job)
		job->req = *req;
	return job;
}

static bool clean_first(struct workspace *ws)
{
	/* STOP and DESTROY of a dead workspace do the same downs by themselves; so does a destroy of anything. */
	const struct job_request req = { .kind = JOB_CLEAN };
	struct job *first = ws->jobs, *clean;

	if (!job_unsettled(ws) || first->req.kind == JOB_CLEAN || first->req.kind == JOB_DESTROY ||
	    (first->req.kind == JOB_STOP && ws->rec.state == RECORD_RUNNING))
		return true;
	clean = new_job(&req);
	if (!clean)
		return false;
	clean->next = first;
	ws->jobs = clean;
	return true;
}

/* Start the first job, unless one is under way. */
static void kick(struct workspace *ws)
{
	struct err e = { 0 };
	int ret;

	if (ws->busy || !ws->jobs)
		return;
	if (!clean_first(ws)) {
		ret = err_set(&e, ENOMEM, "use workspace '%s': out of memory", ws->name);
		job_finish(ws, ws->jobs, ret, &e);
		return;
	}
	if (needless(ws, ws->jobs, &ret, &e)) {
		job_finish(ws, ws->jobs, ret, &e);
		return;
	}
	ws->busy = true;
	operate_task(ws, &ws->task);
	worker_submit(ws->registry->pool, &ws->task, ws->jobs->req.kind == JOB_CLEAN);
}

/* May a newcomer share the last job of the queue instead of a job of its own? */
static bool joinable(const struct job *last, const struct job_request *req)
{
	if (!last || last->req.kind != req->kind || last->undo)
		return false;
	if (req->kind == JOB_UP)
		return last->req.want == req->want || req->want == WANT_ANY ||
		       last->req.want == WANT_ANY;
	return req->kind != JOB_DESTROY || last->req.purge == req->purge;
}

static void add_waiter(struct workspace *ws, struct job *job, struct waiter *w)
{
	struct waiter **end = &job->waiters;

	while (*end)
		end = &(*end)->next;
	*end = w;
	w->next = NULL;
	w->ws = ws;
}

void job_queue(struct workspace *ws, const struct job_request *req, struct waiter *w)
{
	struct job **last = &ws->jobs, *job;

	while (*last && (*last)->next)
		last = &(*last)->next;
	job = *last;
	if (!joinable(job, req)) {
		job = new_job(req);
		if (!job) {
			struct err e = { 0 };

			if (w)
				w->done(w, ws,
					err_set(&e, ENOMEM, "use workspace '%s': out of memory",
						ws->name),
					&e);
			return;
		}
		if (*last)
			(*last)->next = job;
		else
			ws->jobs = job;
	}
	if (w)
		add_waiter(ws, job, w);
	kick(ws);
}

void job_died(struct workspace *ws)
{
	const struct job_request clean = { .kind = JOB_CLEAN };

	ws->dead = true;
	if (!ws->busy && !ws->jobs)
		job_queue(ws, &clean, NULL);
}

void job_free_all(struct workspace *ws)
{
	while (ws->jobs) {
		struct job *job = ws->jobs;

		ws->jobs = job->next;
		free(job);
	}
}
