/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/PID/fd of every process, by device number: a node may have any name. Runs in workers. */
#include "gpu_busy.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define ROUND_MS 50

void gpu_busy_add(struct gpu_busy *b, const struct gpu *g)
{
	for (unsigned int i = 0; i < g->nnodes && b->n < GPU_BUSY_NODES_MAX; i++)
		if (g->nodes[i].own)
			b->nodes[b->n++] = makedev(g->nodes[i].major, g->nodes[i].minor);
}

static bool is_wanted(const struct gpu_busy *b, int dirfd, const char *name)
{
	struct statx st;

	/* What the kernel knows by itself: FUSE and network file systems are not asked. */
	if (statx(dirfd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0 ||
	    !S_ISCHR(st.stx_mode))
		return false;
	for (unsigned int i = 0; i < b->n; i++)
		if (b->nodes[i] == makedev(st.stx_rdev_major, st.stx_rdev_minor))
			return true;
	return false;
}

static bool holds(const struct gpu_busy *b, const char *pid)
{
	char path[64];
	auto_dir DIR *d = NULL;

	(void)str_format(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d) {
		const struct dirent *entry = readdir(d);

		if (!entry)
			break;
		if (entry->d_name[0] != '.' && is_wanted(b, dirfd(d), entry->d_name))
			return true;
	}
	return false;
}

static bool link_of(const char *pid, const char *what, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	(void)str_format(path, sizeof(path), "/proc/%s/%s", pid, what);
	n = readlink(path, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* In our own mount namespace, where /usr is the host's. */
static bool is_vendors(const char *pid)
{
	static const char *const daemons[] = { "/usr/bin/nvidia-persistenced",
					       "/usr/bin/nv-fabricmanager",
					       "/usr/bin/nv-hostengine",
					       "/usr/libexec/nvidia/nv-hostengine" };
	char exe[PATH_MAX], mine[64], its[64];

	if (!link_of(pid, "exe", exe, sizeof(exe)) ||
	    !link_of("self", "ns/mnt", mine, sizeof(mine)) ||
	    !link_of(pid, "ns/mnt", its, sizeof(its)) || strcmp(mine, its) != 0)
		return false;
	for (unsigned int i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++)
		if (!strcmp(exe, daemons[i]))
			return true;
	return false;
}

static void describe(struct gpu_busy *b, const char *pid, uint64_t number)
{
	char path[64], text[4096];
	struct err ignored;
	size_t len = 0;

	b->pid = (pid_t)number;
	(void)str_format(path, sizeof(path), "/proc/%s/cmdline", pid);
	if (path_read(AT_FDCWD, path, text, 64, &len, &ignored) < 0 && len == 0) {
		/* Longer than a few words (path_read wants all), or a zombie: the short name. */
		(void)str_format(path, sizeof(path), "/proc/%s/comm", pid);
		if (path_read(AT_FDCWD, path, text, sizeof(text), &len, &ignored) < 0)
			len = 0;
	}
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' || text[i] == '\n')
			text[i] = ' ';
	while (len && text[len - 1] == ' ')
		len--;
	str_vis(text, len, b->cmd, sizeof(b->cmd));
}

bool gpu_busy_find(struct gpu_busy *b)
{
	auto_dir DIR *d = b->n ? opendir("/proc") : NULL;
	const struct dirent *entry;
	uint64_t pid;

	while (d && (entry = readdir(d))) {
		if (num_u64(entry->d_name, 1, INT_MAX, &pid, NULL) < 0 || (pid_t)pid == getpid() ||
		    !holds(b, entry->d_name) || is_vendors(entry->d_name))
			continue;
		describe(b, entry->d_name, pid);
		return true;
	}
	return false;
}

bool gpu_busy_wait(struct gpu_busy *b, unsigned int ms)
{
	uint64_t end = clk_now_us() + (uint64_t)ms * 1000;
	struct timespec t = { 0, ROUND_MS * 1000000L };

	while (gpu_busy_find(b)) {
		if (clk_now_us() >= end)
			return true;
		nanosleep(&t, NULL);
	}
	return false;
}
