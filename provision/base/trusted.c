/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See trusted.h.  The way to the file is walked from the root directory down, links resolved by hand, and each step is
 * looked at before it is used.  Any process of root's that believes what a file says.
 */
#include "base/trusted.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define LINKS_MAX 8

static int check_owner(const char *path, const struct stat *st, struct err *e)
{
	bool link = S_ISLNK(st->st_mode); /* its mode says nothing */
	/* In a sticky directory of root's nobody else can replace or remove what root owns. */
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && st->st_uid == 0;

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, EPERM, "trust '%s': not owned by root", path);
	if (!link && !sticky && (st->st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(e, EPERM, "trust '%s': writable by group or others (chmod go-w)",
			       path);
	return 0;
}

/* A path being walked: directory by directory, links resolved by hand, so that each is looked at before it is used. */
struct walk {
	const char *path;        /* for messages */
	char rest[PATH_MAX];     /* what is still to be walked */
	char name[NAME_MAX + 1]; /* the component at hand */
	int dir;
	unsigned int links;
};

/* Split the next component off. False at the end. */
static bool next_name(struct walk *w)
{
	const char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(w->name, p, n);
	w->name[n] = '\0';
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return true;
}

static int follow(struct walk *w, int linkfd, struct err *e)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(linkfd, "", target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, "read link '%s'", w->path);
	if (++w->links > LINKS_MAX)
		return err_set(e, ELOOP, "trust '%s': too many symbolic links", w->path);
	target[n] = '\0';
	if (str_format(rest, sizeof(rest), "%s/%s", target, w->rest) < 0)
		return err_set(e, ENAMETOOLONG, "trust '%s': path too long", w->path);
	memcpy(w->rest, rest, strlen(rest) + 1);
	if (target[0] != '/')
		return 0;
	fd_close(&w->dir);
	w->dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->dir < 0 ? err_sys(e, "open '/'") : 0;
}

/* The component at hand. 1: it is the file, *file is open. 0: go on. */
static int step(struct walk *w, int *file, struct err *e)
{
	auto_fd int fd = openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char again[32];
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open '%s'", w->path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "open '%s'", w->path);
	if (check_owner(w->path, &st, e) < 0)
		return err_wrap(e, "component '%s'", w->name);
	if (S_ISLNK(st.st_mode))
		return follow(w, fd, e);
	if (S_ISDIR(st.st_mode)) {
		fd_close(&w->dir);
		w->dir = fd_take(&fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode) || w->rest[strspn(w->rest, "/")])
		return err_set(e, EINVAL, "read '%s': not a regular file", w->path);
	/* The very file that was looked at, not what its name means now. */
	(void)str_format(again, sizeof(again), "/proc/self/fd/%d", fd);
	*file = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return *file < 0 ? err_sys(e, "read '%s'", w->path) : 1;
}

/* fd or -errno. */
int trusted_open(const char *path, struct err *e)
{
	struct walk w = { .path = path, .dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	int file = -1, ret = 0;
	struct stat st;

	if (w.dir < 0 || fstat(w.dir, &st) < 0)
		ret = err_sys(e, "open '/'");
	else if (str_copy(w.rest, sizeof(w.rest), path) < 0 || *path != '/')
		ret = err_set(e, EINVAL, "read '%s': not an absolute path", path);
	else
		ret = check_owner("/", &st, e);
	while (ret == 0 && next_name(&w))
		ret = step(&w, &file, e);
	fd_close(&w.dir);
	if (ret == 0)
		ret = err_set(e, EINVAL, "read '%s': not a regular file", path);
	return ret < 0 ? ret : file;
}

static int read_text(int fd, const char *path, char **text, size_t *len, struct err *e)
{
	struct stat st;
	size_t got = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "read '%s'", path);
	if (st.st_size > TRUSTED_MAX)
		return err_set(e, EFBIG, "read '%s': larger than 1 MiB", path);
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return err_set(e, ENOMEM, "read '%s': out of memory", path);
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, *text + got, (size_t)st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read '%s'", path);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	(*text)[got] = '\0';
	*len = got;
	return 0;
}

int trusted_read(const char *path, char **text, size_t *len, struct err *e)
{
	auto_fd int fd = -1;
	char *buf = NULL;
	int ret;

	*text = NULL;
	*len = 0;
	fd = trusted_open(path, e);
	if (fd < 0)
		return fd;
	ret = read_text(fd, path, &buf, len, e);
	if (ret < 0)
		free(buf);
	else
		*text = buf;
	return ret;
}
