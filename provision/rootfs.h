/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `rootfs`: image (read-only, id-mapped, shared) + persistent upper as an overlay; and what a workspace's process
 * mounts on it from inside.  Nothing here resolves a path below the upper from the host's namespace.
 */
#pragma once
#include "plan.h"

/* Make store/{upper,work} (upper owned by id_base, 0755), mount the overlay detached: p->rootfd. */
int rootfs_up(struct plan *p, struct err *e);
int rootfs_down(struct plan *p, struct err *e);
/*
 * Called in the new mount namespace by the process that becomes ws-init, as the workspace's root: attach p->rootfd,
 * mount /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /run /tmp and cgroup2, bind the device nodes (rdev verified),
 * /etc/hosts and the sftp bundle, mask what THREATS section 5.4 lists, pivot_root, detach the old root.
 * A mount point that the tenant replaced by something else is moved aside (NAME.sshbay-saved) and made anew.
 */
int rootfs_enter(struct plan *p, struct err *e);
