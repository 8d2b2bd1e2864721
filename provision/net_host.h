/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of the host's side of the control plane, shared by net.c and net_host.c. */
#pragma once
#include "netif.h"
#include "settings.h"

/* Every workspace's gateway, and the source of what the host itself says to an IPv4 workspace. On `lo`. */
#define NET_HOST_IP4 ((struct ip){ .family = AF_INET, .b = { 169, 254, 1, 1 } })
/* The IPv6 gateway: fe80::1 on every sb-*. */
#define NET_HOST_LL6 ((struct ip){ .family = AF_INET6, .b = { 0xfe, 0x80, [15] = 1 } })

/* The host's own IPv6 address: the first of control_cidr6, by RFC 4291 section 2.6.1 its routers'. Family 0: no IPv6. */
struct ip net_host_ip6(const struct settings *s);
/* The network of `n`, with the host bits cleared. */
struct ipnet net_host_base(const struct ipnet *n);
/* Queue: `announce` answers (or no longer answers) for this address. */
void net_host_announce(struct netif *n, const struct netif_dev *lan, const struct ip *ip, bool add);
