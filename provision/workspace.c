/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry of workspaces: the list by name, the way from a login to a workspace, and what others may ask about
 * one.  provisiond's main process.  Jobs are operate.c's, allocation is allocate.c's, start-up is recover.c's.
 */
#include "registry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "net.h"
#include "ns.h"
#include "operate.h"
#include "proto/init.h"
#include "recover.h"
#include "watch.h"

/* --- the list --- */

/* Index of `name`, or of the place where it belongs (*found tells). */
static unsigned int position(const struct registry *r, const char *name, bool *found)
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

	at = position(r, name, &found);
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
	memmove(r->list + at + 1, r->list + at, (r->nlist - at) * sizeof(r->list[0]));
	r->list[at] = ws;
	r->nlist++;
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
			return err_set(e, ENOMEM, "list workspace '%s': out of memory", s->workspaces[i].name);
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
	r->files = *files;
	for (unsigned int i = 0; i < 2; i++)
		if (files->locks[i] >= 0)
			worker_pool_keep(r->pool, files->locks[i]);
	recover_run(r);
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	worker_pool_free(r->pool);
	for (unsigned int i = 0; i < r->nlist; i++) {
		struct workspace *ws = r->list[i];

		watch_stop(ws);
		while (ws->jobs) {
			struct job *job = ws->jobs;

			ws->jobs = job->next;
			free(job);
		}
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
}

static void end_host(struct task *t, struct worker_result *res)
{
	struct registry *r = t->ctx;

	r->host_busy = false;
	if (res->err.code)
		log_error("%s", res->err.text);
	if (r->host_again)
		registry_refresh_host(r);
}

void registry_refresh_host(struct registry *r)
{
	r->host_again = r->host_busy;
	if (r->host_busy)
		return;
	r->host_busy = true;
	r->host = (struct task){ .ctx = r, .begin = begin_host, .refused = refused_host, .end = end_host };
	worker_submit(r->pool, &r->host, true);
}

/* --- questions --- */

static bool listed(const struct workspace *ws)
{
	return ws->has_record || ws->configured || ws->damaged || ws->jobs;
}

struct workspace *workspace_find(struct registry *r, const char *name)
{
	unsigned int at;
	bool found;

	at = position(r, name, &found);
	return found && listed(r->list[at]) ? r->list[at] : NULL;
}

struct workspace *workspace_find_ip(struct registry *r, const struct ip *ip)
{
	const struct spec *spec;

	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *ws = r->list[i];

		if (ws->has_record && (ip_equal(&ws->rec.control_ip, ip) || ip_equal(&ws->rec.control_ip6, ip)))
			return r->list[i];
	}
	spec = settings_find_ip(r->settings, ip);
	return spec ? workspace_find(r, spec->name) : NULL;
}

const struct record *workspace_record(const struct workspace *ws)
{
	return &ws->rec;
}

bool workspace_exists(const struct workspace *ws)
{
	return ws->has_record;
}

const char *workspace_name(const struct workspace *ws)
{
	return ws->name;
}

const char *workspace_state(const struct workspace *ws)
{
	if (ws->damaged)
		return "damaged";
	if (ws->has_record)
		return record_state_text(ws->rec.state);
	return record_state_text(ws->jobs && ws->jobs->kind == JOB_UP ? RECORD_CREATING : RECORD_ABSENT);
}

uint64_t workspace_leased(const struct workspace *ws)
{
	return ws->leased;
}

struct workspace *workspace_next(struct registry *r, struct workspace *after)
{
	unsigned int at = 0;
	bool found;

	if (after) {
		at = position(r, after->name, &found);
		at += found;
	}
	while (at < r->nlist && !listed(r->list[at]))
		at++;
	return at < r->nlist ? r->list[at] : NULL;
}

void workspace_spec(struct registry *r, const struct workspace *ws, struct spec *out)
{
	settings_spec(r->settings, ws->name, out);
}

unsigned int workspace_sessions(const struct workspace *ws)
{
	return ws->sessions;
}

void workspace_count_session(struct workspace *ws, int delta)
{
	if (delta < 0 && ws->sessions < (unsigned int)-delta)
		ws->sessions = 0;
	else
		ws->sessions += (unsigned int)delta;
}

/* --- the way from a login to a workspace --- */

static bool known(struct registry *r, const char *name)
{
	return workspace_find(r, name) != NULL;
}

/* The one configured workspace that lists the user, or NULL. */
static const char *only_workspace_of(const struct settings *s, const char *user)
{
	const char *only = NULL;

	for (uint32_t i = 0; i < s->nworkspaces; i++) {
		if (!settings_may_enter(&s->workspaces[i], user))
			continue;
		if (only)
			return NULL;
		only = s->workspaces[i].name;
	}
	return only;
}

