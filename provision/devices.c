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
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "given.h"
#include "given_left.h"

#define DEPTH_MAX 4 /* folders below /dev */

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

/* What rootfs_enter was told to show: there, the device that was meant, and the workspace's own. */
static int check_given(const struct plan *p, int dev, const struct given_node *n, struct err *e)
{
	auto_fd int fd =
		path_open_in_root(dev, n->path + strlen("/dev/"), O_PATH, RESOLVE_NO_SYMLINKS, e);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "look at '%s'", n->path);
	if (st.st_rdev != makedev(n->major, n->minor) || n->block != S_ISBLK(st.st_mode) ||
	    (!n->block && !S_ISCHR(st.st_mode)))
		return err_set(e, ENODEV, "look at '%s': not device %u:%u", n->path, n->major,
			       n->minor);
	if (st.st_uid != p->rec->id_base + n->uid || st.st_gid != p->rec->id_base + n->gid)
		return err_set(e, EPERM, "look at '%s': not the workspace's own", n->path);
	return 0;
}

static bool known(const struct plan *p, mode_t type, dev_t rdev)
{
	if (given_find(p, type, rdev))
		return true;
	if (!S_ISCHR(type))
		return false;
	for (const struct devices_node *n = devices_nodes; n->name; n++)
		if (rdev == makedev(n->major, n->minor))
			return true;
	return false;
}

static int check_others(const struct plan *p, int dirfd, const char *where, int depth,
			struct err *e);

/* One name. Directories are looked into; what is mounted on one of them (pts, shm, mqueue) is not part of /dev. */
static int check_other(const struct plan *p, int dirfd, const char *name, const char *where,
		       int depth, struct err *e)
{
	char vis[64], below[128];
	struct stat st, up;
	auto_fd int sub = -1;

	if (!strcmp(name, ".") || !strcmp(name, "..") ||
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	str_vis(name, strlen(name), vis, sizeof(vis));
	if ((S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) && !known(p, st.st_mode, st.st_rdev))
		return err_set(e, ENODEV, "look at '%s/%s': a device that was not given", where,
			       vis);
	if (!S_ISDIR(st.st_mode) || fstat(dirfd, &up) < 0 || up.st_dev != st.st_dev)
		return 0;
	(void)str_format(below, sizeof(below), "%s/%s", where, vis);
	if (depth == 0)
		return err_set(e, ELOOP, "look at '%s': too deep", below);
	sub = path_open_in_root(dirfd, name, O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS, e);
	return sub < 0 ? sub : check_others(p, sub, below, depth - 1, e);
}

/* No device in this directory but those of the tables. */
static int check_others(const struct plan *p, int dirfd, const char *where, int depth,
			struct err *e)
{
	auto_dir DIR *dir = NULL;
	auto_fd int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || !(dir = fdopendir(fd)))
		return err_sys(e, "list '%s'", where);
	(void)fd_take(&fd);
	for (struct dirent *d; (d = readdir(dir));) {
		int r = check_other(p, dirfd, d->d_name, where, depth, e);

		if (r < 0)
			return r;
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
	auto_fd int dev = open_dev(p, e);
	int r = dev < 0 ? dev : 0;
	struct err why = { 0 };

	for (const struct devices_node *n = devices_nodes; n->name && r == 0; n++)
		r = check_node(dev, n, e);
	for (unsigned int i = 0; p->given && i < p->given->nnodes && r == 0; i++)
		r = check_given(p, dev, &p->given->nodes[i], e);
	if (r == 0)
		r = check_pts(dev, e);
	if (r == 0)
		r = check_others(p, dev, "/dev", DEPTH_MAX, e);
	if (r < 0)
		return err_wrap(e, "check the devices of '%s'", p->rec->name);
	/* A longer note does no harm: the next start looks for what is not there any more. */
	if (given_left_settle(p, &why) < 0)
		log_warn("%s", why.text);
	return 0;
}

int devices_down(struct plan *p, struct err *e)
{
	/* The nodes are mounts of the workspace's own mount namespace: they end with its last process. */
	(void)p, (void)e;
	return 0;
}
