/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has a device open. Walks all of /proc: in workers only. */
#pragma once
#include "gpu.h"
#include <sys/types.h>

#define GPU_BUSY_NODES_MAX 64

struct gpu_busy {
	dev_t nodes[GPU_BUSY_NODES_MAX]; /* character devices */
	unsigned int n;
	pid_t pid; /* found: the process, and what it runs, escaped */
	char cmd[100];
};

/* Add the nodes that are this GPU's alone. */
void gpu_busy_add(struct gpu_busy *b, const struct gpu *g);
/*
 * Does a process hold one of the nodes? The vendors' own daemons, which hold every GPU and no memory of it, do not
 * count. No file system that a tenant serves is asked: it could let us wait for ever.
 */
bool gpu_busy_find(struct gpu_busy *b);
/* The same until it is free, or `ms` are over: the last word of a killed process takes its time. */
bool gpu_busy_wait(struct gpu_busy *b, unsigned int ms);
