/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The four account files.  Replaced by rename, so that a killed helper leaves the old or the new content; the temporary
 * names are fixed and written under the lock, so that nothing piles up.
 */
#include "etc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fd.h"
#include "base/path.h"

static const struct {
	const char *name, *temp;
} files[ETC_FILES] = {
	{ "etc/passwd", "etc/.passwd.sshbay" },
	{ "etc/group", "etc/.group.sshbay" },
	{ "etc/shadow", "etc/.shadow.sshbay" },
	{ "etc/gshadow", "etc/.gshadow.sshbay" },
};

/* .bss of a helper: pages that are not used cost nothing. */
static char texts[ETC_FILES][PASSWD_FILE_MAX + 1];
static char composed[PASSWD_FILE_MAX];
static struct passwd_out out = { .data = composed, .cap = sizeof(composed) };
static int to_sync[ETC_FILES + 1];
static int nsync;

struct passwd_out *etc_out(void)
{
	return &out;
}

int etc_read(int root, enum etc_file f, struct passwd_text *t, struct err *e)
{
	static const char verb[] = "read '"; /* how path_read begins; it does not know our root */
	struct err why = { 0 };
	size_t n = 0;
	int r = path_read(root, files[f].name, texts[f], sizeof(texts[f]), &n, &why);

	t->data = texts[f];
	t->n = r < 0 ? 0 : n;
	if (r == -ELOOP)
		return err_set(e, ELOOP, "read '/%s': a symbolic link (put a regular file there)",
			       files[f].name);
	if (r < 0)
		return err_set(e, -r, "%s/%s", verb, why.text + sizeof(verb) - 1);
	return 0;
}

int etc_lock(int root, struct err *e)
{
	auto_fd int fd =
		openat(root, "etc/.pwd.lock",
		       O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct timespec pause = { 0, 1000000 };
	long waited_us = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "lock '/etc/.pwd.lock'");
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "lock '/etc/.pwd.lock': not a regular file");
	/* An OFD lock: it conflicts with the POSIX lock of lckpwdf and is not lost when another fd is closed. */
	while (fcntl(fd, F_OFD_SETLK, &fl) < 0) {
		if (waited_us > ETC_LOCK_MS * 1000L)
			return err_set(e, ETIMEDOUT,
				       "lock '/etc/.pwd.lock': held by another program "
				       "(useradd, passwd or vipw in the workspace?)");
		nanosleep(&pause, NULL);
		waited_us += pause.tv_nsec / 1000;
		if (pause.tv_nsec < 20000000L)
			pause.tv_nsec *= 2;
	}
	return fd_take(&fd);
}

static int write_temp(int root, enum etc_file f, int *fd)
{
	struct stat st = { .st_mode = 0644 };

	if (fstatat(root, files[f].name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return -errno;
	if (unlinkat(root, files[f].temp, 0) < 0 && errno != ENOENT)
		return -errno;
	*fd = openat(root, files[f].temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);
	if (*fd < 0)
		return -errno;
	if (fd_write_all(*fd, out.data, out.len) < 0 || fchown(*fd, st.st_uid, st.st_gid) < 0 ||
	    fchmod(*fd, st.st_mode & 0777) < 0)
		return -errno;
	return 0;
}

int etc_replace(int root, enum etc_file f, struct err *e)
{
	auto_fd int fd = -1;
	int r = write_temp(root, f, &fd);

	if (r == 0 && renameat(root, files[f].temp, root, files[f].name) < 0)
		r = -errno;
	if (r < 0) {
		if (fd >= 0)
			(void)unlinkat(root, files[f].temp, 0);
		return err_ret(e, r, "write '/%s'", files[f].name);
	}
	if (nsync < ETC_FILES)
		to_sync[nsync++] = fd_take(&fd);
	return 0;
}

void etc_sync(void)
{
	for (int i = 0; i < nsync; i++) {
		(void)fsync(to_sync[i]);
		fd_close(&to_sync[i]);
	}
	nsync = 0;
}
