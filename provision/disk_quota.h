/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Project quotas (quotactl(2), ioctl_xfs_fsgetxattr(2)): ext4 and xfs.  The project's number is the workspace's id_base,
 * which no other workspace has.  New files inherit the project of their directory, and only the initial user namespace
 * may change it (kernel 5.13, fileattr_set_prepare).  Needs quotactl_fd(2), kernel 5.14.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct disk_quota {
	uint64_t bytes, inodes; /* most; 0 = no limit */
	uint64_t bytes_used, inodes_used;
};
/* Does the file system of `fd` enforce project quotas? */
bool disk_quota_on(int fd);
int disk_quota_get(int fd, uint32_t project, struct disk_quota *q, struct err *e);
/* Hard limits; 0 = none. Below what is used is allowed: nothing more can be written then. */
int disk_quota_set(int fd, uint32_t project, uint64_t bytes, uint64_t inodes, struct err *e);
/* Is the directory in that project, and hands it on? */
bool disk_quota_marked(int dir, uint32_t project);
/*
 * Put the directories `work` (empty, or the overlay's own) and `upper`, with all that is below it, into the project. Nobody may use them
 * meanwhile. upper itself comes last, so that disk_quota_marked(upper) tells of a completed one. Follows no link.
 */
int disk_quota_mark(int upper, int work, uint32_t project, struct err *e);
