/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pools of huge pages and the mounts of a workspace.  Mounts are made in the helper that stages a root; nothing of them
 * is left when the workspace's mount namespace ends, pages included.
 */
#include "hugepages.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define FREE_MS 5000 /* for the pages of processes that have just ended */
#define FILES   4096 /* beyond one for each page: inodes are memory of the kernel's */

const struct hugepages_kind hugepages_kinds[HUGEPAGES_KINDS] = {
	{ "hugepages_2m", "2M", "2MB", "hugepages", 2048 },
	{ "hugepages_1g", "1G", "1GB", "hugepages1G", 1048576 },
};

uint32_t hugepages_asked(const struct spec *s, unsigned int kind)
{
	return kind == 0 ? s->hugepages_2m : s->hugepages_1g;
}

uint32_t *hugepages_promised(struct record *r, unsigned int kind)
{
	return kind == 0 ? &r->hugepages_2m : &r->hugepages_1g;
}

static int read_count(const char *sysfs, unsigned int kind, const char *file, uint64_t *n,
		      struct err *e)
{
	char path[PATH_MAX], text[32];
	size_t len;
	int r;

	if (str_format(path, sizeof(path), "%s/kernel/mm/hugepages/hugepages-%ukB/%s", sysfs,
		       hugepages_kinds[kind].kib, file) < 0)
		return err_set(e, ENAMETOOLONG, "count huge pages: path too long");
	r = path_read(AT_FDCWD, path, text, sizeof(text), &len, e);
	if (r == -ENOENT)
		return err_set(e, EOPNOTSUPP, "this host has no huge pages of %s",
			       hugepages_kinds[kind].size);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return num_u64(text, 0, UINT64_MAX, n, NULL) < 0
		       ? err_set(e, EIO, "read '%s': '%.30s' is no number", path, text)
		       : 0;
}

int hugepages_pool(const char *sysfs, unsigned int kind, struct hugepages_pool *out, struct err *e)
{
	uint64_t reserved = 0;
	int r = read_count(sysfs, kind, "nr_hugepages", &out->total, e);

	if (r == 0)
		r = read_count(sysfs, kind, "free_hugepages", &out->free, e);
	if (r == 0)
		r = read_count(sysfs, kind, "resv_hugepages", &reserved, e);
	if (r == 0)
		out->free = out->free > reserved ? out->free - reserved : 0;
	return r;
}

static int ready(const struct plan *p, unsigned int kind, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t want = *hugepages_promised(p->rec, kind), end = clk_now_us() + FREE_MS * 1000ULL;
	struct hugepages_pool pool = { 0 };
	int r;

	if (!want)
		return 0;
	r = hugepages_pool(p->settings->hardware.sysfs, kind, &pool, e);
	while (r == 0 && pool.free < want && clk_now_us() < end) {
		(void)nanosleep(&pause, NULL);
		r = hugepages_pool(p->settings->hardware.sysfs, kind, &pool, e);
	}
	if (r == 0 && pool.free < want)
		r = err_set(e, ENOSPC,
			    "%s = %llu, and only %llu of the host's %llu huge pages of %s are free "
			    "(a process of the host uses them: sysctl vm.nr_hugepages, or "
			    "hugepagesz=%s hugepages=N on the kernel's command line)",
			    hugepages_kinds[kind].key, (unsigned long long)want,
			    (unsigned long long)pool.free, (unsigned long long)pool.total,
			    hugepages_kinds[kind].size, hugepages_kinds[kind].size);
	return r;
}

int hugepages_ready(const struct plan *p, struct err *e)
{
	int r = 0;

	for (unsigned int k = 0; k < HUGEPAGES_KINDS && r == 0; k++)
		r = ready(p, k, e);
	return r < 0 ? err_wrap(e, "start '%s'", p->rec->name) : 0;
}

/* --- the mount --- */

static int configure(int fs, const char *key, const char *value, struct err *e)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0
		       ? err_sys(e, "set '%s=%s' of hugetlbfs", key, value)
		       : 0;
}

static int configure_number(int fs, const char *key, uint64_t value, struct err *e)
{
	char text[32];

	(void)str_format(text, sizeof(text), "%llu", (unsigned long long)value);
	return configure(fs, key, text, e);
}

int hugepages_mount(const struct plan *p, unsigned int kind, struct err *e)
{
	const struct hugepages_kind *k = &hugepages_kinds[kind];
	uint64_t pages = *hugepages_promised(p->rec, kind);
	auto_fd int fs = -1;
	int r, mnt;

	fs = fsopen("hugetlbfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_sys(e, "mount '/dev/%s': hugetlbfs", k->folder);
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", k->folder, 0);
	r = configure(fs, "pagesize", k->size, e);
	if (r == 0)
		r = configure_number(fs, "size", pages * k->kib * 1024, e);
	if (r == 0)
		r = configure_number(fs, "nr_inodes", pages + FILES, e);
	if (r == 0)
		r = configure_number(fs, "uid", p->rec->id_base, e);
	if (r == 0)
		r = configure_number(fs, "gid", p->rec->id_base, e);
	if (r == 0)
		r = configure(fs, "mode", "1777", e);
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "mount '/dev/%s'", k->folder);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC,
		      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? err_sys(e, "mount '/dev/%s'", k->folder) : mnt;
}
