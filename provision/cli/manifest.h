/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The circumstances of a measurement, as the host knows them. Unknown: an empty string, -1. */
#pragma once
#include "pair_facts.h"

struct manifest_nic {
	char driver[PAIR_WORD], firmware[PAIR_WORD], link_speed[PAIR_WORD], link_width[8], cpus[64];
	int numa;
};
struct manifest {
	char kernel[PAIR_WORD * 2], governor[PAIR_WORD], cpu[96];
	long cpus_online;
	struct manifest_nic nics[2];
};

/* `sysfs`: [hardware] sysfs. A NIC's PCI address is the workspace's word; it only selects what of the host is told. */
void manifest_fill(struct manifest *m, const char *sysfs, const struct pair_end ends[2]);
/* Busy and total processor time of the host since boot, in ticks. False: not known. */
bool manifest_cpu(uint64_t *busy, uint64_t *total);
