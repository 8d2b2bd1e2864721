/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Choosing GPUs and cpus. Main process: reads a few files below [hardware], waits for nothing. */
#include "allocate_gpu.h"

#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "gpu.h"
#include "gpu_cdi.h"
#include "numa.h"
#include "quarantine.h"
#include "reconcile_gpu.h"

static bool holds(const struct workspace *ws)
{
	return ws->has_record || ws->damaged;
}

const struct workspace *allocate_gpu_holder(const struct registry *r, const struct workspace *ws,
					    const char *ids)
{
	for (unsigned int i = 0; i < r->nlist; i++)
		if (r->list[i] != ws && holds(r->list[i]) && gpu_clash(r->list[i]->rec.gpus, ids))
			return r->list[i];
	return NULL;
}

struct quarantined {
	const char *ids;
	struct quarantine found;
};

static void on_quarantine(void *ctx, const struct quarantine *q)
{
	struct quarantined *c = ctx;

	if (gpu_clash(q->id, c->ids))
		c->found = *q;
}

/* May `ws` have these? */
static int check_free(struct workspace *ws, const char *ids, struct err *e)
{
	const struct registry *r = ws->registry;
	const struct workspace *holder = allocate_gpu_holder(r, ws, ids);
	struct quarantined c = { .ids = ids };
	char since[32];

	if (holder)
		return err_set(e, EBUSY,
			       "give GPU '%s' to workspace '%s': leased by '%s' since %s (sshbay "
			       "leases)",
			       ids, ws->name, holder->name,
			       clk_text(holder->leased_gpu, since, sizeof(since)));
	if (quarantine_each(r->settings->storage.state, "gpu", on_quarantine, &c, e) < 0)
		return -e->code;
	if (c.found.id[0]) {
		reconcile_gpu_soon(ws->registry);
		return err_set(e, EBUSY,
			       "give GPU '%s' to workspace '%s': in quarantine: %.120s (sshbay gpu "
			       "recover %s)",
			       ids, ws->name, c.found.reason, c.found.id);
	}
	return 0;
}

/* One word of the configuration: which ids it stands for. */
static int identify(const struct settings *s, const struct gpu_list *l, const char *word, char *ids,
		    struct err *e)
{
	const struct cdi_device *dev;
	const struct cdi_spec *spec;
	const struct gpu *g;
	struct cdi_list cdi;
	int r;

	if (!gpu_cdi_is_name(word)) {
		g = gpu_find(l, word);
		if (!g)
			return err_set(
				e, ENODEV,
				"look for GPU '%s': this host has no such one (sshbay gpu list)",
				word);
		return str_copy(ids, sizeof(((struct record *)0)->gpus), g->id);
	}
	cdi_load(s->hardware.cdi, &cdi);
	r = gpu_cdi_find(&cdi, word, &spec, &dev, e);
	if (r == 0)
		r = gpu_cdi_ids(l, dev, word, ids, sizeof(((struct record *)0)->gpus), e);
	cdi_free(&cdi);
	return r;
}

bool allocate_gpu_in_pool(const struct settings *s, const struct gpu_list *l, const struct gpu *g)
{
	char word[GPU_ID_MAX + 64], ids[sizeof(((struct record *)0)->gpus)];
	struct err ignored;

	if (!strcmp(s->pool.gpus, "all"))
		return true;
	for (const char *at = s->pool.gpus; *at; at += strcspn(at, ",")) {
		size_t n;

		at += strspn(at, ", ");
		n = strcspn(at, ",");
		if (n == 0 || n >= sizeof(word))
			continue;
		memcpy(word, at, n);
		word[n] = '\0';
		if (identify(s, l, word, ids, &ignored) == 0 && gpu_clash(ids, g->id))
			return true;
	}
	return false;
}

static int choose(struct workspace *ws, const struct gpu_list *l, struct record *rec, struct err *e)
{
	const struct settings *s = ws->registry->settings;
	struct err why = { .text = "there is none" };
	unsigned int n = 0;

	for (unsigned int i = 0; i < l->n; i++) {
		/* A partitioned GPU is given by its instances. */
		if (l->g[i].partitioned || !allocate_gpu_in_pool(s, l, &l->g[i]))
			continue;
		n++;
		if (check_free(ws, l->g[i].id, &why) < 0)
			continue;
		log_note("workspace '%s': gpu = auto takes %s (%s), the first free one of the pool",
			 ws->name, l->g[i].id, l->g[i].model);
		return str_copy(rec->gpus, sizeof(rec->gpus), l->g[i].id);
	}
	return err_set(
		e, EBUSY,
		"give a GPU to workspace '%s': none of the pool's %u is free; the last: %.120s "
		"(sshbay gpu list)",
		ws->name, n, why.text);
}

