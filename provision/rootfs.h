/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `rootfs`: image (read-only, id-mapped, shared) + persistent upper as an overlay; and what a workspace's process
 * mounts on it from inside.  Nothing here resolves a path below the upper from the host's namespace.
 */
#pragma once
#include "given_enter.h"
#include "hugepages.h"

/* Read-only directory shown at /run/sshbay/sftp. Set by provisiond before its first worker; a missing one is left out. */
extern const char *rootfs_bundle_path;

/*
 * Make store/{upper,work} (upper owned by id_base, 0755), mount the overlay detached: p->rootfd.  The image version
 * that the workspace was made from is kept in the link store/image, so that a newer one never slips under its upper.
 */
int rootfs_up(struct plan *p, struct err *e);
int rootfs_down(struct plan *p, struct err *e);

/* Detached mounts from the host that a workspace shows: device nodes (in the order of devices_nodes), hosts, bundle. */
#define ROOTFS_DEVICES_MAX 16
struct rootfs_sources {
	int dev[ROOTFS_DEVICES_MAX];
	int hosts, bundle;
	int huge[HUGEPAGES_KINDS];
	struct given_sources given;
};

/* The four calls of the way in, each by the process, and in the mount namespace, that it says: */
/*
 * 0. The host's root, in a private mount namespace of its own, before it joins a group that forbids mknod: make what the
 *    plan's list gives (given.h). Fills all of *src with nothing first.
 */
int rootfs_gather(struct plan *p, struct rootfs_sources *src, struct err *e);
/*
 * 1. The same process, in the workspace's groups: open the sources (rdev verified) and attach p->rootfd
 *    over p->dir. A workspace's mount namespace that is copied from this one holds the root with its flags locked.
 */
int rootfs_stage(struct plan *p, struct rootfs_sources *src, struct err *e);
/* 2. In the workspace's mount namespace, before the uid changes (p->dir is root's): p->rootfd = the root, attached. */
int rootfs_claim(struct plan *p, struct err *e);
/*
 * 3. As the workspace's root: mount /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /run and cgroup2, place the sources,
 *    mask what THREATS section 5.4 lists, pivot_root, detach the old root. A mount point that the tenant replaced by
 *    something else is moved aside (NAME.sshbay-saved) and made anew.
 */
int rootfs_enter(struct plan *p, struct rootfs_sources *src, struct err *e);
