/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which cpus and which memory are near a PCI device. Reads [hardware] sysfs; provisiond's main process may call it. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define NUMA_LIST_MAX 128

struct numa {
	char cpus
		[NUMA_LIST_MAX]; /* "0-15,32-47"; a single one as "5-5", which cannot be read as a count */
	int node;                /* -1: the host does not say, or has only one */
	unsigned int count;
};

/* The online cpus that are local to the device. -ENODEV no such device, -ENODATA it does not say. */
int numa_local(const char *sysfs, const char *pci, struct numa *out, struct err *e);
/* The one memory node whose cpus include all of this list and that has memory of its own; -1: none, or unknown. */
int numa_node_of(const char *sysfs, const char *cpus);
/* Have two lists of cpus one in common? */
bool numa_overlap(const char *a, const char *b);
