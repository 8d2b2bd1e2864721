/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making the home directory of a new user. /etc/skel is the tenant's: nothing in it is followed, and all is bounded. */
#include "home.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

struct copy {
	const struct account *account;
	unsigned int entries, depth;
	size_t bytes;
};

bool home_missing(int root, const struct account *a)
{
	struct stat st;

	return a->home[1] && fstatat(root, a->home + 1, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT;
}

static int copy_bytes(struct copy *c, int from, int to)
{
	static char buf[64 * 1024];
	ssize_t n;
	int r;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		c->bytes += (size_t)n;
		if (c->bytes > HOME_BYTES_MAX)
			return -EFBIG;
		r = fd_write_all(to, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	return 0; /* what cannot be read is left out */
}

static int copy_file(struct copy *c, int from, int to, const char *name)
{
	auto_fd int in = openat(from, name,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC),
		    out = -1;
	struct stat st;
	int r;

	if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	r = copy_bytes(c, in, out);
	if (r == 0 && (fchown(out, c->account->uid, c->account->gid) < 0 ||
		       fchmod(out, st.st_mode & 0777) < 0))
		r = -errno;
	return r;
}

static int copy_link(struct copy *c, int from, int to, const char *name)
{
	char target[INIT_PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target));

	if (n < 0 || n == (ssize_t)sizeof(target))
		return 0;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, c->account->uid, c->account->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_dir(struct copy *c, int from, int to);

/* A new directory, open, nobody else's yet: its descriptor or -errno. */
static int make_dir(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int copy_subdir(struct copy *c, int from, int to, const char *name)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
		    out = -1;
	struct stat st;
	int r;

	if (in < 0 || fstat(in, &st) < 0 || c->depth == HOME_DEPTH_MAX)
		return 0;
	out = make_dir(to, name);
	if (out < 0)
		return out;
	c->depth++;
	r = copy_dir(c, in, out);
	c->depth--;
	if (r == 0 && (fchown(out, c->account->uid, c->account->gid) < 0 ||
		       fchmod(out, st.st_mode & 0777) < 0))
		r = -errno;
	return r;
}

static int copy_entry(struct copy *c, int from, int to, const struct dirent *d)
{
	struct stat st;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return 0;
	if (++c->entries > HOME_ENTRIES_MAX ||
	    fstatat(from, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(c, from, to, d->d_name);
	case S_IFLNK:
		return copy_link(c, from, to, d->d_name);
	case S_IFDIR:
		return copy_subdir(c, from, to, d->d_name);
	default:
		return 0;
	}
}

static int copy_dir(struct copy *c, int from, int to)
{
	auto_dir DIR *dir = NULL;
	struct dirent *d;
	int fd = dup(from);
	int r = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	while (r == 0 && (d = readdir(dir)))
		r = copy_entry(c, from, to, d);
	return r;
}

static int fill(int root, int parent, const char *temp, const struct account *a)
{
	struct copy c = { .account = a };
	auto_fd int skel = openat(root, "etc/skel",
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
		    dir = -1;
	int r = 0;

	dir = make_dir(parent, temp);
	if (dir < 0)
		return dir;
	if (skel >= 0)
		r = copy_dir(&c, skel, dir);
	if (r == 0 && (fchown(dir, a->uid, a->gid) < 0 || fchmod(dir, 0755) < 0))
		r = -errno;
	return r;
}

int home_make(int root, const struct account *a, struct err *e)
{
	char dir[INIT_PATH_MAX], temp[STR_NAME_MAX + 16];
	const char *name = strrchr(a->home, '/') + 1;
	auto_fd int parent = -1;
	int r;

	if (!home_missing(root, a) || !*name)
		return 0;
	str_format(dir, sizeof(dir), "./%.*s", (int)(name - a->home - 1), a->home + 1);
	if (strcmp(dir, "./home/") == 0)
		(void)mkdirat(root, "home", 0755);
	parent = openat(root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return 0; /* a system user's /nonexistent */
	str_format(temp, sizeof(temp), ".sshbay-new-%s", a->name);
	r = path_remove_tree(parent, temp, e);
	if (r < 0)
		return err_wrap(e, "make home directory '%s'", a->home);
	r = fill(root, parent, temp, a);
	if (r == 0 && renameat2(parent, temp, parent, name, RENAME_NOREPLACE) < 0 &&
	    errno != EEXIST)
		r = -errno;
	if (r < 0) {
		(void)path_remove_tree(parent, temp, NULL);
		return err_ret(e, r, "make home directory '%s'", a->home);
	}
	return 0;
}
