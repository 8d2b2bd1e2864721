/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `sshbay bench`: what is measured, and how it is printed. */
#pragma once
#include "bench_result.h"
#include "manifest.h"
#include "pair_judge.h"

#define BENCH_PORT 52019 /* seldom anybody's */

/* Scripts: what they start ends when sshbay ends, however it does, since our end of their stdin closes then. */
#define BENCH_PATHS           "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C; export PATH LC_ALL; "
#define BENCH_SERVER(command) BENCH_PATHS command " </dev/null & p=$!; cat >/dev/null; kill $p"
/* The same, with the exit status of the command. */
#define BENCH_CLIENT(command)                                                                      \
	BENCH_PATHS "exec 3<&0; " command " </dev/null 3<&- & p=$!; "                              \
		    "{ cat <&3; kill $p; } >/dev/null 2>&1 & exec 3<&-; wait $p"

/* A server in one end, a client in the other. */
struct bench_job {
	int server, client; /* indexes of ends */
	char serve[1024], ask[768];
	/* What the server prints when it can be asked; NULL: the client tries again. "@": a line "@listening" or "@ended". */
	const char *ready;
	unsigned int ms;
};

enum bench_kind { BENCH_TCP, BENCH_UDP, BENCH_RDMA };

/* One direction. */
struct bench_leg {
	int from; /* index of the sending end */
	struct bench_flow flow;
	double host_cpu; /* percent of all processors of the host; negative: not known */
	struct pair_counts moved[2]; /* sender, receiver */
	bool counted;                /* all that was sent passes a counter that the kernel shows */
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
