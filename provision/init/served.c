/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See served.h.  Runs in PID 1, but for served_remove_work.  The queue is normally empty: one fork takes all of it. */
#include "served.h"

#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "job.h"
#include "listen.h"
#include "private_dir.h"

#define REMOVE_LIMIT_MS 10000
#define RETRY_MS        500 /* after a fork that failed, or with no row left for a job */

bool served_kind(const struct init_address *ad)
{
	return ad->kind != INIT_TCP;
}

/* job_work, as the workspace's root: the owner of each file removes it. */
static int remove_work(struct job_helper *h, int *fd, struct err *e)
{
	const struct agent *a = h->request;

	for (uint32_t i = 0; i < a->nunused; i++) {
		if (seteuid(a->unused[i].uid) < 0)
			continue;
		if (a->unused[i].ino)
			listen_remove(&a->unused[i]);
		else
			private_dir_remove(a->unused[i].path);
		if (seteuid(0) < 0)
			return err_sys(e, "remove files of connections");
	}
	return 0;
}

static void remove_unused(struct agent *a)
{
	struct job_start s = {
		.kind = JOB_REMOVE, .limit_ms = REMOVE_LIMIT_MS, .work = remove_work, .request = a
	};

	if (!a->nunused)
		return;
	a->unused_at = agent_now() + RETRY_MS;
	/* The helper has a copy of the queue. */
	if (job_start(a, NULL, &s, NULL))
		a->nunused = 0;
}

/* More than fit are only left when forking fails for long; they are small. */
static void not_used(struct agent *a, const struct private_file *file)
{
	if (file->path[0] && a->nunused < AGENT_UNUSED)
		a->unused[a->nunused++] = *file;
}

static struct served *find(struct conn *c, uint32_t id)
{
	for (size_t i = 0; i < CONN_SERVED; i++)
		if (c->served[i].used && c->served[i].id == id)
			return &c->served[i];
	return NULL;
}

static uint32_t most_of(uint32_t kind)
{
	switch (kind) {
	case INIT_AGENT:
		return INIT_AGENTS;
	case INIT_X11:
		return INIT_DISPLAYS;
	default:
		return CONN_SERVED - INIT_AGENTS - INIT_DISPLAYS;
	}
}

struct served *served_new(struct conn *c, const struct init_address *ad)
{
	uint32_t n = 0, most = most_of(ad->kind);
	struct served *v = NULL;

	if (find(c, ad->id))
		return NULL;
	for (size_t i = 0; i < CONN_SERVED; i++) {
		if (!c->served[i].used)
			v = &c->served[i];
		else
			n += c->served[i].kind == ad->kind;
	}
	if (n >= most || !v)
		return NULL;
	*v = (struct served){ .used = true, .id = ad->id, .kind = ad->kind };
	return v;
}

void served_listening(struct agent *a, struct conn *c, uint32_t id, const struct private_file *file)
{
	struct served *v = c ? find(c, id) : NULL;

	if (v) {
		v->file = *file;
		return;
	}
	not_used(a, file);
	remove_unused(a);
}

void served_failed(struct conn *c, uint32_t id)
{
	struct served *v = find(c, id);

	if (v)
		v->used = false;
}

void served_release(struct conn *c, uint32_t id)
{
	struct served *v = find(c, id);

	if (!v)
		return;
	v->used = false;
	not_used(c->agent, &v->file);
	remove_unused(c->agent);
}

void served_leave(struct conn *c)
{
	for (size_t i = 0; i < CONN_SERVED; i++) {
		if (c->served[i].used)
			not_used(c->agent, &c->served[i].file);
		c->served[i].used = false;
	}
	remove_unused(c->agent);
}

uint64_t served_retry(struct agent *a, uint64_t now)
{
	if (a->nunused && a->unused_at <= now)
		remove_unused(a);
	return a->nunused ? a->unused_at : UINT64_MAX;
}
