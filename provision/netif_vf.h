/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the physical function decides about one of its virtual functions (IFLA_VFINFO_LIST). Worker processes only. */
#pragma once
#include "netif.h"

struct netif_vf {
	uint32_t vf, vlan, qos;
	uint8_t mac[6];
	bool spoofcheck, trust;
};

/* -ENODEV when `pf` has no such function. */
int netif_vf_get(struct netif *n, const struct netif_dev *pf, uint32_t vf, struct netif_vf *out,
		 struct err *e);
/* Queue requests that make it so; a mac of zeros is left alone. */
void netif_vf_set(struct netif *n, const struct netif_dev *pf, const struct netif_vf *want);
