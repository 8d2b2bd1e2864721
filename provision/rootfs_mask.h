/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paths of /proc and /sys that a workspace does not see, or sees read-only (THREATS section 5.4). */
#pragma once
#include "plan.h"

/*
 * Below the root `rootfd`, whose /proc, /sys and /dev/null are mounted. Of RDMA devices /sys/class shows the one in
 * p->given. With nesting = yes /proc and /sys stay as they are: the kernel gives a nested user namespace a fresh /proc
 * only when nothing of its parent's is covered.
 */
int rootfs_mask(int rootfd, const struct plan *p, struct err *e);
