/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of the host's side of the control plane, shared by net.c and net_host.c. */
#pragma once
#include "netif.h"
#include "record.h"
#include "settings.h"

/* Every workspace's gateway, and the source of what the host itself says to an IPv4 workspace. On `lo`. */
#define NET_HOST_IP4 ((struct ip){ .family = AF_INET, .b = { 169, 254, 1, 1 } })
/* The IPv6 gateway: fe80::1 on every sb-*. */
#define NET_HOST_LL6 ((struct ip){ .family = AF_INET6, .b = { 0xfe, 0x80, [15] = 1 } })

/* The host's own IPv6 address: the first of control_cidr6, by RFC 4291 section 2.6.1 its routers'. Family 0: no IPv6. */
struct ip net_host_ip6(const struct settings *s);
/* The network of `n`, with the host bits cleared. */
struct ipnet net_host_base(const struct ipnet *n);
/*
 * The i-th interface on which the host answers for the pool: `announce` (-ENODEV when it is not there), then the bridges of
 * attach (index 0 when it is not there). 1, or 0 behind the last.
 */
int net_host_lan(struct netif *n, const struct settings *s, unsigned int i, struct netif_dev *lan,
		 struct err *e);
/* Queue: `lan` answers (or no longer answers) for the addresses of this record, but for what a station there answers itself. */
void net_host_announce(struct netif *n, const struct netif_dev *lan, const struct record *rec,
		       bool add);
