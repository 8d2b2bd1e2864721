/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * path_remove_tree: removal of a tree that a tenant filled.  No name below it is ever resolved through a link or over a
 * mount (openat2 with RESOLVE_NO_XDEV), and the depth of the tree costs neither stack nor descriptors: a directory that
 * is too deep is first moved up to the top of the tree and met again there.
 */
#include "base/path.h"
#include "base/fd.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEPTH_MAX 24 /* directories open at once */
#define VIS       96

struct removal {
	int top;          /* the tree's own directory: where deep ones are moved to */
	uint64_t moved;   /* number for the next one's name */
	const char *name; /* of the tree, for messages */
};

static int fail(struct removal *rm, const char *entry, const char *what, struct err *e)
{
	int code = errno;
	char vis[VIS];

	str_vis(entry, strlen(entry), vis, sizeof(vis));
	if (code == EXDEV)
		return err_set(e, EBUSY, "remove '%s': something is mounted on '%s' in it",
			       rm->name, vis);
	return err_ret(e, -code, "remove '%s': %s '%s'", rm->name, what, vis);
}

/* fd, or -1 with errno. EXDEV: a mount point. ELOOP: a symbolic link. */
static int open_below(int dirfd, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

/* Clear chattr +i and +a. Filesystems without them refuse the ioctl, and then they were not the reason. */
static void clear_flags(int fd)
{
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))) {
		flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

static void clear_flags_of(int dirfd, const char *name)
{
	auto_fd int fd = -1;
	struct stat st;

	clear_flags(dirfd);
	/* Only files and directories have such flags, and opening anything else may have effects. */
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return;
	fd = open_below(dirfd, name, O_RDONLY);
	if (fd >= 0)
		clear_flags(fd);
}

/* unlinkat, once more after clearing flags when they may be the reason. 0 or -1 with errno. */
static int unlink_hard(int dirfd, const char *name, int flags)
{
	if (unlinkat(dirfd, name, flags) == 0)
		return 0;
	if (errno != EPERM && errno != EACCES)
		return errno == ENOENT ? 0 : -1;
	clear_flags_of(dirfd, name);
	return unlinkat(dirfd, name, flags) == 0 || errno == ENOENT ? 0 : -1;
}

/* Move a deep directory to the top under a name that nothing has. */
static int move_up(struct removal *rm, int dirfd, const char *name, struct err *e)
{
	char to[64];

	for (int tries = 0; tries < 4096; tries++) {
		(void)str_format(to, sizeof(to), ".sshbay-removing-%llu",
				 (unsigned long long)rm->moved++);
		if (renameat2(dirfd, name, rm->top, to, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno == EPERM || errno == EACCES) {
			clear_flags_of(dirfd, name);
			clear_flags(rm->top);
			if (renameat2(dirfd, name, rm->top, to, RENAME_NOREPLACE) == 0)
				return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return fail(rm, name, "move deep directory", e);
}

static int empty_dir(struct removal *rm, int fd, int depth, struct err *e);

static int remove_dir(struct removal *rm, int dirfd, const char *name, int depth, struct err *e)
{
	auto_fd int fd = -1;
	int r;

	if (depth >= DEPTH_MAX)
		return move_up(rm, dirfd, name, e);
	fd = open_below(dirfd, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0 && errno == EACCES) {
		/* Mode 0 stops a caller without CAP_DAC_OVERRIDE. */
		if (fchmodat(dirfd, name, 0700, AT_SYMLINK_NOFOLLOW) < 0)
			return fail(rm, name, "open directory", e);
		fd = open_below(dirfd, name, O_RDONLY | O_DIRECTORY);
	}
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(rm, name, "open directory", e);
	r = empty_dir(rm, fd, depth, e);
	if (r < 0)
		return r;
	if (unlink_hard(dirfd, name, AT_REMOVEDIR) < 0)
		return fail(rm, name, "remove directory", e);
	return 0;
}

static int remove_entry(struct removal *rm, int dirfd, const char *name, int depth, struct err *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return errno == ENOENT ? 0 : fail(rm, name, "look at", e);
	if (S_ISDIR(st.st_mode))
		return remove_dir(rm, dirfd, name, depth, e);
	if (unlink_hard(dirfd, name, 0) < 0)
		return fail(rm, name, "remove", e);
	return 0;
}

/* Remove what is in the directory `fd`, until a pass over it finds nothing (deep directories come back to the top). */
static int empty_dir(struct removal *rm, int fd, int depth, struct err *e)
{
	auto_dir DIR *d = NULL;
	unsigned int found;
	int copy = open_below(fd, ".", O_RDONLY | O_DIRECTORY), r;

	if (copy < 0)
		return fail(rm, ".", "open directory", e);
	d = fdopendir(copy);
	if (!d) {
		fd_close(&copy);
		return fail(rm, ".", "read directory", e);
	}
	do {
		struct dirent *entry;

		found = 0;
		rewinddir(d);
		while ((errno = 0, entry = readdir(d))) {
			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			found++;
			r = remove_entry(rm, fd, entry->d_name, depth + 1, e);
			if (r < 0)
				return r;
		}
		if (errno)
			return fail(rm, ".", "read directory", e);
	} while (found);
	return 0;
}

int path_remove_tree(int dirfd, const char *name, struct err *e)
{
	struct removal rm = { .top = -1, .name = name };
	auto_fd int top = -1;
	struct stat st;
	int r;

	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strchr(name, '/'))
		return err_set(e, EINVAL, "remove '%s': not the name of an entry", name);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove '%s'", name);
	if (!S_ISDIR(st.st_mode))
		return remove_entry(&rm, dirfd, name, 0, e);
	top = open_below(dirfd, name, O_RDONLY | O_DIRECTORY);
	if (top < 0)
		return fail(&rm, name, "open directory", e);
	rm.top = top;
	r = empty_dir(&rm, top, 0, e);
	if (r < 0)
		return r;
	if (unlink_hard(dirfd, name, AT_REMOVEDIR) < 0)
		return fail(&rm, name, "remove directory", e);
	return 0;
}
