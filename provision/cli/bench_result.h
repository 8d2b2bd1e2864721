/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What iperf3, ping and perftest print, as values.  All of it comes from inside a workspace: a number that is missing,
 * negative, not finite or absurd is an error, and never a result.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One direction, as the programs at its ends claim. Negative: not told. */
struct bench_flow {
	double bits_per_second; /* received */
	double seconds;
	uint64_t bytes;                 /* received */
	int64_t retransmits;            /* TCP */
	double lost_percent, jitter_ms; /* UDP */
	double cpu_client, cpu_server;  /* percent of one processor */
	char version[48];
};
struct bench_latency {
	uint64_t sent, received;
	double min, avg, p50, p99, max; /* microseconds */
};

/* Output of `iperf3 -c ... -J`, one direction. -EIO: iperf3 tells of a failure (in e, escaped). */
int bench_result_iperf3(const char *text, struct bench_flow *f, struct err *e);
/* Output of `ping -n`: a line per answer. */
int bench_result_ping(const char *text, struct bench_latency *l, struct err *e);
/* The row of figures of ib_write_bw --report_gbits, and of ib_send_lat -n. */
int bench_result_write_bw(const char *text, struct bench_flow *f, struct err *e);
int bench_result_send_lat(const char *text, struct bench_latency *l, struct err *e);
