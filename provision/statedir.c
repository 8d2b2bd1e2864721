/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State and run directory of provisiond: made, checked, locked.  Main process, before anything else is touched.
 */
#include "statedir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"

#define LOCK_NAME "provisiond.lock"
#define WAIT_MS   10000
#define OWNER_MS  1000 /* one that was just killed may still be on its way out */
#define POLL_MS   20

/* `mode`: what others may at most do with it. */
static int check_dir(const char *path, mode_t mode, struct err *e)
{
	auto_fd int fd = -1;
	struct stat st;
	int ret = path_mkdirs(path, mode, e);

	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "use directory '%s'", path);
	if (st.st_uid != 0)
		return err_set(e, EPERM, "use directory '%s': it belongs to uid %u, not to root",
			       path, st.st_uid);
	if (st.st_mode & 022)
		return err_set(e, EPERM,
			       "use directory '%s': others than root may write to it (chmod go-w)",
			       path);
	if ((st.st_mode & 0777) != mode && fchmod(fd, mode) < 0)
		return err_sys(e, "set mode of '%s'", path);
	return 0;
}

/* The pid in a lock file when that process is a living provisiond, else 0: one that was killed has given its lock up before
 * it is a zombie, and may stay one for as long as its parent likes. */
static pid_t lock_owner(int fd)
{
	char text[32] = "", stat[512], path[64];
	const char *comm;
	uint64_t pid;
	size_t len;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	if (num_u64(text, 1, INT32_MAX, &pid, NULL))
		return 0;
	str_format(path, sizeof(path), "/proc/%s/stat", text);
	if (path_read(AT_FDCWD, path, stat, sizeof(stat), &len, NULL))
		return 0;
	comm = strchr(stat, '('); /* "PID (COMM) STATE ..." */
	if (!comm || strncmp(comm, "(provisiond) ", 13) != 0 || strchr("ZX", comm[13]))
		return 0;
	return (pid_t)pid;
}

static int wait_for_lock(int fd, const char *path, struct err *e)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	for (int waited = 0;; waited += POLL_MS) {
		pid_t owner;

		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock '%s'", path);
		owner = lock_owner(fd);
		if (owner && waited >= OWNER_MS)
			return err_set(e, EBUSY, "lock '%s': provisiond with pid %d uses it", path,
				       (int)owner);
		if (waited >= WAIT_MS)
			return err_set(e, EBUSY,
				       "lock '%s': a worker of a former provisiond does not end",
				       path);
		nanosleep(&pause, NULL);
	}
}

static int take_lock(const char *dir, int *lock, struct err *e)
{
	char path[PATH_MAX], text[32];
	auto_fd int fd = -1;
	int ret;

	if (str_format(path, sizeof(path), "%s/" LOCK_NAME, dir))
		return err_set(e, ENAMETOOLONG, "lock '%s': name too long", dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "lock '%s'", path);
	ret = wait_for_lock(fd, path, e);
	if (ret)
		return ret;
	str_format(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		log_warn("write '%s': %s", path,
			 strerror(errno)); /* a full disk: only the pid is not told */
	*lock = fd_take(&fd);
	return 0;
}

int statedir_open(const struct settings *s, struct statedir *d, struct err *e)
{
	int ret;

	d->runlock = d->statelock = -1;
	ret = check_dir(s->storage.state, 0700, e);
	if (!ret)
		ret = check_dir(s->storage.run, 0755, e);
	if (!ret)
		ret = path_mkdirs(s->storage.images, 0700, e);
	if (!ret)
		ret = take_lock(s->storage.run, &d->runlock, e);
	if (!ret && strcmp(s->storage.run, s->storage.state))
		ret = take_lock(s->storage.state, &d->statelock, e);
	if (ret)
		statedir_close(d);
	return ret;
}

void statedir_close(struct statedir *d)
{
	fd_close(&d->runlock);
	fd_close(&d->statelock);
}
