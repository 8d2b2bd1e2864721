/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of GPUs a workspace could get on this host: drivers, CDI specifications, quarantine, means to keep others out. */
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "cdi.h"
#include "doctor.h"
#include "gpu.h"
#include "gpu_cdi.h"
#include "gpu_hook.h"
#include "quarantine.h"

static void on_quarantine(void *ctx, const struct quarantine *q)
{
	char remedy[128];

	(void)str_format(remedy, sizeof(remedy), "sshbay gpu recover %s", q->id);
	doctor_warn(ctx, "gpu", remedy, "'%s' of '%s' is in quarantine: %s", q->id, q->owner,
		    q->reason);
}

static void check_word(struct doctor *d, const struct gpu_list *l, const struct cdi_list *c,
		       const struct spec *w)
{
	const struct cdi_device *dev;
	const struct cdi_spec *spec;
	char where[STR_NAME_MAX + 16];
	struct err e;

	if (!w->gpu[0] || !strcmp(w->gpu, "none") || !strcmp(w->gpu, "auto"))
		return;
	(void)str_format(where, sizeof(where), "workspace '%s'", w->name);
	if (gpu_cdi_is_name(w->gpu)) {
		if (gpu_cdi_find(c, w->gpu, &spec, &dev, &e) < 0)
			doctor_warn(d, where, "correct its gpu", "%s", e.text);
	} else if (!gpu_find(l, w->gpu)) {
		doctor_warn(d, where, "correct its gpu (sshbay gpu list)",
			    "gpu = %s, and this host has no such one", w->gpu);
	}
}

static void check_hooks(struct doctor *d, const struct cdi_spec *spec, const struct cdi_edits *ed)
{
	char vis[64];

	for (unsigned int i = 0; i < ed->nhooks; i++) {
		const char *name;

		if (gpu_hook_kind(&ed->hooks[i], &name) == GPU_HOOK_UNKNOWN)
			doctor_warn(d, "cdi", "see whether workspaces lack anything without it",
				    "%s:%u: hook '%s' is not known and has no effect here",
				    spec->file, ed->hooks[i].line,
				    str_vis(name, strlen(name), vis, sizeof(vis)));
	}
}

static void check_specs(struct doctor *d, const struct cdi_list *c)
{
	for (unsigned int i = 0; i < c->n; i++) {
		check_hooks(d, c->specs[i], &c->specs[i]->edits);
		for (unsigned int k = 0; k < c->specs[i]->ndevices; k++)
			check_hooks(d, c->specs[i], &c->specs[i]->devices[k].edits);
	}
}

void doctor_gpu(struct doctor *d)
{
	auto_free struct gpu_list *l = calloc(1, sizeof(*l));
	char driver[32];
	struct cdi_list c;
	struct err e;

	if (!d->s || !l)
		return;
	if (gpu_scan(d->s, l, &e) < 0) {
		doctor_fail(d, "gpu", "look at [hardware]", "%s", e.text);
		return;
	}
	cdi_load(d->s->hardware.cdi, &c);
	gpu_driver(d->s, driver, sizeof(driver));
	if (l->n || c.n)
		doctor_ok(d, "gpu", "%u found%s%s, %u CDI specification%s", l->n,
			  driver[0] ? ", NVIDIA driver " : "", driver, c.n, c.n == 1 ? "" : "s");
	if (c.problems[0])
		doctor_warn(d, "cdi", "correct or remove them", "%s", c.problems);
	check_specs(d, &c);
	if (driver[0] && c.n == 0)
		doctor_warn(d, "cdi", "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
			    "without a specification workspaces get NVIDIA's nodes, and no "
			    "libraries");
	for (uint32_t i = 0; i < d->s->nworkspaces; i++)
		check_word(d, l, &c, &d->s->workspaces[i]);
	(void)quarantine_each(d->s->storage.state, "gpu", on_quarantine, d, NULL);
	cdi_free(&c);
}
