/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store of images, [storage] images: NAME@VERSION/{rootfs,manifest} as scripts/mkrootfs leaves them, and NAME, a link
 * to the version that new workspaces get.  A directory NAME with a rootfs and no version is one, too.  A version is used
 * while a workspace's files lie on it (state/workspaces/NAME/image, made by rootfs.c), running or not.
 */
#pragma once
#include "base/err.h"
#include "settings.h"
#include <stdbool.h>
#include <stdint.h>

#define IMAGE_NAME_MAX 64 /* of a version, "bookworm@20260101.120000", with its NUL */

struct image {
	char name[IMAGE_NAME_MAX];    /* what a workspace's `image` says */
	char version[IMAGE_NAME_MAX]; /* the directory's name */
	bool current;                 /* new workspaces get this version */
	char origin[128];             /* "Debian bookworm", the imported file's name; "" unknown */
	uint64_t bytes, created;      /* of its files; seconds since the epoch; 0 = unknown */
	unsigned int users;           /* workspaces whose files lie on it */
	char user[STR_NAME_MAX];      /* one of them; "" none */
};

/* May `name` be the name of an image ([a-z0-9][a-z0-9._-]*, at most 40 bytes)? */
bool image_is_name(const char *name);
/* All versions, sorted by name and age. *out is the caller's to free. Their number or -errno. */
int image_list(const struct settings *s, struct image **out, struct err *e);
/*
 * Delete one version. -EBUSY when a workspace uses it, -ENOENT when there is none. It disappears in one step, before its
 * files go; the link moves to the newest version that is left, or goes too.
 */
int image_remove(const struct settings *s, const char *version, struct err *e);
