/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two checks around a lease, and what follows from them. Runs in workers (gpu_lease_changed anywhere). */
#include "gpu_lease.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "given_enter.h"
#include "gpu.h"
#include "gpu_cdi.h"
#include "gpu_give.h"
#include "quarantine.h"

#define GONE_MS   2000 /* for the last process to let go */
#define DIRTY_MAX 64   /* looked at in one turn */

static void note_remove(const char *dir)
{
	gpu_note_remove(dir);
	given_enter_clean(dir);
	/* Other steps' notes may be there still. */
	(void)rmdir(dir);
}

int gpu_lease_up(struct plan *p, struct err *e)
{
	struct gpu_note n;
	int r;

	if (!p->rec->gpus[0]) {
		note_remove(p->dir);
		return 0;
	}
	r = gpu_give(p, &n, e);
	if (r < 0)
		return err_wrap(e, "start '%s'", p->rec->name);
	if (gpu_busy_wait(&n.own, 0)) {
		/* Not this workspace's doing: its undo is not to blame the GPU on it. */
		note_remove(p->dir);
		return err_set(e, EBUSY,
			       "start '%s': GPU '%.80s' is in use on the host by pid %d (%s)",
			       p->rec->name, p->rec->gpus, (int)n.own.pid, n.own.cmd);
	}
	r = path_mkdirs(p->dir, 0700, e);
	return r < 0 ? r : gpu_note_save(p->dir, &n, e);
}

/* The nodes of one GPU of the lease; of one that cannot be told apart, all. */
static void nodes_of(const struct settings *s, const char *id, const struct gpu_note *n,
		     struct gpu_busy *own)
{
	auto_free struct gpu_list *list = calloc(1, sizeof(*list));
	const struct gpu *g = list && gpu_scan(s, list, NULL) == 0 ? gpu_find(list, id) : NULL;

	memset(own, 0, sizeof(*own));
	if (g)
		gpu_busy_add(own, g);
	if (!own->n)
		*own = n->own;
}

static int put_one_aside(const struct plan *p, const char *id, const struct gpu_busy *own,
			 struct err *e)
{
	struct quarantine q = { .kind = "gpu", .since = clk_wall_s() };
	struct gpu_note left = { .own = *own };
	char text[GPU_NOTE_TEXT_MAX];
	int r;

	(void)str_copy(left.ids, sizeof(left.ids), id);
	gpu_note_print(&left, text, sizeof(text));
	(void)str_copy(q.id, sizeof(q.id), id);
	(void)str_copy(q.owner, sizeof(q.owner), p->rec->name);
	(void)str_format(q.reason, sizeof(q.reason), GPU_LEASE_DIRTY ": held by pid %d (%s)",
			 (int)own->pid, own->cmd);
	r = quarantine_add(p->settings->storage.state, &q, text, e);
	if (r == 0)
		log_warn("workspace '%s': GPU '%s' is in quarantine, %s (it leaves when that ends)",
			 p->rec->name, q.id, q.reason);
	return r;
}

static int put_aside(const struct plan *p, const struct gpu_note *n, struct err *e)
{
	struct gpu_busy own;
	char id[80];
	int r = 0;

	for (const char *at = n->ids; *at && r == 0; at += strcspn(at, ","), at += *at == ',') {
		(void)str_format(id, sizeof(id), "%.*s", (int)strcspn(at, ","), at);
		nodes_of(p->settings, id, n, &own);
		if (gpu_busy_find(&own))
			r = put_one_aside(p, id, &own, e);
	}
	return r;
}

int gpu_lease_down(struct plan *p, struct err *e)
{
	struct gpu_note n;
	int r = gpu_note_load(p->dir, &n, e);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && gpu_busy_wait(&n.own, GONE_MS))
		r = put_aside(p, &n, e);
	if (r < 0 && r != -ENOENT)
		return r;
	note_remove(p->dir);
	return 0;
}

