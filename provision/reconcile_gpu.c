/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A timer, watches of directories, and one worker at a time. Only looks at files by itself; /proc is the worker's. */
#include "reconcile_gpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "audit.h"
#include "base/clk.h"
#include "base/log.h"
#include "gpu_lease.h"
#include "quarantine.h"

#define SECOND_US   1000000ULL
#define EVERY_S     60
#define WATCHES_MAX 8
#define DIRTY_MAX   64

struct watch {
	sd_event_source *source;
	char dir[PATH_MAX];
};

struct reconcile_gpu {
	struct registry *reg;
	sd_event_source *timer;
	unsigned int wait_s; /* until the next look */
	struct watch watches[WATCHES_MAX];
	bool busy; /* the worker runs */
	struct task task;
	unsigned int n; /* dirty ones when it began */
	char dirty[DIRTY_MAX][80];
};

static void audit_gpu(const char *event, const char *ws, const char *id, const char *reason)
{
	const struct audit_field fields[] = {
		AUDIT_TEXT("ws", ws),
		AUDIT_TEXT("kind", "gpu"),
		AUDIT_TEXT("object", id),
		AUDIT_TEXT("reason", reason),
	};

	audit_write(event, fields, 4);
}

static void look_in(struct reconcile_gpu *g, unsigned int seconds)
{
	if (g->wait_s <= seconds)
		return;
	g->wait_s = seconds;
	(void)sd_event_source_set_time(g->timer, clk_now_us() + seconds * SECOND_US);
}

/* --- dirty ones --- */

static int begin(struct task *t, struct worker_order *o, struct err *e)
{
	const struct reconcile_gpu *g = t->ctx;

	(void)e;
	o->kind = WORKER_GPU;
	o->settings = g->reg->settings;
	return 0;
}

static void refused(struct task *t, const struct err *e)
{
	struct reconcile_gpu *g = t->ctx;

	g->busy = false;
	log_warn("%s", e->text);
}

static void ended(struct task *t, struct worker_result *res)
{
	struct reconcile_gpu *g = t->ctx;
	struct quarantine q;

	g->busy = false;
	if (res->err.code)
		log_warn("%s", res->err.text);
	for (unsigned int i = 0; i < g->n; i++) {
		if (quarantine_get(g->reg->settings->storage.state, "gpu", g->dirty[i], &q, NULL) !=
		    -ENOENT)
			continue;
		log_note("GPU '%s': nobody holds it any more, it may be leased again", g->dirty[i]);
		audit_gpu("lease.recover", "", g->dirty[i], "nobody holds it any more");
	}
}

static void add_dirty(void *ctx, const struct quarantine *q)
{
	struct reconcile_gpu *g = ctx;

	if (g->n < DIRTY_MAX && !strncmp(q->reason, GPU_LEASE_DIRTY, strlen(GPU_LEASE_DIRTY)))
		(void)str_copy(g->dirty[g->n++], sizeof(g->dirty[0]), q->id);
}

/* Is there one? */
static bool look_at_dirty(struct reconcile_gpu *g)
{
	if (g->busy)
		return true;
	g->n = 0;
	(void)quarantine_each(g->reg->settings->storage.state, "gpu", add_dirty, g, NULL);
	if (!g->n)
		return false;
	g->busy = true;
	g->task = (struct task){ .ctx = g, .begin = begin, .refused = refused, .end = ended };
	worker_submit(g->reg->pool, &g->task, false);
	return true;
}

/* --- what the host has changed --- */

static void look_at_driver(struct workspace *ws)
{
	const struct registry *r = ws->registry;
	char text[sizeof(ws->gpu_changed)], line[sizeof(text) + 40];
	bool known;

	gpu_lease_changed(r->settings, ws->name, text, sizeof(text));
	known = !strcmp(text, ws->gpu_changed);
	if (known && (!text[0] || ws->gpu_told))
		return;
	(void)str_copy(ws->gpu_changed, sizeof(ws->gpu_changed), text);
	ws->gpu_told = false;
	if (!text[0])
		return;
	if (!known) {
		log_note("workspace '%s': %s", ws->name, text);
		audit_gpu("gpu.changed", ws->name, ws->rec.gpus, text);
	}
	(void)str_format(line, sizeof(line), "sshbay: workspace '%s': %s", ws->name, text);
	/* Who logs in later reads it then; nobody there at all is no reason to forget it. */
	ws->gpu_told = r->notice && r->notice(r->notice_ctx, ws, line) > 0;
}

