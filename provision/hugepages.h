/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Huge pages of a workspace: a hugetlbfs of its own for each size that it has, /dev/hugepages and /dev/hugepages1G, with
 * its pages as the size.  hugetlbfs cannot be mounted in a user namespace (no FS_USERNS_MOUNT, kernel 6.12), so the
 * host's root makes the mounts, for the workspace's ids.  mmap(MAP_HUGETLB) and memfd_create(MFD_HUGETLB) need no mount:
 * for these, limits.c sets the hugetlb controller, for every workspace, also to nothing.
 */
#pragma once
#include "plan.h"

#define HUGEPAGES_KINDS 2

struct hugepages_kind {
	const char *key;    /* of the configuration */
	const char *size;   /* as mount(8) takes it */
	const char *group;  /* as the controller's files call it */
	const char *folder; /* below /dev */
	unsigned int kib;
};
extern const struct hugepages_kind hugepages_kinds[HUGEPAGES_KINDS];

struct hugepages_pool {
	uint64_t total, free; /* free: neither used nor reserved */
};

/* Pages that the configuration asks for, or that the record promises. */
uint32_t hugepages_asked(const struct spec *s, unsigned int kind);
uint32_t *hugepages_promised(struct record *r, unsigned int kind);
/* The host's pages of this size. -EOPNOTSUPP when its kernel or processor has no such size. Only reads sysfs. */
int hugepages_pool(const char *sysfs, unsigned int kind, struct hugepages_pool *out, struct err *e);
/* Are as many pages free as the plan's workspace is promised? Those of its last run take a moment to come back. */
int hugepages_ready(const struct plan *p, struct err *e);
/* The host's root: a detached mount with the promised pages (not none). fd. */
int hugepages_mount(const struct plan *p, unsigned int kind, struct err *e);
