/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bridges that workspaces attach to: that they are there, are bridges, are up, and that the gate gets port 22 on them. */
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_bridge.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "doctor.h"
#include "net_bridge.h"

static bool on(const char *key)
{
	char path[96], value[16];
	size_t len;

	(void)str_format(path, sizeof(path), "/proc/sys/net/bridge/%s", key);
	return path_read(AT_FDCWD, path, value, sizeof(value), &len, NULL) == 0 && value[0] != '0';
}

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

static void check_bridge(struct doctor *d, const char *name)
{
	struct __bridge_info info;
	unsigned long args[4] = { BRCTL_GET_BRIDGE_INFO, (unsigned long)&info, 0, 0 };
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
	ifr.ifr_data = (void *)args;
	if (ioctl(fd, SIOCDEVPRIVATE, &ifr)) {
		doctor_warn(d, where, "correct attach",
			    "the interface is no bridge; its workspaces cannot start");
		return;
	}
	for (unsigned int i = 0; i < 2; i++)
		if (pools[i]->addr.family && !inside(name, pools[i]))
			doctor_warn(d, where, "ip address add, or correct control_cidr",
				    "it has no address in a network that %s is a part of; its "
				    "workspaces cannot start",
				    ip_net_text(pools[i], text, sizeof(text)));
}

void doctor_bridge(struct doctor *d)
{
	static const char *const keys[] = { "bridge-nf-call-iptables", "bridge-nf-call-ip6tables" };
	char remedy[64];
	const char *name;

	if (!d->s || !net_bridge_name(d->s, 0))
		return;
	for (unsigned int i = 0; (name = net_bridge_name(d->s, i)); i++)
		check_bridge(d, name);
	for (unsigned int i = 0; i < (d->s->network.control_cidr6.addr.family ? 2 : 1); i++) {
		(void)str_format(remedy, sizeof(remedy), "sysctl net.bridge.%s=0", keys[i]);
		if (on(keys[i]))
			doctor_fail(d, "bridges", remedy,
				    "bridged packets go through iptables, so that port 22 does not "
				    "reach the gate; workspaces with attach do not start");
	}
}
