/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GPUs from three sides: what the host has (gpu.h), what the records hold, what is in quarantine.  provisiond's main
 * process; only looks, and starts a worker.
 */
#include "admin_gpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin_recover.h"
#include "allocate_gpu.h"
#include "base/fd.h"
#include "gpu.h"
#include "numa.h"
#include "quarantine.h"

struct rows {
	struct registry *reg;
	const struct gpu_list *list;
	void (*fn)(void *ctx, struct admin_lease *row);
	void *ctx;
};

/* "STATE, MODEL, NUMA node N", and what of it there is a member for. */
static void describe(const struct settings *s, const struct gpu *g, const char *state,
		     struct admin_lease *row)
{
	char node[32] = "";
	struct numa near;

	if (g->pci[0] && numa_local(s->hardware.sysfs, g->pci, &near, NULL) == 0 &&
	    near.node >= 0) {
		(void)str_format(node, sizeof(node), ", NUMA node %d", near.node);
		row->numa = (uint32_t)near.node + 1;
	}
	(void)str_format(row->detail, sizeof(row->detail), "%s%s%.48s%s", state,
			 g->model[0] ? ", " : "", g->model, node);
}

void admin_gpu_place(const struct settings *s, const char *state, struct admin_lease *row)
{
	auto_free struct gpu_list *list = calloc(1, sizeof(*list));
	const struct gpu *g = list && gpu_scan(s, list, NULL) == 0 ? gpu_find(list, row->id) : NULL;

	row->numa = 0;
	if (g)
		describe(s, g, state, row);
	else
		(void)str_format(row->detail, sizeof(row->detail), "%s%s", state,
				 strncmp(row->id, "cdi:", 4) ? ", not on this host now" : "");
}

static void add_quarantined(void *ctx, const struct quarantine *q)
{
	struct admin_lease row = { .kind = "gpu", .state = "quarantined", .since = q->since };
	struct rows *r = ctx;

	(void)str_copy(row.id, sizeof(row.id), q->id);
	(void)str_format(row.object, sizeof(row.object), "%.63s", q->id);
	(void)str_format(row.detail, sizeof(row.detail), "quarantined: %.80s, last '%s'", q->reason,
			 q->owner);
	r->fn(r->ctx, &row);
}

struct search {
	const char *id;
	bool found;
};

static void match(void *ctx, const struct quarantine *q)
{
	struct search *s = ctx;

	s->found |= gpu_clash(q->id, s->id);
}

static bool is_free(const struct rows *r, const struct gpu *g)
{
	const struct settings *s = r->reg->settings;
	struct search q = { .id = g->id };

	if (g->partitioned || !allocate_gpu_in_pool(s, r->list, g) ||
	    allocate_gpu_holder(r->reg, NULL, g->id))
		return false;
	(void)quarantine_each(s->storage.state, "gpu", match, &q, NULL);
	return !q.found;
}

void admin_gpu_leases(struct registry *reg, void (*fn)(void *ctx, struct admin_lease *row),
		      void *ctx)
{
	auto_free struct gpu_list *list = calloc(1, sizeof(*list));
	const struct settings *s = reg->settings;
	struct rows r = { reg, list, fn, ctx };

	if (!list)
		return;
	if (gpu_scan(s, list, NULL) < 0)
		list->n = 0;
	for (unsigned int i = 0; i < list->n; i++) {
		struct admin_lease row = { .kind = "gpu", .state = "free" };

		if (!is_free(&r, &list->g[i]))
			continue;
		(void)str_format(row.object, sizeof(row.object), "%.63s", list->g[i].id);
		(void)str_copy(row.id, sizeof(row.id), list->g[i].id);
		describe(s, &list->g[i], "free", &row);
		fn(ctx, &row);
	}
	(void)quarantine_each(s->storage.state, "gpu", add_quarantined, &r, NULL);
}

/* --- recover --- */

static void name_of(struct registry *reg, const char *word, char id[80])
{
	auto_free struct gpu_list *list = calloc(1, sizeof(*list));
	const struct gpu *g = NULL;

	if (list && gpu_scan(reg->settings, list, NULL) == 0)
		g = gpu_find(list, word);
	(void)str_format(id, 80, "%.79s", g ? g->id : word);
}

void admin_gpu_recover(struct admin_client *c, struct registry *reg, const struct admin_gpu *req)
{
	char id[80], text[400], shown[4 * 80];
	const struct admin_recover todo = { .kind = "gpu",
					    .id = id,
					    .done = "recovered: nobody holds it, it may be leased "
						    "again",
					    .tag = req->tag };
	struct quarantine q;

	name_of(reg, req->name, id);
	if (quarantine_get(reg->settings->storage.state, "gpu", id, &q, NULL) < 0) {
		(void)str_format(text, sizeof(text),
				 "recover GPU '%.90s': it is not in quarantine (sshbay gpu list)",
				 str_vis(id, strlen(id), shown, sizeof(shown)));
		admin_client_failed(c, req->tag, ENOENT, text);
		return;
	}
	admin_recover_start(c, reg, &todo);
}
