/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making mount points on a root that a tenant could prepare, and mounting on them.  For rootfs_enter.c and given_enter.c. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A detached, private clone of a path of the host with these MOUNT_ATTR_*; links are not followed. fd. */
int rootfs_place_source(const char *path, uint64_t attrs, struct err *e);
/* The same with everything mounted below it, and a link followed: for paths that an admin's file names. */
int rootfs_place_tree(const char *path, uint64_t attrs, struct err *e);
/*
 * A directory (an empty regular file) that really is one, `name` in `dirfd`: made when missing, whatever else is there
 * moved aside (NAME.sshbay-saved). O_PATH fd.
 */
int rootfs_place_dir(int dirfd, const char *name, mode_t mode, struct err *e);
int rootfs_place_file(int dirfd, const char *name, struct err *e);
/*
 * The directory that `path` (absolute, clean) lies in, below rootfd: links on the way are followed inside the root,
 * missing directories made. O_PATH fd; *base is the last part of `path`.
 */
int rootfs_place_parent(int rootfd, const char *path, const char **base, struct err *e);
/* Rename what stands in the way. */
int rootfs_place_aside(int dirfd, const char *name, struct err *e);
/* Attach the detached mount `mnt` on the directory or file `at`. */
int rootfs_place_attach(int mnt, int at, const char *what, struct err *e);
