/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the list (given.h) to what is seen inside: the calls beside those of rootfs.h, by the same processes. */
#pragma once
#include "given.h"

struct given_sources {
	int node[GIVEN_NODES_MAX], mount[GIVEN_MOUNTS_MAX], texts;
	char *old; /* of given_left_note() */
};

/*
 * In the helper's private mount namespace, as the host's root, before it joins a group that forbids mknod: make the
 * nodes on a tmpfs of their own, owned by the workspace's ids, and open what is to be mounted. All -1 for an empty list.
 */
int given_enter_stage(struct plan *p, struct given_sources *src, struct err *e);
/* As the workspace's root: the nodes below `dev`, its fresh /dev. */
int given_enter_nodes(struct plan *p, struct given_sources *src, int dev, struct err *e);
/* As the workspace's root, /run mounted: files, links, /run/sshbay/env and /run/sshbay/ld.so.conf, the driver's texts. */
int given_enter_files(struct plan *p, struct given_sources *src, struct err *e);
/* What a killed worker may have left in run/ws/NAME. */
void given_enter_clean(const char *dir);
