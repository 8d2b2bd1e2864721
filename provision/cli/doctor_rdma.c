/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of RDMA a workspace could get on this host: the kernel's mode, nodes, devices of the configured NICs, quarantine. */
#include <string.h>

#include "base/str.h"
#include "doctor.h"
#include "quarantine.h"
#include "rdma_find.h"

#define BOOT                                                                                       \
	"echo options ib_core netns_mode=0 >/etc/modprobe.d/sshbay.conf, update-initramfs -u, "    \
	"reboot; or [hardware] rdma_netns = set, restart provisiond before any container runs"

struct seen {
	char list[256];
	unsigned int n, nodes;
	const struct settings *s;
};

static void add(void *ctx, const struct rdma_find *dev)
{
	struct seen *s = ctx;
	struct rdma_find_node node;
	size_t used = strlen(s->list);

	(void)str_format(s->list + used, sizeof(s->list) - used, "%s%s", used ? ", " : "",
			 dev->name);
	s->n++;
	s->nodes += rdma_find_uverbs(s->s->hardware.sysfs, dev->name, &node, NULL) == 0;
}

static void on_quarantine(void *ctx, const struct quarantine *q)
{
	char remedy[128];

	(void)str_format(remedy, sizeof(remedy), "sshbay nic recover %s", q->id);
	doctor_warn(ctx, "rdma", remedy, "'%s' of '%s' is in quarantine: %s", q->id, q->owner,
		    q->reason);
}

/* Does the configuration give RDMA to anybody? */
static const struct spec *wanted(const struct settings *s, bool *cm)
{
	const struct spec *first = NULL;

	*cm = s->defaults.rdma_cm;
	for (uint32_t i = 0; i < s->nworkspaces; i++) {
		const struct spec *w = &s->workspaces[i];

		*cm = *cm || w->rdma_cm;
		if (!first && w->rdma[0] && strcmp(w->rdma, "none") != 0)
			first = w;
	}
	if (!first && s->defaults.rdma[0] && strcmp(s->defaults.rdma, "none") != 0)
		first = &s->defaults;
	return first;
}

static void check_mode(struct doctor *d, const struct spec *user)
{
	bool allowed = d->s->hardware.rdma_netns == SETTINGS_RDMA_SHARED;

	if (rdma_find_mode(d->s->hardware.sysfs) == RDMA_FIND_EXCLUSIVE)
		doctor_ok(d, "rdma", "each device belongs to one network namespace");
	else if (allowed)
		doctor_warn(d, "rdma", BOOT,
			    "devices are in every network namespace (rdma_netns = shared): only "
			    "node and device controller keep workspaces apart");
	else if (user)
		doctor_fail(d, "rdma", BOOT,
			    "devices are in every network namespace, so workspace '%s' does not "
			    "start (rdma = %s)",
			    user->name[0] ? user->name : "[defaults]", user->rdma);
	else
		doctor_ok(d, "rdma",
			  "devices are in every network namespace, and no workspace has "
			  "one");
}

void doctor_rdma(struct doctor *d)
{
	struct seen seen = { .s = d->s };
	struct rdma_find_node cm;
	const struct spec *user;
	bool wants_cm;
	struct err e;

	if (!d->s)
		return;
	(void)quarantine_each(d->s->storage.state, "rdma", on_quarantine, d, NULL);
	user = wanted(d->s, &wants_cm);
	if (rdma_find_mode(d->s->hardware.sysfs) == RDMA_FIND_ABSENT) {
		if (user)
			doctor_fail(d, "rdma", "modprobe ib_core, or rdma = none",
				    "this kernel has no RDMA, and workspace '%s' asks for it",
				    user->name[0] ? user->name : "[defaults]");
		return;
	}
	if (rdma_find_each(d->s->hardware.sysfs, add, &seen, &e) < 0) {
		doctor_fail(d, "rdma", "look at [hardware]", "%s", e.text);
		return;
	}
	if (seen.n)
		doctor_ok(d, "rdma", "%u device%s of the host: %s", seen.n, seen.n == 1 ? "" : "s",
			  seen.list);
	if (seen.nodes < seen.n)
		doctor_warn(d, "rdma", "modprobe ib_uverbs", "%u of them without a uverbs node",
			    seen.n - seen.nodes);
	if (wants_cm && rdma_find_cm(d->s->hardware.sysfs, &cm, &e) < 0)
		doctor_warn(d, "rdma", "modprobe rdma_ucm",
			    "there is no rdma_cm node, and a workspace asks for it");
	if (seen.n || user)
		check_mode(d, user);
}
