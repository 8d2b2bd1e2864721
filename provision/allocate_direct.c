/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two scans over the records: for IOMMU groups, since a group is given as a whole, and for huge pages, of which nobody is
 * promised what somebody else has been.
 */
#include "allocate_direct.h"

#include <string.h>

#include "base/str.h"
#include "hugepages.h"
#include "nic_identify.h"
#include "vfio.h"

static bool holds(const struct workspace *ws)
{
	return ws->has_record || ws->damaged;
}

/* Who else has a function of this group? */
static const struct workspace *group_owner(const struct registry *r, const struct workspace *ws,
					   unsigned int group)
{
	for (unsigned int i = 0; i < r->nlist; i++) {
		const struct workspace *other = r->list[i];
		unsigned int theirs;

		if (other != ws && holds(other) && other->rec.vfio[0] &&
		    vfio_group(r->settings->hardware.sysfs, other->rec.vfio, &theirs, NULL) == 0 &&
		    theirs == group)
			return other;
	}
	return NULL;
}

static int refuse(const struct workspace *ws, const struct record *rec, const struct err *why,
		  struct err *e)
{
	return err_set(e, why->code, "give '%.40s' to workspace '%s' (dpdk = yes): %s", rec->nic.id,
		       ws->name, why->text);
}

int allocate_direct_vfio(struct registry *r, struct workspace *ws, const struct spec *spec,
			 struct record *rec, struct err *e)
{
	const char *sysfs = r->settings->hardware.sysfs, *pci = rec->nic.id + 4;
	const struct workspace *owner;
	struct err why = { 0 };
	unsigned int group;
	int ret;

	rec->vfio[0] = '\0';
	if (!spec->dpdk || (!rec->nic.id[0] && spec->nic_optional))
		return 0;
	if (strncmp(rec->nic.id, "pci:", 4) != 0 || strchr(pci, '/')) {
		(void)err_set(&why, EOPNOTSUPP, "%s",
			      !rec->nic.id[0]            ? "it has no NIC (nic = none)"
			      : strchr(rec->nic.id, '/') ? "several ports share the PCI function"
							 : "it is no PCI function of its own");
		return refuse(ws, rec, &why, e);
	}
	ret = vfio_check(sysfs, pci, &why);
	if (ret == 0)
		ret = vfio_group(sysfs, pci, &group, &why);
	if (ret)
		return refuse(ws, rec, &why, e);
	owner = group_owner(r, ws, group);
	if (owner) {
		(void)err_set(&why, EBUSY, "IOMMU group %u is leased by '%s' (sshbay leases)",
			      group, owner->name);
		return refuse(ws, rec, &why, e);
	}
	(void)str_copy(rec->vfio, sizeof(rec->vfio), pci);
	return 0;
}

static int take_pages(const struct registry *r, const struct workspace *ws, unsigned int kind,
		      uint64_t want, struct err *e)
{
	const struct hugepages_kind *k = &hugepages_kinds[kind];
	struct hugepages_pool pool;
	uint64_t others = 0;
	int ret = hugepages_pool(r->settings->hardware.sysfs, kind, &pool, e);

	if (ret)
		return err_wrap(e, "start workspace '%s': %s = %llu", ws->name, k->key,
				(unsigned long long)want);
	for (unsigned int i = 0; i < r->nlist; i++)
		if (r->list[i] != ws && holds(r->list[i]))
			others += *hugepages_promised(&r->list[i]->rec, kind);
	if (others + want <= pool.total)
		return 0;
	return err_set(e, ENOSPC,
		       "start workspace '%s': %s = %llu, and the host has %llu, of which other "
		       "workspaces have %llu (%s)",
		       ws->name, k->key, (unsigned long long)want, (unsigned long long)pool.total,
		       (unsigned long long)others,
		       kind == 0 ? "sysctl vm.nr_hugepages=N, or hugepages=N on the kernel's "
				   "command line"
				 : "hugepagesz=1G hugepages=N on the kernel's command line");
}

int allocate_direct_hugepages(struct registry *r, struct workspace *ws, const struct spec *spec,
			      struct record *rec, struct err *e)
{
	for (unsigned int k = 0; k < HUGEPAGES_KINDS; k++) {
		uint32_t want = hugepages_asked(spec, k);
		int ret = want ? take_pages(r, ws, k, want, e) : 0;

		if (ret)
			return ret;
		*hugepages_promised(rec, k) = want;
	}
	return 0;
}
