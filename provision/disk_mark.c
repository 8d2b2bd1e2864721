/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk_quota_mark: a tree that a tenant filled enters a project.  Only directories and regular files are opened, each
 * below its own directory and through no link; depth costs memory, not descriptors.  What cannot be opened (links,
 * whiteouts, FIFOs, sockets) cannot change its project before kernel 6.17 and would then refuse to be renamed (EXDEV):
 * it is made anew in `work`, which is in the project already, and put in the place of the old one.
 */
#include "disk_quota.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"

#define ANEW "project"

/* A directory that we came through: how to go on in it. */
struct level {
	ino_t ino;
	long at; /* telldir(3) */
};

struct walk {
	int work;
	uint32_t project;
	DIR *dir; /* where we are */
	struct level *levels;
	size_t depth, room;
};

static int fail(const char *name, int code, const char *what, struct err *e)
{
	char vis[96];

	return err_ret(e, -code, "put the files into a project: %s '%s'", what,
		       str_vis(name, strlen(name), vis, sizeof(vis)));
}

/* fd, or -1 with errno. */
static int open_below(int dirfd, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
}

static int enter_project(int fd, uint32_t project, bool dir)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return -1;
	if (x.fsx_projid == project && (!dir || (x.fsx_xflags & FS_XFLAG_PROJINHERIT)))
		return 0;
	x.fsx_projid = project;
	if (dir)
		x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &x);
}

static int copy_special(const struct walk *w, int dirfd, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n;

	if (unlinkat(w->work, ANEW, 0) < 0 && errno != ENOENT)
		return -1;
	if (!S_ISLNK(st->st_mode))
		return mknodat(w->work, ANEW, st->st_mode, st->st_rdev);
	n = readlinkat(dirfd, name, target, sizeof(target));
	if (n < 0 || n >= (ssize_t)sizeof(target))
		return -1;
	target[n] = '\0';
	return symlinkat(target, w->work, ANEW);
}

/* `work` is in the project and hands it on, so what is made there is as it should be. */
static int make_anew(const struct walk *w, int dirfd, const char *name, const struct stat *st,
		     struct err *e)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (copy_special(w, dirfd, name, st) < 0 ||
	    fchownat(w->work, ANEW, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st->st_mode) && fchmodat(w->work, ANEW, st->st_mode & 07777, 0) < 0) ||
	    utimensat(w->work, ANEW, times, AT_SYMLINK_NOFOLLOW) < 0 ||
	    renameat(w->work, ANEW, dirfd, name) < 0)
		return fail(name, errno, "make anew", e);
	return 0;
}

/* --- going through the tree --- */

/* Read the directory `fd` (taken) from now on. */
static int read_dir(struct walk *w, int fd)
{
	DIR *dir = fdopendir(fd);

	if (!dir) {
		int code = errno;

		fd_close(&fd);
		errno = code;
		return -1;
	}
	if (w->dir)
		closedir(w->dir);
	w->dir = dir;
	return 0;
}

static int remember(struct walk *w, struct err *e)
{
	struct stat st;

	if (w->depth == w->room) {
		size_t room = w->room ? 2 * w->room : 64;
		struct level *more = realloc(w->levels, room * sizeof(*more));

		if (!more)
			return err_set(e, ENOMEM, "put the files into a project: out of memory");
		w->levels = more;
		w->room = room;
	}
	if (fstat(dirfd(w->dir), &st) < 0)
		return fail(".", errno, "look at", e);
	w->levels[w->depth++] = (struct level){ st.st_ino, telldir(w->dir) };
	return 0;
}

static int go_down(struct walk *w, const char *name, struct err *e)
{
	auto_fd int fd = open_below(dirfd(w->dir), name, O_DIRECTORY);
	int r;

	if (fd < 0)
		return fail(name, errno, "open", e);
	r = remember(w, e);
	if (r < 0)
		return r;
	return read_dir(w, fd_take(&fd)) < 0 ? fail(name, errno, "read", e) : 0;
}

/* This directory is done. Nobody moves anything here, but a wrong turn would lead out of the tree. */
static int go_up(struct walk *w, struct err *e)
{
	const struct level *up = &w->levels[--w->depth];
	auto_fd int fd = -1;
	struct stat st;

	if (enter_project(dirfd(w->dir), w->project, true) < 0)
		return fail(".", errno, "mark", e);
	fd = openat(dirfd(w->dir), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail("..", errno, "open", e);
	if (st.st_ino != up->ino)
		return fail("..", ESTALE, "come back to", e);
	if (read_dir(w, fd_take(&fd)) < 0)
		return fail("..", errno, "read", e);
	seekdir(w->dir, up->at);
	return 0;
}

static int mark_entry(struct walk *w, const char *name, struct err *e)
{
	auto_fd int fd = -1;
	struct stat st;

	if (fstatat(dirfd(w->dir), name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return fail(name, errno, "look at", e);
	if (S_ISDIR(st.st_mode))
		return go_down(w, name, e);
	if (!S_ISREG(st.st_mode))
		return make_anew(w, dirfd(w->dir), name, &st, e);
	fd = open_below(dirfd(w->dir), name, 0);
	if (fd < 0 || enter_project(fd, w->project, false) < 0)
		return fail(name, errno, "mark", e);
	return 0;
}

static int mark_all(struct walk *w, struct err *e)
{
	for (;;) {
		const struct dirent *d;
		int r = fault_point("disk.mark");

		errno = r < 0 ? -r : 0;
		d = r < 0 ? NULL : readdir(w->dir);
		if (!d && errno)
			return fail(".", errno, "read", e);
		if (!d && !w->depth)
			return 0;
		if (!d)
			r = go_up(w, e);
		else if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			r = mark_entry(w, d->d_name, e);
		if (r < 0)
			return r;
	}
}

int disk_quota_mark(int upper, int work, uint32_t project, struct err *e)
{
	struct walk w = { .work = work, .project = project };
	int fd = open_below(upper, ".", O_DIRECTORY), r;

	if (fd < 0 || read_dir(&w, fd) < 0)
		return fail("upper", errno, "open", e);
	r = enter_project(work, project, true) < 0 ? fail("work", errno, "mark", e) : 0;
	if (r == 0)
		r = mark_all(&w, e);
	if (r == 0 && enter_project(upper, project, true) < 0)
		r = fail("upper", errno, "mark", e);
	closedir(w.dir);
	free(w.levels);
	return r;
}
