/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* data0 as configured: addresses, MTU, offloads, gateway, routes. Workers only. */
#pragma once
#include "netif.h"
#include "plan.h"

/* Set up `dev` in the namespace of `in`, which is p->netns. May be repeated. */
int nic_setup(struct netif *in, const struct netif_dev *dev, const struct plan *p, struct err *e);