static bool is_there(const struct gpu_list *l, const char *id)
{
	const struct gpu *g = id[0] ? gpu_find(l, id) : NULL;

	return g && !strcmp(g->id, id);
}

int allocate_gpu(struct registry *r, struct workspace *ws, const struct spec *spec,
		 struct record *rec, struct err *e)
{
	auto_free struct gpu_list *l = NULL;
	char ids[sizeof(rec->gpus)] = "", before[sizeof(rec->gpus)];
	bool automatic = !strcmp(spec->gpu, "auto");
	int ret;

	memcpy(before, rec->gpus, sizeof(before));
	rec->gpus[0] = '\0';
	if (!spec->gpu[0] || !strcmp(spec->gpu, "none"))
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, ENOMEM, "give a GPU to workspace '%s': out of memory", ws->name);
	ret = gpu_scan(r->settings, l, e);
	if (ret < 0)
		return ret;
	if (automatic && is_there(l, before) && check_free(ws, before, e) == 0) {
		memcpy(rec->gpus, before, sizeof(before));
		return 0;
	}
	if (automatic) {
		ret = choose(ws, l, rec, e);
	} else {
		ret = identify(r->settings, l, spec->gpu, ids, e);
		if (ret == 0)
			ret = check_free(ws, ids, e);
		if (ret == 0)
			memcpy(rec->gpus, ids, sizeof(ids));
	}
	if (ret == 0 && strcmp(before, rec->gpus) != 0)
		ws->leased_gpu = clk_wall_s();
	return ret;
}

static int device_pci(const struct settings *s, const struct spec *spec, const struct record *rec,
		      char pci[GPU_PCI_MAX], const char **what)
{
	bool nic = !strcmp(spec->cpus, "auto:nic");
	const char *id = rec->nic.id;

	*what = nic ? (id[0] ? id : "none") : (rec->gpus[0] ? rec->gpus : "none");
	pci[0] = '\0';
	if (!nic) {
		gpu_pci(s, rec->gpus, pci);
	} else {
		if (!strncmp(id, "macvlan:", 8))
			id += 8;
		if (!strncmp(id, "pci:", 4))
			(void)str_format(pci, GPU_PCI_MAX, "%.*s", (int)strcspn(id + 4, "/"),
					 id + 4);
	}
	return pci[0] ? 0 : -ENODEV;
}

int allocate_cpus(struct registry *r, struct workspace *ws, const struct spec *spec,
		  struct record *rec, struct err *e)
{
	char pci[GPU_PCI_MAX];
	const char *what;
	struct numa near;
	int ret;

	rec->cpus[0] = '\0';
	if (strncmp(spec->cpus, "auto:", 5) != 0)
		return 0;
	/* A start without the NIC is what nic_policy = optional asks for: without it, no cpu is nearer than another. */
	if (!strcmp(spec->cpus, "auto:nic") && spec->nic_optional && !rec->nic.id[0])
		return 0;
	if (device_pci(r->settings, spec, rec, pci, &what) < 0)
		return err_set(
			e, ENODEV,
			"choose cpus for '%s': cpus = %s, and '%.80s' is no PCI device (list "
			"the cpus)",
			ws->name, spec->cpus, what);
	ret = numa_local(r->settings->hardware.sysfs, pci, &near, e);
	if (ret < 0)
		return err_wrap(e, "choose cpus for '%s'", ws->name);
	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *o = r->list[i];

		/* Not split: half of a node's cpus would share its caches and its memory's bandwidth. */
		if (o != ws && holds(o) && numa_overlap(o->rec.cpus, near.cpus))
			return err_set(
				e, EBUSY,
				"choose cpus for '%s': %u near %s (%s), and '%s' has %s of its "
				"own (list them for both)",
				ws->name, near.count, pci, near.cpus, o->name, o->rec.cpus);
	}
	return str_copy(rec->cpus, sizeof(rec->cpus), near.cpus);
}
