/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nft table `bridge sshbay`: what a workspace on a bridge may send, and that port 22 of its address is the gate's.
 * One chain port_<slot> per workspace, which comes and goes in one transaction; what comes from a port sb-* without a chain
 * is dropped.  Runs in workers and where net_host_up runs, one at a time (run/nft.lock).
 */
#pragma once
#include "settings.h"
#include <stddef.h>

/* The host side of every veth has this MAC, and frames to the gate are turned to it: a bridge takes them for its host's. */
#define NET_GUARD_HOST_MAC                                                                         \
	{                                                                                          \
		0xfe, 0xff, 0xff, 0xff, 0xff, 0xff                                                 \
	}

struct net_guard {
	uint32_t slot;
	uint8_t mac[6];     /* of eth0 */
	struct ip ip4, ip6; /* its addresses; family 0: none */
	bool counts_groups; /* the kernel limits the multicast groups of a port itself (6.3) */
};

/* The link-local address that the kernel derives from a MAC (RFC 4291 appendix A). */
struct ip net_guard_link_local(const uint8_t mac[6]);
/* Write the transaction: the table with its fixed chains, and the port's own when `g` is given. -ENAMETOOLONG. */
int net_guard_text(const struct settings *s, const struct net_guard *g, char *buf, size_t size,
		   struct err *e);
/* The table without or with one more port (`g`); a port that is there is written anew. */
int net_guard_load(const struct settings *s, const struct net_guard *g, struct err *e);
/* Remove the port's chain and what leads to it; none is fine. */
int net_guard_remove(const struct settings *s, const struct net_guard *g, struct err *e);
/* Held while what belongs to a port is made, remade or removed. An fd to close, or -errno. */
int net_guard_lock(const struct settings *s, struct err *e);
/* Remove the table; none is fine. */
int net_guard_unload(const struct settings *s, struct err *e);
