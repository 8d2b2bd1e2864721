/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a port of a bridge needs beyond netif.h: its master, its flags, the one address behind it, and what addresses the
 * bridge has itself.  Worker processes only.
 */
#pragma once
#include "netif.h"

/* Queue: `dev` becomes a port of the bridge with index `master`. */
void netif_bridge_master(struct netif *n, const struct netif_dev *dev, int master);
/*
 * Queue: the flags of a tenant's port. No learning, no unknown unicast, no hairpin, no IGMP or MLD router; a BPDU shuts it
 * (where the bridge speaks STP), it never leads to the root; ARP for what is behind it is answered by the bridge
 * (IFLA_BRPORT_PROXYARP_WIFI); 64 multicast groups (kernel 6.3). `isolated`: no frame from or to another isolated port.
 */
void netif_bridge_port(struct netif *n, const struct netif_dev *dev, bool isolated);
/* Queue: `mac` is behind `dev`, whoever else sends with it (static, sticky; kernel 4.20). */
void netif_bridge_fdb(struct netif *n, const struct netif_dev *dev, const uint8_t mac[6]);
/* The address of `dev`, with its prefix length, whose network has `ip` in it; the longest. -EADDRNOTAVAIL: there is none. */
int netif_bridge_own(struct netif *n, const struct netif_dev *dev, const struct ip *ip,
		     struct ipnet *own, struct err *e);
