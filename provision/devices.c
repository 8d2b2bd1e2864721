/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks a workspace's /dev against the table of nodes.  Runs in workers.  Resolves nothing by path below the root but
 * with openat2, and trusts only the device numbers that it reads itself.
 */
#include "devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* Documentation/admin-guide/devices.txt */
const struct devices_node devices_nodes[] = {
	{ "null", 1, 3, true, false },        { "zero", 1, 5, true, false },
	{ "full", 1, 7, true, false },        { "random", 1, 8, true, false },
	{ "urandom", 1, 9, true, false },     { "tty", 5, 0, true, false },
	{ "net/tun", 10, 200, false, false }, { "fuse", 10, 229, false, true },
	{ NULL, 0, 0, false, false },
};

static int open_dev(const struct plan *p, struct err *e)
{
	auto_fd int root = -1;
	char path[32];

	/* The process behind the number is ws-init as long as its pidfd has not become readable: it is our child. */
	(void)str_format(path, sizeof(path), "/proc/%u/root", p->rec->init_pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, "open the root of '%s'", p->rec->name);
	return path_open_in_root(root, "dev", O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS, e);
}

static int check_node(int dev, const struct devices_node *n, struct err *e)
{
	struct stat st;
	auto_fd int fd = path_open_in_root(dev, n->name, O_PATH, RESOLVE_NO_SYMLINKS, e);

	if (fd == -ENOENT && !n->needed)
		return 0;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "look at '/dev/%s'", n->name);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(n->major, n->minor))
		return err_set(e, ENODEV, "look at '/dev/%s': not device %u:%u", n->name, n->major,
			       n->minor);
	return 0;
}

static bool known(dev_t rdev)
{
	for (const struct devices_node *n = devices_nodes; n->name; n++)
		if (rdev == makedev(n->major, n->minor))
			return true;
	return false;
}

/* No device in this directory but those of the table. */
static int check_others(int dirfd, const char *where, struct err *e)
{
	auto_dir DIR *dir = NULL;
	auto_fd int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || !(dir = fdopendir(fd)))
		return err_sys(e, "list '%s'", where);
	(void)fd_take(&fd);
	for (struct dirent *d; (d = readdir(dir));) {
		char vis[64];
		struct stat st;

		if (fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && !known(st.st_rdev)))
			return err_set(e, ENODEV, "look at '%s/%s': a device that was not given",
				       where,
				       str_vis(d->d_name, strlen(d->d_name), vis, sizeof(vis)));
	}
	return 0;
}

static int check_pts(int dev, struct err *e)
{
	auto_fd int fd = path_open_in_root(dev, "pts/ptmx", O_PATH, RESOLVE_NO_SYMLINKS, e);
	struct statfs fs;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(e, ENODEV, "look at '/dev/pts/ptmx': not on devpts");
	return 0;
}

int devices_up(struct plan *p, struct err *e)
{
	auto_fd int dev = open_dev(p, e), net = -1;
	struct err ignored;
	int r = dev < 0 ? dev : 0;

	for (const struct devices_node *n = devices_nodes; n->name && r == 0; n++)
		r = check_node(dev, n, e);
	if (r == 0)
		r = check_pts(dev, e);
	if (r == 0)
		r = check_others(dev, "/dev", e);
	if (r == 0)
		net = path_open_in_root(dev, "net", O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS,
					&ignored);
	if (net >= 0)
		r = check_others(net, "/dev/net", e);
	return r < 0 ? err_wrap(e, "check the devices of '%s'", p->rec->name) : 0;
}

int devices_down(struct plan *p, struct err *e)
{
	/* The nodes are mounts of the workspace's own mount namespace: they end with its last process. */
	(void)p, (void)e;
	return 0;
}