static void device_changed(const struct settings *s, const struct gpu_note *n, char *buf,
			   size_t size)
{
	const struct cdi_device *dev;
	const struct cdi_spec *spec;
	struct cdi_list cdi;
	struct err ignored;

	if (!n->ncdi)
		return;
	cdi_load(s->hardware.cdi, &cdi);
	for (unsigned int i = 0; i < n->ncdi && !buf[0]; i++) {
		const char *name = n->cdi[i].name;
		bool there = cdi_find(&cdi, name, &spec, &dev, &ignored) == 0;

		if (!there || gpu_cdi_digest(spec, dev) != n->cdi[i].digest)
			(void)str_format(buf, size,
					 "CDI device %.70s is %s since this workspace started "
					 "(restart it)",
					 name, there ? "another" : "gone");
	}
	cdi_free(&cdi);
}

void gpu_lease_changed(const struct settings *s, const char *name, char *buf, size_t size)
{
	char dir[PATH_MAX], now[32];
	struct err ignored;
	struct gpu_note n;

	buf[0] = '\0';
	if (str_format(dir, sizeof(dir), "%s/ws/%s", s->storage.run, name) < 0 ||
	    gpu_note_load(dir, &n, &ignored) < 0)
		return;
	gpu_driver(s, now, sizeof(now));
	if (n.driver[0] && now[0] && strcmp(now, n.driver) != 0)
		(void)str_format(buf, size,
				 "the host's NVIDIA driver is %s now, the files inside are of %s "
				 "(restart the workspace)",
				 now, n.driver);
	else
		device_changed(s, &n, buf, size);
}

/* --- out of quarantine --- */

/* What it had of nodes when it came in, and what it has now: after a reload of the driver these may differ. */
static int nodes_now(const struct settings *s, const char *id, struct gpu_busy *own, struct err *e)
{
	auto_free struct gpu_list *list = calloc(1, sizeof(*list));
	char text[GPU_NOTE_TEXT_MAX];
	struct gpu_note n = { .ids = "" };
	struct err ignored;
	const struct gpu *g;
	int r;

	if (!list)
		return err_set(e, ENOMEM, "recover GPU '%s': out of memory", id);
	if (quarantine_note(s->storage.state, "gpu", id, text, sizeof(text), &ignored) == 0)
		gpu_note_parse(text, &n);
	*own = n.own;
	r = gpu_scan(s, list, e);
	if (r < 0)
		return r;
	g = gpu_find(list, id);
	if (!g && strncmp(id, "cdi:", 4) != 0)
		return err_set(e, ENODEV, "recover GPU '%s': it is not on this host now", id);
	if (g)
		gpu_busy_add(own, g);
	return 0;
}

static int recover(const struct settings *s, const char *id, unsigned int wait_ms, struct err *e)
{
	struct gpu_busy own;
	int r = nodes_now(s, id, &own, e);

	if (r < 0)
		return r;
	if (gpu_busy_wait(&own, wait_ms))
		return err_set(e, EBUSY, "recover GPU '%s': still held by pid %d (%s)", id,
			       (int)own.pid, own.cmd);
	return quarantine_remove(s->storage.state, "gpu", id, e);
}

int gpu_lease_recover(const struct settings *s, const char *id, struct err *e)
{
	struct quarantine q;
	int r = quarantine_get(s->storage.state, "gpu", id, &q, e);

	if (r == -ENOENT)
		return err_set(e, ENOENT, "recover GPU '%s': it is not in quarantine", id);
	return r < 0 ? r : recover(s, id, GONE_MS, e);
}

struct dirty {
	unsigned int n;
	char id[DIRTY_MAX][80];
};

static void add_dirty(void *ctx, const struct quarantine *q)
{
	struct dirty *d = ctx;

	if (d->n < DIRTY_MAX && !strncmp(q->reason, GPU_LEASE_DIRTY, strlen(GPU_LEASE_DIRTY)))
		(void)str_copy(d->id[d->n++], sizeof(d->id[0]), q->id);
}

int gpu_lease_recover_dirty(const struct settings *s, struct err *e)
{
	struct dirty d = { .n = 0 };
	int r = quarantine_each(s->storage.state, "gpu", add_dirty, &d, e);

	for (unsigned int i = 0; i < d.n && r == 0; i++) {
		r = recover(s, d.id[i], 0, e);
		if (r == -EBUSY || r == -ENODEV)
			r = 0;
	}
	return r;
}
