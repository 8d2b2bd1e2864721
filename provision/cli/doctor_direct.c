/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What dpdk = yes and huge pages need of this host: an IOMMU that is in use, vfio-pci, pages in reserve, a controller. */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "doctor.h"
#include "hugepages.h"
#include "../limits.h"
#include "vfio.h"

static bool wants_dpdk(const struct settings *s)
{
	bool wanted = s->defaults.dpdk;

	for (uint32_t i = 0; i < s->nworkspaces && !wanted; i++)
		wanted = s->workspaces[i].dpdk;
	return wanted;
}

static unsigned int count_groups(const char *sysfs)
{
	auto_dir DIR *dir = NULL;
	char path[PATH_MAX];
	const struct dirent *entry;
	unsigned int n = 0;

	if (str_format(path, sizeof(path), "%s/kernel/iommu_groups", sysfs) < 0)
		return 0;
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	return n;
}

static void check_iommu(struct doctor *d, bool wanted)
{
	const char *sysfs = d->s->hardware.sysfs;
	unsigned int n = count_groups(sysfs);
	struct err e = { 0 };

	if (n)
		doctor_ok(d, "iommu", "on, %u groups", n);
	else if (wanted)
		doctor_fail(d, "iommu",
			    "in the firmware, and intel_iommu=on or amd_iommu=on on the kernel's "
			    "command line",
			    "off, and dpdk = yes is configured");
	if (n && vfio_usable(sysfs, &e)) {
		if (wanted)
			doctor_fail(d, "vfio-pci", "dpdk = yes is refused until then", "%s",
				    e.text);
		else
			doctor_warn(d, "vfio-pci", "nothing, without dpdk = yes", "%s", e.text);
	} else if (n) {
		doctor_ok(d, "vfio-pci", "ready");
	}
}

/* A NIC that is named by its address can be looked at before anybody wants to start it. */
static void check_nics(struct doctor *d)
{
	for (uint32_t i = 0; i < d->s->nworkspaces; i++) {
		const struct spec *w = &d->s->workspaces[i];
		char where[STR_NAME_MAX + 16];
		struct err e = { 0 };

		if (!w->dpdk || strncmp(w->nic, "pci:", 4) != 0 || strchr(w->nic, '/'))
			continue;
		(void)str_format(where, sizeof(where), "workspace '%s'", w->name);
		if (vfio_check(d->s->hardware.sysfs, w->nic + 4, &e))
			doctor_warn(d, where, "it cannot start so", "dpdk = yes: %s", e.text);
	}
}

static uint64_t pages_wanted(const struct settings *s, unsigned int kind)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->nworkspaces; i++)
		sum += hugepages_asked(&s->workspaces[i], kind);
	return sum;
}

static void check_pages(struct doctor *d, unsigned int kind, bool *any)
{
	const struct hugepages_kind *k = &hugepages_kinds[kind];
	unsigned long long wanted = pages_wanted(d->s, kind);
	struct hugepages_pool pool = { 0 };
	struct err e = { 0 };
	char remedy[80];

	if (hugepages_pool(d->s->hardware.sysfs, kind, &pool, &e)) {
		if (wanted)
			doctor_fail(d, "huge pages", "remove the key", "%s = %llu: %s", k->key,
				    wanted, e.text);
		return;
	}
	*any |= pool.total > 0;
	(void)str_format(remedy, sizeof(remedy), "hugepagesz=%s hugepages=%llu%s", k->size, wanted,
			 kind ? "" : ", or sysctl vm.nr_hugepages");
	if (wanted > pool.total)
		doctor_warn(d, "huge pages", remedy,
			    "%llu of %s in reserve, all workspaces together ask for %llu",
			    (unsigned long long)pool.total, k->size, wanted);
	else if (pool.total)
		doctor_ok(d, "huge pages", "%llu of %s in reserve, %llu free, %llu asked for",
			  (unsigned long long)pool.total, k->size, (unsigned long long)pool.free,
			  wanted);
}

void doctor_direct(struct doctor *d)
{
	bool wanted = d->s && wants_dpdk(d->s), any = false;
	char line[400] = "";
	struct err e = { 0 };

	if (!d->s)
		return;
	check_iommu(d, wanted);
	check_nics(d);
	for (unsigned int k = 0; k < HUGEPAGES_KINDS; k++)
		check_pages(d, k, &any);
	if (any && (limits_describe(line, sizeof(line), &e) || !strstr(line, "hugetlb")))
		doctor_warn(d, "huge pages", "boot with the hugetlb controller",
			    "without it any process may take them by mmap(MAP_HUGETLB)");
}
