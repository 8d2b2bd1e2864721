/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a job means, in provisiond's main process: for the record, for the order that its worker gets, and what the end
 * of that worker means.  A record is saved before the worker starts and after it ended, so that a crash at any instant
 * leaves a record from which recover.c can go on.
 *
 * What a transient record asks for is told by the record alone (`target`): CREATING with created = 0 is a first
 * creation and leaves nothing; DESTROYING with step "purge" removes the files too.
 */
#include "operate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "hostkeys.h"
#include "jobs.h"
#include "net.h"
#include "operate_lease.h"
#include "operate_nic.h"
#include "reconcile_gpu.h"
#include "watch.h"

#define STEP_PURGE "purge"

/* Where downs lead to. */
enum target { TO_NOTHING, TO_ABSENT, TO_STOPPED };

static void audit(const struct workspace *ws, const char *event, const char *reason, uint64_t us)
{
	const struct audit_field fields[] = {
		AUDIT_TEXT("ws", ws->name),
		AUDIT_TEXT("reason", reason ? reason : ""),
		AUDIT_NUM("dur_ms", us / 1000),
	};

	audit_write(event, fields, 3);
}

static enum target target(const struct record *rec)
{
	switch (rec->state) {
	case RECORD_CREATING:
		return !rec->created ? TO_NOTHING : rec->started ? TO_STOPPED : TO_ABSENT;
	case RECORD_DESTROYING:
		return strcmp(rec->step, STEP_PURGE) ? TO_ABSENT : TO_NOTHING;
	default:
		return TO_STOPPED;
	}
}

/* A stop keeps network and NIC; everything else takes all down, also the end of a ws-init that nobody asked for. */
static enum worker_kind down_kind(const struct record *rec)
{
	if (target(rec) == TO_NOTHING)
		return WORKER_PURGE;
	return rec->state == RECORD_CREATING || rec->state == RECORD_DESTROYING ||
			       (rec->state == RECORD_STOPPING &&
				!strcmp(rec->step, OPERATE_STEP_RETURN))
		       ? WORKER_DOWN_ALL
		       : WORKER_DOWN;
}

/* --- up --- */

/* The directory and the hosts entry that the steps build upon. */
static int prepare_run(struct workspace *ws, struct err *e)
{
	const struct settings *s = ws->registry->settings;
	char dir[PATH_MAX];
	int ret;

	if (str_format(dir, sizeof(dir), "%s/ws/%s", s->storage.run, ws->name))
		return err_set(e, ENAMETOOLONG, "make run directory of '%s': name too long",
			       ws->name);
	ret = path_mkdirs(dir, 0700, e);
	return ret ? ret : net_hosts_add(s, &ws->rec, e);
}

static void begin_down(struct workspace *ws, struct job *job, struct worker_order *o);

/*
 * What a stop kept goes home before anything else is leased, and the record says so until it is: whoever takes over from
 * a worker that was killed meanwhile has to know what was leased, not what will be.
 */
static int begin_return(struct workspace *ws, struct job *job, struct worker_order *o,
			struct err *e)
{
	struct record back = ws->rec;
	int ret;

	back.state = RECORD_STOPPING;
	str_copy(back.step, sizeof(back.step), OPERATE_STEP_RETURN);
	ret = record_save(ws->registry->recordsfd, &back, e);
	if (ret)
		return err_wrap(e, "start workspace '%s'", ws->name);
	ws->rec = back;
	job->returning = true;
	begin_down(ws, job, o);
	return 0;
}

static int begin_up(struct workspace *ws, struct job *job, struct worker_order *o, struct err *e)
{
	struct registry *r = ws->registry;
	struct record rec, before = ws->rec;
	int ret = operate_lease_choose(ws, &job->spec, &rec, e);

	if (ret)
		return ret;
	if (operate_lease_outdated(&before, &rec))
		return begin_return(ws, job, o, e);
	job->kept = before;
	rec.state = RECORD_CREATING;
	rec.step[0] = '\0';
	str_copy(rec.boot_id, sizeof(rec.boot_id), r->boot_id);
	ret = record_save(r->recordsfd, &rec, e);
	if (ret)
		return err_wrap(e, "%s workspace '%s'", rec.created ? "start" : "create", ws->name);
	ws->rec = rec;
	ws->has_record = true;
	if (!rec.created)
		audit(ws, "ws.create.begin", NULL, 0);
	operate_lease_taken(ws, &before);
	operate_nic_full(ws, &job->spec);
	*o = (struct worker_order){
		.kind = WORKER_UP,
		.settings = r->settings,
		.spec = &job->spec,
		.rec = &ws->rec,
		.first = !rec.created,
		.initfd = r->files.init,
		.filterfd = r->files.filter,
	};
	/* Refused from here on means that the record says CREATING: task_refused settles that like a failed up. */
	return prepare_run(ws, e);
}