static int choose_name(struct registry *r, const char *user, const char *wanted, const struct ip *dialled,
		       char name[STR_NAME_MAX], struct err *e)
{
	const struct settings *s = r->settings;
	const char *only;

	if (dialled && (ip_in_net(dialled, &s->network.control_cidr) || ip_in_net(dialled, &s->network.control_cidr6))) {
		struct workspace *ws = workspace_find_ip(r, dialled);
		char text[IP_TEXT_MAX];

		if (!ws || (wanted && wanted[0] && strcmp(wanted, ws->name)))
			return err_set(e, ENOENT, "find workspace%s%s%s at '%s': no %sworkspace has this address (sshbay list)",
				       ws ? " '" : "", ws ? wanted : "", ws ? "'" : "",
				       ip_text(dialled, text, sizeof(text)), ws ? "such " : "");
		return str_copy(name, STR_NAME_MAX, ws->name);
	}
	if (wanted && wanted[0])
		return str_copy(name, STR_NAME_MAX, wanted);
	if (!s->gate.create_on_login && !known(r, user)) {
		only = only_workspace_of(s, user);
		if (!only)
			return err_set(e, EACCES, "find workspace for '%s': none is configured (gate.create = configured)",
				       user);
		return str_copy(name, STR_NAME_MAX, only);
	}
	return str_copy(name, STR_NAME_MAX, user);
}

int workspace_choose(struct registry *r, const char *user, const char *wanted, const struct ip *dialled,
		     char name[STR_NAME_MAX], struct err *e)
{
	char shown[128];
	struct spec spec;
	int ret;

	if (!str_is_name(user, strlen(user)))
		return err_set(e, EINVAL, "find workspace for '%s': not a user name",
			       str_vis(user, strnlen(user, 64), shown, sizeof(shown)));
	if (wanted && wanted[0] && !str_is_name(wanted, strlen(wanted)))
		return err_set(e, EINVAL, "find workspace '%s': not a workspace name",
			       str_vis(wanted, strnlen(wanted, 64), shown, sizeof(shown)));
	if (dialled && !dialled->family)
		dialled = NULL;
	ret = choose_name(r, user, wanted, dialled, name, e);
	if (ret)
		return ret;
	settings_spec(r->settings, name, &spec);
	/* One text for "no such" and "not yours": it must not tell which names exist. */
	if (!settings_may_enter(&spec, user) || (!r->settings->gate.create_on_login && !known(r, name)))
		return err_set(e, EACCES, "enter workspace '%s': no such workspace, or '%s' is not among its users", name,
			       user);
	return 0;
}

int workspace_connect(struct registry *r, struct workspace *ws, const char *user, struct err *e)
{
	struct init_bind bind = { 0 };
	auto_fd int fd = -1;
	struct spec spec;
	int ret;

	if (!ws->has_record || ws->rec.state != RECORD_RUNNING || ws->dead)
		return err_set(e, ENOTCONN, "attach to '%s': it is %s", ws->name, ws->dead ? "stopping" : workspace_state(ws));
	if (str_copy(bind.user, sizeof(bind.user), user))
		return err_set(e, ENAMETOOLONG, "attach to '%s': name too long", ws->name);
	workspace_spec(r, ws, &spec);
	bind.sudo = spec.root;
	fd = ns_connect(r->settings, ws->name, e);
	if (fd == -EAGAIN)
		return err_set(e, EAGAIN, "attach to '%s': the workspace does not answer", ws->name);
	if (fd < 0)
		return err_wrap(e, "attach to '%s'", ws->name);
	ret = msg_send(fd, &init_proto, INIT_BIND, &bind, NULL, 0, e);
	if (ret)
		return err_wrap(e, "attach to '%s'", ws->name);
	return fd_take(&fd);
}

/* --- operations --- */

static struct workspace *get_or_fail(struct registry *r, const char *name, struct waiter *w)
{
	struct workspace *ws = str_is_name(name, strlen(name)) ? registry_get(r, name) : NULL;
	struct err e = { 0 };

	if (w) {
		w->next = NULL;
		w->ws = NULL;
	}
	if (!ws && w) {
		int ret = str_is_name(name, strlen(name))
			? err_set(&e, ENOMEM, "find workspace '%s': out of memory", name)
			: err_set(&e, EINVAL, "find workspace: not a workspace name");

		w->done(w, NULL, ret, &e);
	}
	return ws;
}

void workspace_run(struct registry *r, const char *name, struct waiter *w)
{
	struct workspace *ws = get_or_fail(r, name, w);

	if (ws)
		operate_queue(ws, JOB_UP, WANT_ANY, false, 0, w);
}

void workspace_operate(struct registry *r, const char *name, enum workspace_op op, int purge, unsigned int timeout_s,
		       struct waiter *w)
{
	struct workspace *ws = get_or_fail(r, name, w);

	if (!ws)
		return;
	switch (op) {
	case WORKSPACE_CREATE:
		operate_queue(ws, JOB_UP, WANT_ABSENT, false, 0, w);
		break;
	case WORKSPACE_START:
		operate_queue(ws, JOB_UP, WANT_PRESENT, false, 0, w);
		break;
	case WORKSPACE_STOP:
		operate_queue(ws, JOB_STOP, WANT_ANY, false, timeout_s, w);
		break;
	case WORKSPACE_DESTROY:
		operate_queue(ws, JOB_DESTROY, WANT_ANY, purge != 0, timeout_s, w);
		break;
	}
}

static bool unlink_waiter(struct job *job, struct waiter *w)
{
	for (struct waiter **pp = &job->waiters; *pp; pp = &(*pp)->next)
		if (*pp == w) {
			*pp = w->next;
			if (job->cursor == w)
				job->cursor = w->next;
			return true;
		}
	return false;
}

void waiter_cancel(struct waiter *w)
{
	struct workspace *ws = w->ws;

	w->ws = NULL;
	if (!ws || (ws->ending && unlink_waiter(ws->ending, w)))
		return;
	for (struct job *job = ws->jobs; job; job = job->next)
		if (unlink_waiter(job, w))
			return;
}
