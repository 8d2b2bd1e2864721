/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `sshbay bench`: what is measured, and how it is printed. */
#pragma once
#include "bench_result.h"
#include "manifest.h"
#include "pair_judge.h"

enum bench_kind { BENCH_TCP, BENCH_UDP, BENCH_RDMA };

/* One direction. */
struct bench_leg {
	int from; /* index of the sending end */
	struct bench_flow flow;
	double host_cpu; /* percent of all processors of the host; negative: not known */
	struct pair_counts moved[2]; /* sender, receiver */
	enum finding_level level;
	char verdict[512];
};

struct bench {
	struct cli *c;
	const char *sysfs; /* [hardware] sysfs */
	enum bench_kind kind;
	uint64_t seconds, streams;
	const char *rate; /* UDP: as iperf3 takes it */
	struct pair_end ends[2];
	struct bench_leg legs[2];
	struct bench_latency latency;
	struct manifest manifest;
};

/* bench_print.c */
const char *bench_kind_name(enum bench_kind k);
/* What was measured, for people or as JSON. Returns the exit status: CLI_FAILED when counters contradict. */
int bench_print(const struct bench *b);
