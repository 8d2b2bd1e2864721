/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases of RDMA devices.  In exclusive mode a leased one is in its workspace's namespace, where the host's sysfs does
 * not show it: what a stop kept is believed as long as the NIC is the same.
 */
#include "allocate_rdma.h"

#include <string.h>

#include "base/clk.h"
#include "nic_identify.h"
#include "quarantine.h"
#include "rdma_find.h"

static bool is_macvlan(const struct record *rec)
{
	return strncmp(rec->nic.id, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0;
}

/* Without a namespace of its own per device nothing but the node keeps tenants apart: that takes a word of the admin's. */
static int check_mode(const struct settings *s, const struct record *rec, struct err *e)
{
	enum rdma_find_mode mode = rdma_find_mode(s->hardware.sysfs);

	if (mode == RDMA_FIND_ABSENT)
		return err_set(e, ENODEV, "this kernel has no RDMA (modprobe ib_core)");
	if (mode == RDMA_FIND_SHARED && s->hardware.rdma_netns != SETTINGS_RDMA_SHARED)
		return err_set(e, EOPNOTSUPP,
			       "the kernel shows RDMA devices in every network namespace "
			       "([hardware] rdma_netns; sshbay doctor)");
	if (mode == RDMA_FIND_EXCLUSIVE && is_macvlan(rec))
		return err_set(e, EOPNOTSUPP,
			       "its NIC is shared (macvlan), and the RDMA device would leave it "
			       "(lease the NIC itself)");
	return 0;
}

/* The kernel unregisters a device made in software when its interface changes namespace. */
static int check_soft(const struct record *rec, const struct rdma_find *dev, struct err *e)
{
	if (dev->pci[0] || !dev->parent[0] || is_macvlan(rec))
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "'%s' is made in software on '%s' and would end with that one's move (nic = "
		       "macvlan:%s)",
		       dev->name, dev->parent, dev->parent);
}

static int check_free(const struct workspace *ws, const char *name, struct err *e)
{
	const struct registry *r = ws->registry;
	struct quarantine q;
	char since[32];

	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *o = r->list[i];

		if (o != ws && (o->has_record || o->damaged) && strcmp(o->rec.rdma, name) == 0)
			return err_set(e, EBUSY, "'%s' is leased by '%s' since %s (sshbay leases)",
				       name, o->name, clk_text(o->leased, since, sizeof(since)));
	}
	if (quarantine_get(r->settings->storage.state, "rdma", name, &q, NULL) == 0)
		return err_set(e, EBUSY, "'%s' is in quarantine: %.120s (sshbay nic recover %s)",
			       name, q.reason, name);
	return 0;
}

/* What a stop kept, or what runs: inside, with the same NIC. */
static bool still_fits(const struct workspace *ws, const struct spec *spec,
		       const struct record *rec)
{
	return ws->has_record && rec->rdma[0] && rec->ns_net &&
	       strcmp(rec->boot_id, ws->registry->boot_id) == 0 &&
	       strcmp(rec->nic.id, ws->rec.nic.id) == 0 &&
	       (strcmp(spec->rdma, "auto") == 0 || strcmp(spec->rdma, rec->rdma) == 0);
}

static int lease(struct workspace *ws, const struct spec *spec, struct record *rec, struct err *e)
{
	const struct settings *s = ws->registry->settings;
	bool automatic = strcmp(spec->rdma, "auto") == 0;
	struct err why = { 0 };
	struct rdma_find dev;
	int ret = check_mode(s, rec, e);

	if (ret)
		return ret;
	ret = rdma_find_of(s->hardware.sysfs, rec, automatic ? NULL : spec->rdma, &dev, e);
	/* One that is leased is nowhere to be seen, and that is the better reason. */
	if (ret == -ENODEV && !automatic && check_free(ws, spec->rdma, &why))
		return err_set(e, why.code, "%s", why.text);
	if (ret == 0)
		ret = check_soft(rec, &dev, e);
	if (ret == 0)
		ret = check_free(ws, dev.name, e);
	return ret ? ret : str_copy(rec->rdma, sizeof(rec->rdma), dev.name);
}

int allocate_rdma(struct registry *r, struct workspace *ws, const struct spec *spec,
		  struct record *rec, struct err *e)
{
	bool none = !spec->rdma[0] || strcmp(spec->rdma, "none") == 0;
	char soft[RDMA_FIND_NAME];
	int ret;

	if (!none && still_fits(ws, spec, rec))
		return 0;
	rec->rdma[0] = '\0';
	if (!rec->nic.id[0])
		return none || spec->nic_optional
			       ? 0
			       : err_set(e, EINVAL,
					 "give RDMA device '%s' to workspace '%s': it has no NIC",
					 spec->rdma, ws->name);
	if (!none) {
		ret = lease(ws, spec, rec, e);
		return ret ? err_wrap(e, "give RDMA device '%s' to workspace '%s'", spec->rdma,
				      ws->name)
			   : 0;
	}
	if (!is_macvlan(rec) &&
	    rdma_find_soft(r->settings->hardware.sysfs, rec->nic.name, soft) == 0)
		return err_set(
			e, EBUSY,
			"move '%s' into workspace '%s': RDMA device '%s' is made in software "
			"on it and would end (rdma link delete %s)",
			rec->nic.name, ws->name, soft, soft);
	return 0;
}
