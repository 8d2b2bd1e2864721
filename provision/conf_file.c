/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a configuration from disk: only from where nobody but the administrator can have written it.
 * Runs in provisiond, in `sshbay check` and in tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "conf.h"

/* Owner and mode that only the administrator can have given. */
static const char *trust_reason(const struct stat *st)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "not owned by root";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "writable by group or others";
	return NULL;
}

static const char *check_directory(const char *path)
{
	char copy[PATH_MAX];
	struct stat st;

	if (str_copy(copy, sizeof(copy), path) < 0)
		return "path too long";
	if (stat(dirname(copy), &st) < 0)
		return strerror(errno);
	/* In a sticky directory of root's nobody else can replace what root owns. */
	if (st.st_uid == 0 && (st.st_mode & S_ISVTX))
		return NULL;
	return trust_reason(&st);
}

static const char *check_file(int fd, size_t *size)
{
	const char *reason;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	reason = trust_reason(&st);
	if (reason)
		return reason;
	if (st.st_size > CONF_BYTES_MAX)
		return "larger than 256 KiB";
	*size = (size_t)st.st_size;
	return NULL;
}

int conf_load(const char *path, struct conf **out, conf_problem fn, void *ctx)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	auto_free char *text = NULL;
	const char *reason;
	size_t size = 0;

	*out = NULL;
	if (fd < 0) {
		fn(ctx, 0, "", "", strerror(errno));
		return -EINVAL;
	}
	reason = check_file(fd, &size);
	if (reason) {
		fn(ctx, 0, "", "", reason);
		return -EINVAL;
	}
	reason = check_directory(path);
	if (reason) {
		char text_dir[128];

		snprintf(text_dir, sizeof(text_dir), "its directory: %s", reason);
		fn(ctx, 0, "", "", text_dir);
		return -EINVAL;
	}
	text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	if (fd_read_all(fd, text, size) < 0) {
		fn(ctx, 0, "", "", "changed while it was read");
		return -EINVAL;
	}
	return conf_parse(text, size, out, fn, ctx);
}
