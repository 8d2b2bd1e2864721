/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of ours (dirfd + relative name) and paths below a rootfs that a tenant controls (openat2 only).
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct path_content {
	const void *buf;
	size_t len;
	mode_t mode;
	bool durable;
};
/* Write dirfd/name: temporary file, fsync if `durable`, rename, fsync of the directory if `durable`. */
int path_write_atomic(int dirfd, const char *name, const struct path_content *c, struct err *e);
/* Read a regular file (O_NOFOLLOW, O_NONBLOCK) of at most `cap`-1 bytes; NUL-terminates; *len without the NUL. */
int path_read(int dirfd, const char *name, char *buf, size_t cap, size_t *len, struct err *e);
/* mkdir -p with `mode`; an existing directory is fine, anything else is an error. */
int path_mkdirs(const char *path, mode_t mode, struct err *e);
/* openat2(RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS|resolve_extra) below the O_PATH fd of a rootfs. fd or -errno. */
int path_open_in_root(int rootfd, const char *name, uint64_t flags, uint64_t resolve_extra,
		      struct err *e);
/* Open directory `path` (O_PATH|O_DIRECTORY|O_CLOEXEC). fd or -errno. */
int path_open_dir(const char *path, struct err *e);
/*
 * Remove dirfd/name and everything below it, never following a symbolic link, never crossing a mount, clearing the
 * immutable and append-only flags it meets. A name that does not exist is success. Resumable after interruption.
 */
int path_remove_tree(int dirfd, const char *name, struct err *e);
/* Write the string to a /proc or /sys file in one write(2). */
int path_write_sys(const char *path, const char *value, struct err *e);
