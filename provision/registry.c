/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry itself: the list of workspaces by name, the directories and the pool it works with, its start, reload
 * and end.  provisiond's main process.
 */
#include "registry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "jobs.h"
#include "net.h"
#include "reconcile.h"
#include "reconcile_bridge.h"
#include "reconcile_gpu.h"
#include "recover.h"
#include "watch.h"

/* --- the list --- */

unsigned int registry_position(const struct registry *r, const char *name, bool *found)
{
	unsigned int low = 0, high = r->nlist;

	*found = false;
	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		int order = strcmp(name, r->list[mid]->name);

		if (!order) {
			*found = true;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static bool grow(struct registry *r)
{
	unsigned int cap = r->cap ? 2 * r->cap : 64;
	struct workspace **list = reallocarray(r->list, cap, sizeof(*list));

	if (!list)
		return false;
	r->list = list;
	r->cap = cap;
	return true;
}

struct workspace *registry_get(struct registry *r, const char *name)
{
	struct workspace *ws;
	unsigned int at;
	bool found;

	at = registry_position(r, name, &found);
	if (found)
		return r->list[at];
	if (r->nlist == r->cap && !grow(r))
		return NULL;
	ws = calloc(1, sizeof(*ws));
	if (!ws)
		return NULL;
	ws->registry = r;
	ws->pidfd = -1;
	str_copy(ws->name, sizeof(ws->name), name);
	str_copy(ws->rec.name, sizeof(ws->rec.name), name);
	for (unsigned int i = r->nlist++; i > at; i--)
		r->list[i] = r->list[i - 1];
	r->list[at] = ws;
	return ws;
}

int registry_reserve_ids(struct registry *r, uint64_t id_base)
{
	uint64_t *more = reallocarray(r->reserved, r->nreserved + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	r->reserved = more;
	r->reserved[r->nreserved++] = id_base;
	return 0;
}

/* --- hosts --- */

static int write_hosts(sd_event_source *s, void *ctx)
{
	struct registry *r = ctx;
	const struct record **records = calloc(r->nlist + 1, sizeof(const struct record *));
	struct err e = { 0 };
	unsigned int n = 0;

	if (!records)
		return 0;
	for (unsigned int i = 0; i < r->nlist; i++)
		if (r->list[i]->has_record && r->list[i]->rec.control_ip.family)
			records[n++] = &r->list[i]->rec;
	if (net_hosts_rewrite(r->settings, records, n, &e))
		log_warn("%s", e.text);
	free(records);
	return 0;
}

void registry_hosts_dirty(struct registry *r)
{
	if (r->hosts)
		sd_event_source_set_enabled(r->hosts, SD_EVENT_ONESHOT);
}

/* --- life of the registry --- */

static int open_state_dir(const char *parent, const char *name, int *fd, struct err *e)
{
	char path[PATH_MAX];
	int ret;

	if (str_format(path, sizeof(path), "%s/%s", parent, name))
		return err_set(e, ENAMETOOLONG, "open '%s/%s': name too long", parent, name);
	ret = path_mkdirs(path, 0700, e);
	if (ret)
		return ret;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? err_sys(e, "open '%s'", path) : 0;
}

static int open_dirs(struct registry *r, struct err *e)
{
	auto_fd int rundir = -1;
	int ret = open_state_dir(r->settings->storage.state, "records", &r->recordsfd, e);

	if (!ret)
		ret = open_state_dir(r->settings->storage.state, "workspaces", &r->storefd, e);
	if (!ret)
		ret = open_state_dir(r->settings->storage.run, "ws", &rundir, e);
	return ret;
}

static int mark_configured(struct registry *r, struct err *e)
{
	const struct settings *s = r->settings;

	for (unsigned int i = 0; i < r->nlist; i++)
		r->list[i]->configured = false;
	for (uint32_t i = 0; i < s->nworkspaces; i++) {
		struct workspace *ws = registry_get(r, s->workspaces[i].name);

		if (!ws)
			return err_set(e, ENOMEM, "list workspace '%s': out of memory",
				       s->workspaces[i].name);
		ws->configured = true;
	}
	return 0;
}

static int set_up(struct registry *r, struct err *e)
{
	int ret = proc_boot_id(r->boot_id, e);

	if (!ret)
		ret = open_dirs(r, e);
	if (!ret)
		ret = worker_pool_new(r->loop, r->settings->limits.workers, &r->pool, e);
	if (ret)
		return ret;
	worker_pool_orphans(r->pool, watch_reaped, r);
	ret = sd_event_add_defer(r->loop, &r->hosts, write_hosts, r);
	if (ret < 0)
		return err_ret(e, ret, "plan writing of '%s/hosts'", r->settings->storage.run);
	ret = recover_load(r, e);
	return ret ? ret : mark_configured(r, e);
}

int registry_new(sd_event *loop, struct settings *settings, struct registry **out, struct err *e)
{
	struct registry *r = calloc(1, sizeof(*r));
	int ret;

	*out = NULL;
	if (!r)
		return err_set(e, ENOMEM, "make registry: out of memory");
	r->loop = loop;
	r->settings = settings;
	r->recordsfd = r->storefd = -1;
	r->files = (struct registry_files){ -1, -1, { -1, -1 } };
	ret = set_up(r, e);
	if (ret) {
		registry_free(r);
		return ret;
	}
	*out = r;
	return 0;
}

void registry_start(struct registry *r, const struct registry_files *files)
{
	static int (*const starts[])(struct registry * r,
				     struct err * e) = { reconcile_start, reconcile_bridge_start,
							 reconcile_gpu_start };
	struct err e = { 0 };

	r->files = *files;
	for (unsigned int i = 0; i < 2; i++)
		if (files->locks[i] >= 0)
			worker_pool_keep(r->pool, files->locks[i]);
	recover_run(r);
	/* Without one of them the others are of use. */
	for (unsigned int i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (starts[i](r, &e))
			log_error("%s", e.text);
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	reconcile_stop(r);
	worker_pool_free(r->pool);
	reconcile_bridge_stop(r);
	reconcile_gpu_stop(r);
	for (unsigned int i = 0; i < r->nlist; i++) {
		struct workspace *ws = r->list[i];

		watch_stop(ws);
		job_free_all(ws);
		free(ws);
	}
	recover_free(r);
	sd_event_source_disable_unref(r->hosts);
	fd_close(&r->recordsfd);
	fd_close(&r->storefd);
	free(r->list);
	free(r->reserved);
	free(r);
}

void registry_set_settings(struct registry *r, struct settings *settings)
{
	struct err e = { 0 };

	r->settings = settings;
	if (mark_configured(r, &e))
		log_error("%s", e.text);
	worker_pool_limit(r->pool, settings->limits.workers);
	registry_hosts_dirty(r);
}

const struct settings *registry_settings(const struct registry *r)
{
	return r->settings;
}

void registry_on_notice(struct registry *r, registry_notice_fn fn, void *ctx)
{
	r->notice = fn;
	r->notice_ctx = ctx;
}

void registry_drain(struct registry *r)
{
	worker_pool_limit(r->pool, 0);
}

unsigned int registry_busy(const struct registry *r)
{
	return worker_pool_running(r->pool);
}

static int begin_host(struct task *t, struct worker_order *o, struct err *e)
{
	const struct registry *r = t->ctx;

	o->kind = WORKER_HOST;
	o->settings = r->settings;
	return 0;
}

static void refused_host(struct task *t, const struct err *e)
{
	struct registry *r = t->ctx;

	r->host_busy = false;
	log_error("%s", e->text);
	reconcile_bridge_again(r);
}

static void end_host(struct task *t, struct worker_result *res)
{
	struct registry *r = t->ctx;

	r->host_busy = false;
	if (res->err.code) {
		log_error("%s", res->err.text);
		reconcile_bridge_again(r);
	}
	if (r->host_again)
		registry_refresh_host(r);
}

void registry_refresh_host(struct registry *r)
{
	r->host_again = r->host_busy;
	if (r->host_busy)
		return;
	r->host_busy = true;
	r->host = (struct task){
		.ctx = r, .begin = begin_host, .refused = refused_host, .end = end_host
	};
	worker_submit(r->pool, &r->host, true);
}
