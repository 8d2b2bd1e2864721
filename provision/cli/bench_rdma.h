/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `sshbay bench --rdma` has of its own: what it needs, how perftest is started, and the counters of RDMA ports. */
#pragma once
#include "bench.h"

/* What provisiond has leased to the ends goes before the device that they show inside. */
void bench_rdma_devices(struct bench *b);
/* A device, an IPv4 address, and for iWARP the connection manager at both ends? 0, or the exit status (printed). */
int bench_rdma_check(const struct bench *b);
/*
 * The server in ends[!from] and the client in ends[from], which sends. `command`: the program with its options, for both.
 * Where QPs are connected by rdma_cm (iWARP can do nothing else) nothing tells that the server listens: the client tries
 * again.
 */
void bench_rdma_plan(const struct bench *b, int from, const char *command, struct bench_job *j);
/*
 * Add to `n` what the end's RDMA device counts, as the kernel tells the host; nothing inside is asked. A device made in
 * software counts with the interface below it, which is then all there is: what that carried replaces data0's.
 * *counted: the device has counters; without them, data0's are all that is known. 0, or -errno.
 */
int bench_rdma_count(const struct bench *b, const struct pair_end *end, struct pair_counts *n,
		     bool *counted, struct err *e);
/* `counters/port_xmit_data` and the like below `sysfs`/class/infiniband/`device`, in bytes. False: it has none. */
bool bench_rdma_port(int sysfs, const char *device, uint64_t *tx, uint64_t *rx);
