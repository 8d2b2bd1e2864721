/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our own files, written so that a crash leaves the old or the new content; and opening below a tenant's root, where
 * only openat2(2) may resolve a name.  Runs in provisiond, its workers and ws-init.
 */
#include "base/path.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define RACE_TRIES                                                                                 \
	64 /* openat2 says EAGAIN when a rename on the host races with ".." (openat2(2)) */

static int fault(const char *point)
{
	int r = fault_point(point);

	if (r < 0)
		errno = -r;
	return r;
}

/* "dir/name" -> "dir/.name.new".  A fixed name: what a crash leaves behind is replaced by the next write. */
static int temp_name(const char *name, char *tmp, size_t size, size_t *dirlen)
{
	const char *slash = strrchr(name, '/');

	*dirlen = slash ? (size_t)(slash - name) + 1 : 0;
	if (name[*dirlen] == '\0')
		return -EINVAL;
	return str_format(tmp, size, "%.*s.%s.new", (int)*dirlen, name, name + *dirlen);
}

static int write_temp(int dirfd, const char *tmp, const struct path_content *c)
{
	auto_fd int fd = -1;
	int r;

	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return -errno;
	if (fault("path.create") < 0)
		return -errno;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fault("path.write");
	if (r == 0)
		r = fd_write_all(fd, c->buf, c->len);
	if (r < 0)
		return r;
	if (fchmod(fd, c->mode) < 0)
		return -errno;
	if (c->durable && (fault("path.fsync") < 0 || fsync(fd) < 0))
		return -errno;
	/* Some filesystems report a failed write only here. */
	return close(fd_take(&fd)) < 0 ? -errno : 0;
}

static int sync_dir(int dirfd, const char *name, size_t dirlen)
{
	char dir[PATH_MAX];
	auto_fd int fd = -1;

	if (str_format(dir, sizeof(dir), "%.*s", (int)dirlen, name) < 0)
		return -ENAMETOOLONG;
	fd = openat(dirfd, dirlen ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fault("path.syncdir") < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int path_write_atomic(int dirfd, const char *name, const struct path_content *c, struct err *e)
{
	char tmp[PATH_MAX];
	size_t dirlen;
	int r = temp_name(name, tmp, sizeof(tmp), &dirlen);

	if (r < 0)
		return err_ret(e, r, "write '%s'", name);
	r = write_temp(dirfd, tmp, c);
	if (r == 0 && (fault("path.rename") < 0 || renameat(dirfd, tmp, dirfd, name) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, tmp, 0);
		return err_ret(e, r, "write '%s'", name);
	}
	r = c->durable ? sync_dir(dirfd, name, dirlen) : 0;
	return r < 0 ? err_ret(e, r, "write '%s' durably", name) : 0;
}

int path_read(int dirfd, const char *name, char *buf, size_t cap, size_t *len, struct err *e)
{
	auto_fd int fd = -1;
	struct stat st;
	size_t got = 0;

	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "read '%s'", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "read '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "read '%s': not a regular file", name);
	/* Until the end, not st_size: files of /proc have no size. */
	for (;;) {
		ssize_t n = read(fd, buf + got, cap - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read '%s'", name);
		if (n == 0)
			break;
		got += (size_t)n;
		if (got == cap)
			return err_set(e, EFBIG, "read '%s': larger than %zu bytes", name, cap - 1);
	}
	buf[got] = '\0';
	*len = got;
	return 0;
}

/* One level: 0 when `path` is a directory now. The mode is exact, whatever the umask. */
static int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? -errno : 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int path_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	int r = 0;

	if (len == 0 || len >= sizeof(part))
		return err_set(e, len ? ENAMETOOLONG : ENOENT, "create directory '%s': bad name",
			       path);
	for (size_t i = 1; i <= len && r == 0; i++) {
		if ((path[i] != '/' && path[i] != '\0') || path[i - 1] == '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		r = make_dir(part, mode);
		if (r < 0)
			return err_ret(e, r, "create directory '%s'", part);
	}
	return 0;
}

int path_open_in_root(int rootfd, const char *name, uint64_t flags, uint64_t resolve_extra,
		      struct err *e)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? 0600 : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve_extra,
	};
	char vis[128];
	int fd = -1;

	for (int i = 0; i < RACE_TRIES && fd < 0; i++) {
		fd = (int)syscall(SYS_openat2, rootfd, name, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN && errno != EINTR)
			break;
	}
	if (fd < 0) {
		int code = errno;

		str_vis(name, strlen(name), vis, sizeof(vis));
		return err_ret(e, -code, "open '%s' in the workspace", vis);
	}
	return fd;
}

int path_open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open directory '%s'", path) : fd;
}

int path_write_sys(const char *path, const char *value, struct err *e)
{
	auto_fd int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	char vis[64];
	ssize_t n;

	str_vis(value, strlen(value), vis, sizeof(vis));
	if (fd < 0)
		return err_sys(e, "write '%s' to '%s'", vis, path);
	do {
		n = write(fd, value, strlen(value));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "write '%s' to '%s'", vis, path);
	if ((size_t)n != strlen(value))
		return err_set(e, EIO, "write '%s' to '%s': only %zd bytes taken", vis, path, n);
	return 0;
}
