/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See private_dir.h.  What is made is opened and looked at before it is used; whoever may rename in /tmp gains nothing. */
#include "private_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define PARENT    "/tmp"
#define PREFIX    "ssh-"
#define RANDOM    10 /* characters */
#define NAME      (sizeof(PREFIX) - 1 + RANDOM)
#define TRIES     8
#define SWEEP_MAX 4096 /* entries of /tmp that are looked at */
#define LETTERS                                                                                    \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB" /* 64: two twice */

static int random_name(char name[NAME + 1])
{
	uint8_t r[RANDOM];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return -EIO;
	memcpy(name, PREFIX, sizeof(PREFIX) - 1);
	for (size_t i = 0; i < RANDOM; i++)
		name[sizeof(PREFIX) - 1 + i] = LETTERS[r[i] % 64];
	name[NAME] = '\0';
	return 0;
}

/* fd of a directory of this user's own that nobody else may enter, or -errno. */
static int open_own(int parent, const char *name)
{
	auto_fd int fd =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return -EEXIST;
	return fd_take(&fd);
}

int private_dir_make(char path[PRIVATE_DIR_MAX], struct err *e)
{
	auto_fd int parent = open(PARENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir = -1;
	char name[NAME + 1];
	int r = parent < 0 ? -errno : -EEXIST;

	for (int i = 0; i < TRIES && r == -EEXIST; i++) {
		r = random_name(name);
		if (r == 0 && mkdirat(parent, name, 0700) < 0)
			r = -errno;
	}
	if (r < 0)
		return err_ret(e, r, "make a directory in '" PARENT "'");
	dir = open_own(parent, name);
	if (dir < 0 || fchdir(dir) < 0)
		return err_ret(e, dir < 0 ? dir : -errno, "enter directory '" PARENT "/%s'", name);
	(void)str_format(path, PRIVATE_DIR_MAX, PARENT "/%s", name);
	return 0;
}

void private_dir_remove(const char *file)
{
	static const char start[] = PARENT "/" PREFIX;
	size_t at = sizeof(PARENT), n = strlen(file);
	auto_fd int parent = -1, dir = -1;
	char name[NAME + 1];

	if (n <= at + NAME + 1 || strncmp(file, start, sizeof(start) - 1) != 0 ||
	    file[at + NAME] != '/' || strchr(file + at + NAME + 1, '/'))
		return;
	memcpy(name, file + at, NAME);
	name[NAME] = '\0';
	if (strchr(name, '/'))
		return;
	parent = open(PARENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent >= 0)
		dir = open_own(parent, name);
	if (dir < 0)
		return;
	(void)unlinkat(dir, file + at + NAME + 1, 0);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* Sockets of agents and authority files alone: whatever else somebody keeps there stays, and the directory with it. */
static void sweep_one(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!d) {
		fd_close(&fd);
		return;
	}
	for (int i = 0; i < SWEEP_MAX && (entry = readdir(d)); i++) {
		bool agent = strncmp(entry->d_name, "agent.", 6) == 0;

		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if ((agent && S_ISSOCK(st.st_mode)) ||
		    (S_ISREG(st.st_mode) && strcmp(entry->d_name, "Xauthority") == 0))
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

void private_dir_sweep(void)
{
	int fd = open(PARENT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d) {
		fd_close(&fd);
		return;
	}
	for (int i = 0; i < SWEEP_MAX && (entry = readdir(d)); i++)
		if (strlen(entry->d_name) == NAME &&
		    strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) == 0)
			sweep_one(dirfd(d), entry->d_name);
	closedir(d);
}
