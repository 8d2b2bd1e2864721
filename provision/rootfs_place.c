/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount points below a root whose upper a tenant has written.  Runs in the helper and in the process that becomes
 * ws-init, before any tenant code.  Every name goes through openat2 and can lead to nothing outside of the root.
 */
#include "rootfs_place.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define ASIDE_MAX 100 /* saved copies of one mount point */

int rootfs_place_source(const char *path, uint64_t attrs, struct err *e)
{
	struct mount_attr a = { .attr_set = attrs, .propagation = MS_PRIVATE };
	auto_fd int fd = open_tree(AT_FDCWD, path,
				   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, "open '%s' for the workspace", path);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return err_sys(e, "protect '%s' for the workspace", path);
	return fd_take(&fd);
}

int rootfs_place_tree(const char *path, uint64_t attrs, struct err *e)
{
	struct mount_attr a = { .attr_set = attrs, .propagation = MS_PRIVATE };
	auto_fd int fd =
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (fd < 0)
		return err_sys(e, "open '%s' for the workspace", path);
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a, sizeof(a)) < 0)
		return err_sys(e, "protect '%s' for the workspace", path);
	return fd_take(&fd);
}

int rootfs_place_aside(int dirfd, const char *name, struct err *e)
{
	char saved[NAME_MAX + 1];

	for (int i = 0; i < ASIDE_MAX; i++) {
		(void)str_format(saved, sizeof(saved), i ? "%s.sshbay-saved.%d" : "%s.sshbay-saved",
				 name, i);
		if (renameat2(dirfd, name, dirfd, saved, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "move '%s' of the workspace aside", name);
	}
	return err_set(e, EEXIST,
		       "move '%s' of the workspace aside: %d saved ones are there already", name,
		       ASIDE_MAX);
}

/* A directory that really is one, in `dirfd`: made when missing, whatever else is there moved aside. O_PATH fd. */
int rootfs_place_dir(int dirfd, const char *name, mode_t mode, struct err *e)
{
	for (int try = 0; try < 3; try++) {
		int r, fd = path_open_in_root(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW,
					      RESOLVE_NO_SYMLINKS, e);

		if (fd >= 0)
			return fd;
		if (fd == -ENOENT)
			r = mkdirat(dirfd, name, mode) < 0
				    ? err_sys(e, "make '%s' in the workspace", name)
				    : 0;
		else if (fd == -ENOTDIR || fd == -ELOOP)
			r = rootfs_place_aside(dirfd, name, e);
		else
			r = fd;
		if (r < 0)
			return r;
	}
	return err_set(e, EAGAIN, "make '%s' in the workspace: it does not stay", name);
}

int rootfs_place_file(int dirfd, const char *name, struct err *e)
{
	for (int try = 0; try < 3; try++) {
		int r = 0, fd = path_open_in_root(dirfd, name, O_PATH | O_NOFOLLOW,
						  RESOLVE_NO_SYMLINKS, e);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			return fd;
		if (fd >= 0 || fd == -ELOOP) {
			fd_close(&fd);
			r = rootfs_place_aside(dirfd, name, e);
		} else if (fd != -ENOENT) {
			return fd;
		}
		if (r < 0)
			return r;
		fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0644);
		if (fd < 0 && errno != EEXIST)
			return err_sys(e, "make '%s' in the workspace", name);
		fd_close(&fd);
	}
	return err_set(e, EAGAIN, "make '%s' in the workspace: it does not stay", name);
}

int rootfs_place_attach(int mnt, int at, const char *what, struct err *e)
{
	return move_mount(mnt, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? err_sys(e, "mount '%s' in the workspace", what)
		       : 0;
}

/* The directory `prefix` below the root, links followed inside of it; made in `dirfd`, where it is `name`, when missing. */
static int step_down(int rootfd, const char *prefix, int dirfd, const char *name, struct err *e)
{
	for (int try = 0; try < 3; try++) {
		int r, fd = path_open_in_root(rootfd, prefix, O_PATH | O_DIRECTORY, 0, e);

		if (fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
			return fd;
		r = fd == -ENOENT && mkdirat(dirfd, name, 0755) == 0 ? 0 : -EEXIST;
		/* A link that leads nowhere, or a file. */
		if (r < 0)
			r = rootfs_place_aside(dirfd, name, e);
		if (r < 0)
			return r;
	}
	return err_set(e, EAGAIN, "make '%s' in the workspace: it does not stay", prefix);
}

int rootfs_place_parent(int rootfd, const char *path, const char **base, struct err *e)
{
	auto_fd int dir = openat(rootfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char prefix[PATH_MAX], name[NAME_MAX + 1];
	const char *s = path + 1, *slash;

	if (dir < 0)
		return err_sys(e, "open the root of the workspace");
	for (; (slash = strchr(s, '/')); s = slash + 1) {
		int next;

		if (str_format(name, sizeof(name), "%.*s", (int)(slash - s), s) < 0 ||
		    str_format(prefix, sizeof(prefix), "%.*s", (int)(slash - path - 1), path + 1) <
			    0)
			return err_set(e, ENAMETOOLONG, "make '%.80s..': name too long", path);
		next = step_down(rootfd, prefix, dir, name, e);
		if (next < 0)
			return next;
		fd_close(&dir);
		dir = next;
	}
	*base = s;
	return fd_take(&dir);
}
