/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One end of a pair of workspaces: what provisiond says of the workspace, what its own system says of data0, and the
 * counters that the kernel keeps.  What comes from inside is the tenant's word; the counters and neighbours are read from
 * /proc/PID/net of the workspace's first process, which no tenant can write.
 */
#pragma once
#include "base/ip.h"
#include "cli.h"

#define PAIR_WORD 48

enum pair_tool {
	PAIR_IP,
	PAIR_PING,
	PAIR_IPERF3,
	PAIR_ETHTOOL,
	PAIR_WRITE_BW,
	PAIR_SEND_LAT,
	PAIR_NTOOLS
};

/* As told from inside; an empty string, 0 or -1 is: not told. */
struct pair_facts {
	bool there; /* data0 exists */
	char operstate[PAIR_WORD], duplex[PAIR_WORD], mac[18];
	int carrier;   /* 0, 1; -1: the interface is down */
	int64_t speed; /* Mbit/s */
	uint32_t mtu;
	struct ipnet ip, ip6; /* family 0: none; of several the configured one, else the first */
	char device[PAIR_WORD], driver[PAIR_WORD], firmware[PAIR_WORD], iperf3[PAIR_WORD];
	/* The RDMA device: its name, "CA" or "RNIC" (iWARP), "Ethernet" or "InfiniBand", firmware, rate. */
	char rdma[PAIR_WORD], rdma_type[PAIR_WORD], rdma_link[PAIR_WORD], rdma_firmware[PAIR_WORD],
		rdma_rate[PAIR_WORD], perftest[PAIR_WORD];
	bool rdma_cm; /* the node of the connection manager is there */
	char offloads[256];
	bool tools[PAIR_NTOOLS];
};

struct pair_end {
	struct admin_workspace ws;
	struct pair_facts facts;
};

struct pair_count {
	uint64_t rx_bytes, rx_packets, tx_bytes, tx_packets;
};
/* The NIC as the workspace's namespace counts; the control plane as the host's end of it counts. */
struct pair_counts {
	struct pair_count data, control;
	bool has_control; /* false: the host's end was not found */
};

const char *pair_tool_name(enum pair_tool t);
/* The package of Debian that holds it. */
const char *pair_tool_package(enum pair_tool t);
/* The script that tells the facts, and what it printed. -EBADMSG names the first line that makes no sense. */
extern const char pair_facts_script[];
int pair_facts_parse(const char *text, const struct ip *configured, struct pair_facts *f,
		     struct err *e);
/* The row of `name` in the text of /proc/net/dev. False: there is none, or it makes no sense. */
bool pair_count_parse(const char *text, const char *name, struct pair_count *out);
/* The hardware address of `ip` on data0 in the text of /proc/net/arp. False: not resolved there. */
bool pair_arp_parse(const char *text, const struct ip *ip, char mac[18]);
/* "N packets transmitted, M received" of ping -q. False: not there. */
bool pair_ping_parse(const char *text, uint64_t *sent, uint64_t *received);

/* Ask provisiond for the workspace; fills end->ws. 0, or the exit status (printed). */
int pair_ask(struct cli *c, const char *name, struct pair_end *end);
/* Ask inside; fills end->facts. 0, or the exit status (printed). */
int pair_look(struct cli *c, struct pair_end *end);
/* The counters now. -ESTALE: the workspace was restarted since pair_ask. */
int pair_counts_read(const struct pair_end *end, struct pair_counts *out, struct err *e);
/* Whether the kernel has resolved `ip` on the end's data0, IPv4 only. 1, 0, or -errno. */
int pair_resolved(const struct pair_end *end, const struct ip *ip, char mac[18], struct err *e);