static void forget_runtime(struct record *rec, bool all)
{
	rec->init_pid = 0;
	rec->init_start = rec->ns_mnt = 0;
	if (!all)
		return;
	rec->ns_user = rec->ns_net = 0;
	memset(&rec->nic, 0, sizeof(rec->nic));
	rec->gpus[0] = rec->cpus[0] = rec->vfio[0] = rec->rdma[0] = '\0';
	rec->hugepages_2m = rec->hugepages_1g = 0;
}

static void note(struct workspace *ws, const char *text)
{
	str_copy(ws->rec.note, sizeof(ws->rec.note), text ? text : "");
}

/* Save where the outcome does not depend on it: recovery reaches the same state from the older record. */
static void save_lazily(struct workspace *ws)
{
	struct err e = { 0 };

	if (record_save(ws->registry->recordsfd, &ws->rec, &e))
		log_warn("%s", e.text);
}

/* The key is made with the workspace, so that its clients can be told of it before they come. */
static void give_host_key(const struct workspace *ws)
{
	const struct settings *s = ws->registry->settings;
	struct err e = { 0 };

	/* No reason to fail a creation: whoever dials the address tries again. */
	if (s->gate.own_host_keys && hostkeys_make(s->storage.state, ws->name, &e))
		log_warn("%s", e.text);
}

static void take_host_key(const struct workspace *ws)
{
	struct err e = { 0 };

	if (hostkeys_remove(ws->registry->settings->storage.state, ws->name, &e))
		log_error("%s", e.text);
}

/* Downs are complete: what is the workspace now? */
static int settle(struct workspace *ws, bool all, const char *why, struct err *e)
{
	enum target to = target(&ws->rec);
	char nic[sizeof(ws->rec.nic.id)], gpus[sizeof(ws->rec.gpus)], rdma[sizeof(ws->rec.rdma)];
	int ret = 0;

	memcpy(nic, ws->rec.nic.id, sizeof(nic));
	memcpy(gpus, ws->rec.gpus, sizeof(gpus));
	memcpy(rdma, ws->rec.rdma, sizeof(rdma));
	watch_stop(ws);
	ws->dead = false;
	if (to == TO_NOTHING) {
		ret = record_remove(ws->registry->recordsfd, ws->name, e);
		if (ret)
			return ret;
		ws->has_record = false;
		/* A creation that failed keeps what clients of a configured address may have seen already. */
		if (ws->rec.state == RECORD_DESTROYING)
			take_host_key(ws);
	}
	forget_runtime(&ws->rec, all);
	if (all && rdma[0])
		operate_nic_returned(ws, "rdma", rdma);
	if (all && nic[0])
		operate_nic_returned(ws, "nic", nic);
	if (all && gpus[0])
		reconcile_gpu_returned(ws, gpus);
	if (to != TO_STOPPED) {
		char text[IP_TEXT_MAX];

		operate_lease_audit(ws, "lease.return", "ip",
				    ip_text(&ws->rec.control_ip, text, sizeof(text)));
		memset(&ws->rec.control_ip, 0, sizeof(ws->rec.control_ip));
		memset(&ws->rec.control_ip6, 0, sizeof(ws->rec.control_ip6));
		memset(&ws->rec.data_ip, 0, sizeof(ws->rec.data_ip));
		ws->rec.attach[0] = '\0';
		ws->rec.started = 0;
	}
	registry_hosts_dirty(ws->registry);
	if (to == TO_NOTHING) {
		memset(&ws->rec, 0, sizeof(ws->rec));
		str_copy(ws->rec.name, sizeof(ws->rec.name), ws->name);
		return 0;
	}
	ws->rec.state = to == TO_STOPPED ? RECORD_STOPPED : RECORD_ABSENT;
	ws->rec.step[0] = '\0';
	note(ws, why);
	save_lazily(ws);
	return 0;
}

