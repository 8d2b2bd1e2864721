/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others may ask of the registry: the way from a login to a workspace, questions about one, operations and their
 * waiters.  provisiond's main process.  Jobs are jobs.c's, allocation is allocate.c's, start-up is recover.c's.
 */
#include "registry.h"

#include <string.h>

#include "base/fd.h"
#include "jobs.h"
#include "ns.h"
#include "proto/init.h"

/* --- questions --- */

static bool listed(const struct workspace *ws)
{
	return ws->has_record || ws->configured || ws->damaged || ws->jobs;
}

struct workspace *workspace_find(struct registry *r, const char *name)
{
	unsigned int at;
	bool found;

	at = registry_position(r, name, &found);
	return found && listed(r->list[at]) ? r->list[at] : NULL;
}

struct workspace *workspace_find_ip(struct registry *r, const struct ip *ip)
{
	const struct spec *spec;

	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *ws = r->list[i];

		if (ws->has_record &&
		    (ip_equal(&ws->rec.control_ip, ip) || ip_equal(&ws->rec.control_ip6, ip)))
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
	return record_state_text(ws->jobs && ws->jobs->req.kind == JOB_UP ? RECORD_CREATING
									  : RECORD_ABSENT);
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
		at = registry_position(r, after->name, &found);
		at += found;
	}
	while (at < r->nlist && !listed(r->list[at]))
		at++;
	return at < r->nlist ? r->list[at] : NULL;
}

void workspace_spec(struct registry *r, const struct workspace *ws, struct spec *out)
{
	settings_spec(r->settings, ws->name, out);
	if (!out->data_ip.addr.family && ws->has_record)
		out->data_ip = ws->rec.data_ip;
}

