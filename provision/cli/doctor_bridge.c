/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bridges that workspaces attach to: that they are there, are bridges, are up, and that the gate gets port 22 on them. */
#include <ifaddrs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/str.h"
#include "doctor.h"
#include "net_bridge.h"
#include "netif.h"

/* Has the bridge an address in a network that the pool is a part of? */
static bool inside(const char *bridge, const struct ipnet *pool)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all))
		return true;
	for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		struct ipport at, mask;
		struct ipnet net = { 0 };
		socklen_t len;

		if (strcmp(a->ifa_name, bridge) || !a->ifa_addr || !a->ifa_netmask ||
		    a->ifa_addr->sa_family != pool->addr.family)
			continue;
		len = pool->addr.family == AF_INET ? sizeof(struct sockaddr_in)
						   : sizeof(struct sockaddr_in6);
		a->ifa_netmask->sa_family = pool->addr.family;
		if (!ip_from_sockaddr(a->ifa_addr, len, &at) ||
		    !ip_from_sockaddr(a->ifa_netmask, len, &mask))
			continue;
		net.addr = at.addr;
		for (unsigned int i = 0; i < 16; i++)
			net.plen += (uint8_t)__builtin_popcount(mask.addr.b[i]);
		found = net.plen < pool->plen && ip_in_net(&pool->addr, &net);
	}
	freeifaddrs(all);
	return found;
}

static void check_filters(struct doctor *d, const char *name)
{
	auto_netif struct netif *n = NULL;
	struct netif_dev dev = { 0 };
	struct netif_link link;
	char remedy[96];

	(void)str_copy(dev.name, sizeof(dev.name), name);
	if (netif_open(-1, &n, NULL) || netif_get(n, &dev, &link, NULL))
		return;
	for (unsigned int i = 0; i < (d->s->network.control_cidr6.addr.family ? 2 : 1); i++)
		if (net_bridge_filters(&link, i, remedy))
			doctor_fail(d, "bridges", remedy,
				    "bridged packets go through iptables, so that port 22 does not "
				    "reach the gate; workspaces with attach do not start");
}

static void check_bridge(struct doctor *d, const char *name)
{
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct ipnet *pools[] = { &d->s->network.control_cidr, &d->s->network.control_cidr6 };
	struct ifreq ifr = { 0 };
	char text[IP_TEXT_MAX], where[32];

	(void)str_format(where, sizeof(where), "bridge '%s'", name);
	(void)str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr)) {
		doctor_warn(d, where, "make it, or correct attach",
			    "there is no such interface; its workspaces cannot start");
		return;
	}
	if (!(ifr.ifr_flags & IFF_UP))
		doctor_warn(d, where, "ip link set up", "it is down; its workspaces cannot start");
	if (!net_bridge_is(fd, name)) {
		doctor_warn(d, where, "correct attach",
			    "the interface is no bridge; its workspaces cannot start");
		return;
	}
	check_filters(d, name);
	for (unsigned int i = 0; i < 2; i++)
		if (pools[i]->addr.family && !inside(name, pools[i]))
			doctor_warn(d, where, "ip address add, or correct control_cidr",
				    "it has no address in a network that %s is a part of; its "
				    "workspaces cannot start",
				    ip_net_text(pools[i], text, sizeof(text)));
}

void doctor_bridge(struct doctor *d)
{
	const char *name;

	if (!d->s || !net_bridge_name(d->s, 0))
		return;
	for (unsigned int i = 0; (name = net_bridge_name(d->s, i)); i++)
		check_bridge(d, name);
}