/* The up has come to nothing and its downs are done. */
static void rolled_back(struct workspace *ws, struct job *job, const struct err *why)
{
	bool first = !ws->rec.created;
	struct err e = { 0 };

	audit(ws, first ? "ws.create.rollback" : "ws.start.rollback", why->text,
	      clk_now_us() - job->began);
	if (settle(ws, true, why->text, &e))
		log_error("%s", e.text);
	job_finish(ws, job, -why->code, why);
}

/* What the up made is still there and its worker is no more: another one takes it down, before anybody else's work. */
static void undo(struct workspace *ws, struct job *job, const struct err *why)
{
	job->undo = true;
	job->failure = *why;
	worker_submit(ws->registry->pool, &ws->task, true);
}

static int run_saved(struct workspace *ws, struct worker_result *res, struct err *e)
{
	struct record *rec = &ws->rec, before = *rec;
	const struct work_done *d = &res->done;
	uint64_t now = clk_wall_s();

	rec->init_pid = d->init_pid;
	rec->init_start = d->init_start;
	rec->ns_user = d->ns_user;
	rec->ns_net = d->ns_net;
	rec->ns_mnt = d->ns_mnt;
	if (!rec->nic.name[0])
		str_copy(rec->nic.name, sizeof(rec->nic.name), d->nic_name);
	rec->state = RECORD_RUNNING;
	rec->step[0] = '\0';
	rec->started = now;
	if (!rec->created)
		rec->created = now;
	if (record_save(ws->registry->recordsfd, rec, e) == 0)
		return 0;
	/* Not durable, so not true: a crash would now undo a workspace that somebody uses. */
	rec->state = RECORD_CREATING;
	rec->created = before.created;
	rec->started = before.started;
	return -e->code;
}

static void end_up(struct workspace *ws, struct job *job, struct worker_result *res)
{
	bool first = !ws->rec.created;
	struct err e = { 0 };

	if (res->err.code) {
		e = res->err;
		if (!strstr(e.text, ws->name))
			err_wrap(&e, "%s workspace '%s'", first ? "create" : "start", ws->name);
		if (res->clean)
			rolled_back(ws, job, &e);
		else
			undo(ws, job, &e);
		return;
	}
	if (run_saved(ws, res, &e) || watch_start(ws, fd_take(&res->pidfd), &e)) {
		err_wrap(&e, "%s workspace '%s'", first ? "create" : "start", ws->name);
		undo(ws, job, &e);
		return;
	}
	give_host_key(ws);
	if (ws->rec.nic.id[0] && strcmp(ws->rec.nic.id, job->kept.nic.id))
		operate_lease_audit(ws, "lease.attach", "nic", ws->rec.nic.id);
	audit(ws, first ? "ws.create.ok" : "ws.start", NULL, clk_now_us() - job->began);
	job_finish(ws, job, 0, &e);
}

/* --- down --- */

static void begin_down(struct workspace *ws, struct job *job, struct worker_order *o)
{
	struct registry *r = ws->registry;
	char why[sizeof(ws->rec.note)];

	settings_spec(r->settings, ws->name, &job->spec);
	str_copy(job->spec.image, sizeof(job->spec.image), ws->rec.image);
	if (job->req.kind == JOB_STOP ||
	    (job->req.kind == JOB_CLEAN && ws->rec.state == RECORD_RUNNING)) {
		if (job->req.kind == JOB_CLEAN)
			note(ws, watch_reason(ws, why, sizeof(why)));
		if (job->req.kind == JOB_CLEAN && watch_crashed(ws))
			str_copy(ws->rec.step, sizeof(ws->rec.step), OPERATE_STEP_RETURN);
		ws->rec.state = RECORD_STOPPING;
	} else if (job->req.kind == JOB_DESTROY) {
		ws->rec.state = RECORD_DESTROYING;
		str_copy(ws->rec.step, sizeof(ws->rec.step), job->req.purge ? STEP_PURGE : "");
	}
	/* Also on a full disk: a destroy is what frees it. */
	if (job->req.kind != JOB_UP)
		save_lazily(ws);
	watch_stop(ws);
	*o = (struct worker_order){
		.kind = down_kind(&ws->rec),
		.settings = r->settings,
		.spec = &job->spec,
		.rec = &ws->rec,
		.timeout_s = job->req.timeout_s,
		.initfd = -1,
		.filterfd = -1,
	};
}

static const char *down_event(const struct job *job, enum target to)
{
	if (job->req.kind == JOB_CLEAN)
		return "state.recover";
	return job->req.kind == JOB_STOP ? "ws.stop"
	       : to == TO_NOTHING        ? "ws.delete"
					 : "ws.destroy";
}