uint64_t workspace_leased_gpu(const struct workspace *ws)
{
	return ws->leased_gpu;
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

static int blame(struct workspace_choice *c, const char *section, const char *key, int ret)
{
	c->section = section;
	c->key = key;
	return ret;
}

static int by_address(struct registry *r, const char *wanted, const struct ip *dialled,
		      struct workspace_choice *c, struct err *e)
{
	struct workspace *ws = workspace_find_ip(r, dialled);
	char text[IP_TEXT_MAX];

	c->rule = WORKSPACE_BY_ADDRESS;
	if (ws && (!wanted || !wanted[0] || strcmp(wanted, ws->name) == 0))
		return str_copy(c->name, STR_NAME_MAX, ws->name);
	return blame(c, "network", "control_cidr",
		     err_set(e, ENOENT,
			     "find workspace%s%s%s at '%s': no %sworkspace has this address "
			     "(sshbay list)",
			     ws ? " '" : "", ws ? wanted : "", ws ? "'" : "",
			     ip_text(dialled, text, sizeof(text)), ws ? "such " : ""));
}

static int choose_name(struct registry *r, const char *user, const char *wanted,
		       struct workspace_choice *c, struct err *e)
{
	const struct settings *s = r->settings;
	const char *only;

	c->rule = WORKSPACE_BY_NAME;
	if (wanted && wanted[0])
		return str_copy(c->name, STR_NAME_MAX, wanted);
	c->rule = WORKSPACE_BY_DEFAULT;
	if (s->gate.create_on_login || known(r, user))
		return str_copy(c->name, STR_NAME_MAX, user);
	c->rule = WORKSPACE_BY_ONLY;
	only = only_workspace_of(s, user);
	if (only)
		return str_copy(c->name, STR_NAME_MAX, only);
	return blame(
		c, "gate", "create",
		err_set(e, EACCES,
			"find workspace for '%s': none is configured (gate.create = configured)",
			user));
}

static bool in_pool(const struct settings *s, const struct ip *ip)
{
	return ip && ip->family &&
	       (ip_in_net(ip, &s->network.control_cidr) ||
		ip_in_net(ip, &s->network.control_cidr6));
}

int workspace_decide(struct registry *r, const char *user, const char *wanted,
		     const struct ip *dialled, struct workspace_choice *out, struct err *e)
{
	char shown[128];
	struct spec spec;
	int ret;

	*out = (struct workspace_choice){ 0 };
	if (!str_is_name(user, strlen(user)))
		return err_set(e, EINVAL, "find workspace for '%s': not a user name",
			       str_vis(user, strnlen(user, 64), shown, sizeof(shown)));
	if (wanted && wanted[0] && !str_is_name(wanted, strlen(wanted)))
		return err_set(e, EINVAL, "find workspace '%s': not a workspace name",
			       str_vis(wanted, strnlen(wanted, 64), shown, sizeof(shown)));
	ret = in_pool(r->settings, dialled) ? by_address(r, wanted, dialled, out, e)
					    : choose_name(r, user, wanted, out, e);
	if (ret)
		return ret;
	settings_spec(r->settings, out->name, &spec);
	if (!settings_may_enter(&spec, user))
		blame(out, "workspace", "users", 0);
	else if (!r->settings->gate.create_on_login && !known(r, out->name))
		blame(out, "gate", "create", 0);
	else
		return 0;
	/* One text for "no such" and "not yours": it must not tell which names exist. */
	return err_set(e, EACCES,
		       "enter workspace '%s': no such workspace, or '%s' is not among its users",
		       out->name, user);
}

int workspace_choose(struct registry *r, const char *user, const char *wanted,
		     const struct ip *dialled, char name[STR_NAME_MAX], struct err *e)
{
	struct workspace_choice c;
	int ret = workspace_decide(r, user, wanted, dialled, &c, e);

	return ret ? ret : str_copy(name, STR_NAME_MAX, c.name);
}

int workspace_connect(struct registry *r, struct workspace *ws, const char *user, struct err *e)
{
	struct init_bind bind = { 0 };
	auto_fd int fd = -1;
	struct spec spec;
	int ret;

	if (!ws->has_record || ws->rec.state != RECORD_RUNNING || ws->dead)
		return err_set(e, ENOTCONN, "attach to '%s': it is %s", ws->name,
			       ws->dead ? "stopping" : workspace_state(ws));
	if (str_copy(bind.user, sizeof(bind.user), user))
		return err_set(e, ENAMETOOLONG, "attach to '%s': name too long", ws->name);
	workspace_spec(r, ws, &spec);
	bind.sudo = spec.root;
	fd = ns_connect(r->settings, ws->name, e);
	if (fd == -EAGAIN)
		return err_set(e, EAGAIN, "attach to '%s': the workspace does not answer",
			       ws->name);
	if (fd < 0)
		return err_wrap(e, "attach to '%s'", ws->name);
	ret = msg_send(fd, &init_proto, INIT_BIND, &bind, e);
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
	const struct job_request up = { .kind = JOB_UP };
	struct workspace *ws = get_or_fail(r, name, w);

	if (ws)
		job_queue(ws, &up, w);
}

void workspace_operate(struct registry *r, const char *name, const struct workspace_request *req,
		       struct waiter *w)
{
	static const struct job_request jobs[] = {
		[WORKSPACE_CREATE] = { .kind = JOB_UP, .want = WANT_ABSENT },
		[WORKSPACE_START] = { .kind = JOB_UP, .want = WANT_PRESENT },
		[WORKSPACE_STOP] = { .kind = JOB_STOP },
		[WORKSPACE_DESTROY] = { .kind = JOB_DESTROY },
		[WORKSPACE_ATTACH] = { .kind = JOB_ATTACH },
	};
	struct workspace *ws = get_or_fail(r, name, w);
	struct job_request job = jobs[req->op];

	job.purge = req->op == WORKSPACE_DESTROY && req->purge;
	job.timeout_s = req->timeout_s;
	if (ws)
		job_queue(ws, &job, w);
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
