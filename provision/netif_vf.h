/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the physical function decides about one of its virtual functions (IFLA_VFINFO_LIST, linux/if_link.h).  Worker
 * processes only.
 */
#pragma once
#include "netif.h"

struct netif_vf {
	uint32_t vf, vlan, qos;   /* vlan 0: none */
	uint16_t vlan_proto;      /* ETH_P_8021Q or ETH_P_8021AD */
	uint8_t mac[6];           /* all zero: its own choice */
	int8_t spoofcheck, trust; /* 1 on, 0 off, -1 the driver does not say */
};

/* -ENODEV when `pf` has no such function. */
int netif_vf_get(struct netif *n, const struct netif_dev *pf, uint32_t vf, struct netif_vf *out,
		 struct err *e);
/*
 * Queue a request for each property in which `want` differs from `now`: one each, since a driver may lack any of them.
 * Switching off what the driver does not have, or a `want` of -1, is no request.
 */
void netif_vf_set(struct netif *n, const struct netif_dev *pf, const struct netif_vf *now,
		  const struct netif_vf *want);
/* The first property in which netif_vf_set would change `now`, in words ("VLAN"), or NULL. */
const char *netif_vf_difference(const struct netif_vf *now, const struct netif_vf *want);