static void down_failed(struct workspace *ws, struct job *job, const struct err *why)
{
	struct err e = *why;

	if (!strstr(e.text, ws->name))
		err_wrap(&e, "clean up workspace '%s'", ws->name);
	note(ws, e.text);
	save_lazily(ws);
	log_error("%s", e.text);
	if (job->undo)
		e = job->failure;
	job_finish(ws, job, -e.code, &e);
}

/* It is home: now the up itself. */
static void end_return(struct workspace *ws, struct job *job, struct worker_result *res)
{
	struct err e = { 0 };

	job->returning = false;
	if (res->err.code)
		down_failed(ws, job, &res->err);
	else if (settle(ws, true, NULL, &e))
		down_failed(ws, job, &e);
	else
		worker_submit(ws->registry->pool, &ws->task, true);
}

static void end_down(struct workspace *ws, struct job *job, struct worker_result *res)
{
	const struct job_request up = { .kind = JOB_UP };
	bool all = down_kind(&ws->rec) != WORKER_DOWN;
	enum target to = target(&ws->rec);
	char why[sizeof(ws->rec.note)];
	struct err e = { 0 };

	if (res->err.code) {
		down_failed(ws, job, &res->err);
		return;
	}
	if (job->undo) {
		e = job->failure;
		rolled_back(ws, job, &e);
		return;
	}
	/* Why it went down by itself stays readable; an ordered stop leaves no note. */
	memcpy(why, ws->rec.note, sizeof(why));
	if (settle(ws, all, job->req.kind == JOB_CLEAN ? why : NULL, &e)) {
		down_failed(ws, job, &e);
		return;
	}
	audit(ws, down_event(job, to), job->req.kind == JOB_CLEAN ? why : NULL,
	      clk_now_us() - job->began);
	if (job->req.kind == JOB_CLEAN && watch_rebooted(ws))
		job_queue(ws, &up, NULL);
	job_finish(ws, job, 0, &e);
}

/* --- between the jobs and the pool --- */

static int task_begin(struct task *t, struct worker_order *o, struct err *e)
{
	struct workspace *ws = t->ctx;
	struct job *job = ws->jobs;

	if (!job->began)
		job->began = clk_now_us();
	if (job->req.kind == JOB_ATTACH)
		return operate_nic_begin(ws, job, o, e);
	if (job->req.kind == JOB_UP && !job->undo)
		return begin_up(ws, job, o, e);
	begin_down(ws, job, o);
	return 0;
}

static void task_refused(struct task *t, const struct err *e)
{
	struct workspace *ws = t->ctx;
	struct job *job = ws->jobs;
	struct err why = *e;

	job->returning = false;
	if (job->req.kind == JOB_ATTACH)
		/* It may be inside from an attach before, which was killed: the lease stays, and is looked at again. */
		operate_nic_failed(ws, job, false, &why);
	else if (job->req.kind != JOB_UP || job->undo)
		down_failed(ws, job, &why);
	else if (!job_unsettled(ws))
		job_finish(ws, job, -why.code, &why); /* refused before anything was recorded */
	else
		undo(ws, job, &why);
}

static void task_step(struct task *t, const struct work_step *s)
{
	struct workspace *ws = t->ctx;
	struct job *job = ws->jobs;

	if (job->req.kind == JOB_UP && !job->returning)
		str_copy(ws->rec.step, sizeof(ws->rec.step), s->step);
	if (!s->done || job->undo)
		return;
	for (struct waiter *w = job->waiters; w; w = job->cursor) {
		job->cursor = w->next;
		if (w->progress)
			w->progress(w, s->step, s->detail, s->us, (int)s->up);
	}
}

static void task_end(struct task *t, struct worker_result *res)
{
	struct workspace *ws = t->ctx;
	struct job *job = ws->jobs;

	if (job->req.kind == JOB_ATTACH)
		operate_nic_end(ws, job, res);
	else if (job->returning)
		end_return(ws, job, res);
	else if (job->req.kind == JOB_UP && !job->undo)
		end_up(ws, job, res);
	else
		end_down(ws, job, res);
}

void operate_task(struct workspace *ws, struct task *t)
{
	*t = (struct task){
		.ctx = ws,
		.begin = task_begin,
		.refused = task_refused,
		.step = task_step,
		.end = task_end,
	};
}
