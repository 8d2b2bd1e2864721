/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A workspace's own ext4 in the file `disk` of its store, on a loop device.  Only root ever writes the file, and its size
 * is the limit.  The device frees itself when the last mount of it ends (LO_FLAGS_AUTOCLEAR), and nothing is mounted for
 * longer than the overlay lives, so that a crash has nothing to undo.  Runs in workers.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define DISK_IMAGE "disk" /* name in the store */

struct disk_image {
	int store;        /* fd of the directory */
	const char *path; /* its path, for mkfs.ext4 */
	const char *name; /* of the workspace, for messages */
	uint64_t size;    /* bytes; UINT64_MAX: as it is */
	uid_t owner;      /* the workspace's first id: tells whose files these are */
	bool reserve;     /* take the space now (fallocate) instead of when it is written */
};
/* Where it is, once mounted. */
struct disk_device {
	unsigned int major, minor; /* the loop device */
	uint64_t size;             /* of the file */
	uint64_t blocks, inodes;   /* as statfs tells; blocks of DISK_IMAGE_BLOCK */
};
#define DISK_IMAGE_BLOCK 4096

/* Is there what an image needs: loop devices, mkfs.ext4? NULL, or what is missing. */
const char *disk_image_missing(void);
bool disk_image_exists(int store);
/* Remove one whose making was killed: it may have reserved its space already. None is fine. */
void disk_image_discard(int store);
/* Make it: complete or not at all. */
int disk_image_make(const struct disk_image *im, struct err *e);
/* Grow it if it is smaller than im->size by 16 MiB or more (-EFBIG: larger; -EPERM: without CAP_SYS_RESOURCE), mount it detached, nosuid and nodev. fd of the mount. */
int disk_image_mount(const struct disk_image *im, struct disk_device *dev, struct err *e);
/* Wait until no loop device has the file any more. -EBUSY: after this many ms one still has. */
int disk_image_wait(int store, unsigned int ms, struct err *e);
