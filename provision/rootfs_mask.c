/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Masks and read-only parts of /proc and /sys.  Runs in the process that becomes ws-init, as the workspace's root, on
 * filesystems that the kernel alone fills: a path that is not there is skipped.
 *
 * Masks are for users and programs inside.  The workspace's root has made these mounts and may take them off; what holds
 * then is that the files behind them belong to the host's root, or are of the workspace's own namespaces.
 */
#include "rootfs_mask.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "given.h"

/* What tells about the host or its other tenants, or has a history of breaking out. */
static const char *const hidden[] = {
	"proc/acpi",          "proc/asound",        "proc/kcore",
	"proc/keys",          "proc/key-users",     "proc/latency_stats",
	"proc/timer_list",    "proc/timer_stats",   "proc/sched_debug",
	"proc/scsi",          "proc/interrupts",    "proc/kallsyms",
	"proc/sysrq-trigger", "sys/firmware",       "sys/devices/virtual/powercap",
	"sys/kernel/debug",   "sys/kernel/tracing", "sys/kernel/security",
	"sys/kernel/config",  "sys/fs/bpf",         "sys/fs/selinux",
	"sys/fs/pstore",
};
static const char *const readonly[] = { "proc/bus", "proc/fs", "proc/irq" };

static int open_path(int rootfd, const char *name, struct err *e)
{
	return path_open_in_root(rootfd, name, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS, e);
}

/* Clone what `fd` shows, attributes added, and put it on `at`. */
static int cover(int fd, int at, uint64_t attrs, const char *name, struct err *e)
{
	struct mount_attr a = { .attr_set = attrs };
	auto_fd int tree = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0 || (attrs && mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0) ||
	    move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "cover '/%s'", name);
	return 0;
}

/* An empty, read-only tmpfs on `at`; `*empty` keeps it for the next ones. */
static int cover_empty(int at, int *empty, const char *name, struct err *e)
{
	auto_fd int fs = -1;

	if (*empty >= 0)
		return cover(*empty, at, 0, name, e);
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "cover '/%s'", name);
	*empty = fsmount(fs, FSMOUNT_CLOEXEC,
			 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				 MOUNT_ATTR_NOEXEC);
	if (*empty < 0 ||
	    move_mount(*empty, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "cover '/%s'", name);
	return 0;
}

/* --- RDMA --- */

/* A link of sysfs as it is there. One that is not there, in another kernel's tree, is none here. */
static int copy_link(int from, int to, const char *name, struct err *e)
{
	char target[512];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n <= 0)
		return 0;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? err_sys(e, "show '%s' in /sys/class", name) : 0;
}

/* What libibverbs asks before it looks for devices. */
static void copy_abi(int from, int to)
{
	auto_fd int in = openat(from, "abi_version", O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
	char text[32];
	ssize_t n = in < 0 ? -1 : read(in, text, sizeof(text));

	if (n <= 0)
		return;
	out = openat(to, "abi_version", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (out >= 0)
		(void)fd_write_all(out, text, (size_t)n);
}

/*
 * A class of devices that shows its own RDMA device alone, or none.  In exclusive mode the kernel shows no other one in
 * /sys/class/infiniband; nodes it shows all of them.
 */
static int show_own(int rootfd, const char *name, const char *own, struct err *e)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	auto_fd int at = open_path(rootfd, name, e), fs = -1, tree = -1, from = -1;

	if (at < 0)
		return at == -ENOENT ? 0 : at;
	from = path_open_in_root(rootfd, name, O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS, e);
	if (from < 0)
		return from;
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "4", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "cover '/%s'", name);
	tree = fsmount(fs, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (tree < 0)
		return err_sys(e, "cover '/%s'", name);
	if (own) {
		int r = copy_link(from, tree, own, e);

		if (r < 0)
			return r;
		copy_abi(from, tree);
	}
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &ro, sizeof(ro)) < 0 ||
	    move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "cover '/%s'", name);
	return 0;
}

static int mask_rdma(int rootfd, const struct given *g, struct err *e)
{
	bool own = g && g->rdma[0];
	int r = show_own(rootfd, "sys/class/infiniband", own ? g->rdma : NULL, e);

	if (r == 0)
		r = show_own(rootfd, "sys/class/infiniband_verbs", own ? g->uverbs : NULL, e);
	return r < 0 ? r : show_own(rootfd, "sys/class/infiniband_mad", NULL, e);
}

static int hide(int rootfd, int null, int *empty, const char *name, struct err *e)
{
	auto_fd int at = open_path(rootfd, name, e);
	struct stat st;

	if (at < 0)
		return at == -ENOENT || at == -EACCES ? 0 : at;
	if (fstat(at, &st) < 0)
		return err_sys(e, "cover '/%s'", name);
	return S_ISDIR(st.st_mode)
		       ? cover_empty(at, empty, name, e)
		       : cover(null, at, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
			       name, e);
}

static int make_readonly(int rootfd, const char *name, struct err *e)
{
	auto_fd int at = open_path(rootfd, name, e);

	return at == -ENOENT ? 0 : at < 0 ? at : cover(at, at, MOUNT_ATTR_RDONLY, name, e);
}

/* /proc/sys read-only but for net, whose settings are the workspace's own. */
static int protect_sysctl(int rootfd, struct err *e)
{
	auto_fd int net = open_path(rootfd, "proc/sys/net", e), at = -1;
	int r;

	if (net < 0 && net != -ENOENT)
		return net;
	r = make_readonly(rootfd, "proc/sys", e);
	if (r < 0 || net < 0)
		return r;
	at = open_path(rootfd, "proc/sys/net", e);
	return at < 0 ? at : cover(net, at, 0, "proc/sys/net", e);
}

int rootfs_mask(int rootfd, const struct plan *p, struct err *e)
{
	auto_fd int null = open_path(rootfd, "dev/null", e), empty = -1;
	int r = 0;

	if (null < 0)
		return null;
	if (p->spec->nesting)
		return 0;
	for (unsigned int i = 0; i < sizeof(hidden) / sizeof(hidden[0]) && r == 0; i++)
		r = hide(rootfd, null, &empty, hidden[i], e);
	for (unsigned int i = 0; i < sizeof(readonly) / sizeof(readonly[0]) && r == 0; i++)
		r = make_readonly(rootfd, readonly[i], e);
	if (r == 0)
		r = mask_rdma(rootfd, p->given, e);
	return r < 0 ? r : protect_sysctl(rootfd, e);
}