static void look_at_drivers(struct registry *r)
{
	for (unsigned int i = 0; i < r->nlist; i++) {
		struct workspace *ws = r->list[i];

		if (ws->has_record && !ws->damaged && !ws->busy && !ws->dead &&
		    ws->rec.state == RECORD_RUNNING && ws->rec.gpus[0])
			look_at_driver(ws);
	}
}

/* --- when --- */

static int on_file(sd_event_source *s, const struct inotify_event *event, void *ctx)
{
	struct reconcile_gpu *g = ctx;

	if (event->mask & (IN_IGNORED | IN_UNMOUNT))
		for (unsigned int i = 0; i < WATCHES_MAX; i++)
			if (g->watches[i].source == s)
				g->watches[i].source = sd_event_source_disable_unref(s);
	/* Not at once: a generator writes more than one file, and renames them. */
	look_in(g, 1);
	return 0;
}

/* A directory that is not there is looked for again with the next look. */
static void watch_dirs(struct reconcile_gpu *g)
{
	const char *d = g->reg->settings->hardware.cdi;
	char dir[PATH_MAX];

	for (unsigned int i = 0; i < WATCHES_MAX; i++) {
		struct watch *w = &g->watches[i];

		d += strspn(d, ":");
		if (str_format(dir, sizeof(dir), "%.*s", (int)strcspn(d, ":"), d) < 0)
			dir[0] = '\0';
		d += strcspn(d, ":");
		if (strcmp(dir, w->dir) != 0)
			w->source = sd_event_source_disable_unref(w->source);
		memcpy(w->dir, dir, sizeof(dir));
		if (dir[0] && !w->source)
			(void)sd_event_add_inotify(g->reg->loop, &w->source, dir,
						   IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
							   IN_DELETE | IN_ONLYDIR,
						   on_file, g);
	}
}

static int on_time(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct reconcile_gpu *g = ctx;
	unsigned int before = g->wait_s;

	(void)usec;
	watch_dirs(g);
	look_at_drivers(g->reg);
	g->wait_s = look_at_dirty(g) && before < EVERY_S / 2 ? before * 2 : EVERY_S;
	(void)sd_event_source_set_time(s, clk_now_us() + g->wait_s * SECOND_US);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int reconcile_gpu_start(struct registry *r, struct err *e)
{
	struct reconcile_gpu *g = calloc(1, sizeof(*g));
	int ret;

	if (!g)
		return err_set(e, ENOMEM, "plan looking after GPUs: out of memory");
	g->reg = r;
	g->wait_s = 1;
	ret = sd_event_add_time(r->loop, &g->timer, CLOCK_MONOTONIC, clk_now_us(), SECOND_US / 10,
				on_time, g);
	if (ret < 0) {
		free(g);
		return err_ret(e, ret, "plan looking after GPUs");
	}
	r->gpus = g;
	return 0;
}

void reconcile_gpu_stop(struct registry *r)
{
	struct reconcile_gpu *g = r->gpus;

	if (!g)
		return;
	for (unsigned int i = 0; i < WATCHES_MAX; i++)
		sd_event_source_disable_unref(g->watches[i].source);
	sd_event_source_disable_unref(g->timer);
	free(g);
	r->gpus = NULL;
}

void reconcile_gpu_soon(struct registry *r)
{
	if (r->gpus)
		look_in(r->gpus, 1);
}

void reconcile_gpu_returned(const struct workspace *ws, const char *ids)
{
	struct registry *r = ws->registry;
	struct quarantine q;
	char id[80];

	for (; *ids; ids += strcspn(ids, ","), ids += *ids == ',') {
		(void)str_format(id, sizeof(id), "%.*s", (int)strcspn(ids, ","), ids);
		if (quarantine_get(r->settings->storage.state, "gpu", id, &q, NULL) == 0) {
			audit_gpu("lease.quarantine", ws->name, id, q.reason);
			reconcile_gpu_soon(r);
		} else {
			audit_gpu("lease.return", ws->name, id, "");
		}
	}
}
