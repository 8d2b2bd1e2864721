/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an interface loses when it leaves its namespace and no other call expresses: its addresses and its routes, kept
 * as the kernel gave them, and given back as they were, with every attribute.  Worker processes only.
 */
#pragma once
#include "netif.h"

#define NETIF_RAW_MAX   32
#define NETIF_RAW_BYTES 200

struct netif_raw {
	uint16_t type, len; /* RTM_NEWADDR or RTM_NEWROUTE; bytes of data */
	uint8_t data[NETIF_RAW_BYTES];
};
struct netif_raws {
	unsigned int n, lost; /* lost: did not fit */
	uint32_t
		by_nexthop; /* a nexthop object by which one of the routes leads, which cannot be given back; 0 none */
	struct netif_raw raw[NETIF_RAW_MAX];
};

/*
 * Addresses of `dev`, and routes of the main table that leave through it alone; without those that the kernel makes by
 * itself when the interface comes up.
 */
int netif_raw_read(struct netif *n, const struct netif_dev *dev, struct netif_raws *out,
		   struct err *e);
/* Queue requests that add them, of one kind: all addresses, or all routes (which need the interface up). */
void netif_raw_add(struct netif *n, const struct netif_dev *dev, const struct netif_raws *raws,
		   bool routes);
/*
 * Links in the same namespace that were made on top of `dev` (VLANs, macvlans, ..), the first `max` of them. How many, or
 * -errno.
 */
int netif_raw_uppers(struct netif *n, const struct netif_dev *dev, struct netif_dev *out, int max,
		     struct err *e);
/* What tc(8) was used for on `dev`: a queueing discipline's name, "" when there is only the kernel's own. */
int netif_raw_tc(struct netif *n, const struct netif_dev *dev, char kind[NETIF_NAME_MAX],
		 struct err *e);
