// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Workspaces on a bridge: finds the bridge, joins and leaves it.  Runs in workers.  Nothing here outlives net_bridge_leave:
 * what does not go with the port is removed by name, index and address.
 */
#include "net_bridge.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "net.h"
#include "net_guard.h"
#include "netif_bridge.h"

#define PORTS_MAX 1024 /* of one bridge (net/bridge/br_private.h) */

/* ---- finding it ---- */

/*
 * With br_netfilter on, the packets of a frame for the gate pass the host's rules before it leaves the bridge, and not
 * again when the host takes it: tproxy's choice of socket is lost on the way (ip_rcv_core), and whatever else listens on
 * port 22 of this host would answer in the gate's place.
 */
bool net_bridge_filters(const struct netif_link *bridge, bool v6, char remedy[96])
{
	const char *key = v6 ? "ip6tables" : "iptables";
	char path[96], value[16];
	size_t len;

	/* The file is there while br_netfilter is loaded; its value, or the switch of the bridge: either is enough. */
	(void)str_format(path, sizeof(path), "/proc/sys/net/bridge/bridge-nf-call-%s", key);
	if (path_read(AT_FDCWD, path, value, sizeof(value), &len, NULL))
		return false;
	if (value[0] != '0')
		(void)str_format(remedy, 96, "sysctl net.bridge.bridge-nf-call-%s=0", key);
	else if (v6 ? bridge->filters6 : bridge->filters)
		(void)str_format(remedy, 96, "ip link set %s type bridge nf_call_%s 0",
				 bridge->dev.name, key);
	else
		return false;
	return true;
}

static int check_filter(const struct netif_link *bridge, bool v6, struct err *e)
{
	char remedy[96];

	if (!net_bridge_filters(bridge, v6, remedy))
		return 0;
	return err_set(
		e, EBUSY,
		"bridged packets go through iptables on this host, so that port 22 would not "
		"reach the gate (%s)",
		remedy);
}

/* One family: the bridge's own address in the network of `ip`, and the gateway. */
static int find_family(struct netif *n, struct net_bridge *b, const struct ip *ip,
		       const struct ipnet *pool, const struct ip *gateway, struct err *e)
{
	bool v4 = ip->family == AF_INET;
	struct ipnet *own = v4 ? &b->own4 : &b->own6;
	char text[IP_TEXT_MAX], text2[IP_TEXT_MAX];
	int ret;

	if (!ip->family)
		return 0;
	ret = netif_bridge_own(n, &b->dev, ip, own, e);
	if (ret == -EADDRNOTAVAIL)
		return err_set(e, EADDRNOTAVAIL, "%s (ip address add .. dev %s)", e->text,
			       b->dev.name);
	if (ret)
		return ret;
	if (ip_equal(&own->addr, ip))
		return err_set(e, EADDRINUSE, "%s is the bridge's own address (control_ip%s)",
			       ip_text(ip, text, sizeof(text)), v4 ? "" : "6");
	if (own->plen >= pool->plen)
		return err_set(e, EINVAL,
			       "[network] control_cidr%s %s is no part of the bridge's network %s",
			       v4 ? "" : "6", ip_net_text(pool, text, sizeof(text)),
			       ip_net_text(own, text2, sizeof(text2)));
	if (gateway->family && (!ip_in_net(gateway, own) || ip_equal(gateway, ip)))
		return err_set(e, EINVAL,
			       "the gateway %s is no other station in the bridge's network %s "
			       "(control_gateway%s)",
			       ip_text(gateway, text, sizeof(text)),
			       ip_net_text(own, text2, sizeof(text2)), v4 ? "" : "6");
	*(v4 ? &b->via4 : &b->via6) = gateway->family ? *gateway : own->addr;
	return 0;
}

static int find(struct netif *n, const struct plan *p, struct net_bridge *b, struct err *e)
{
	const struct settings *s = p->settings;
	const struct record *rec = p->rec;
	struct netif_link link;
	int ret = netif_index(n, &b->dev, NULL);

	if (ret == 0)
		ret = netif_get(n, &b->dev, &link, NULL);
	if (ret == -ENODEV)
		return err_set(e, ENODEV, "there is no such interface");
	if (ret)
		return err_ret(e, ret, "look it up");
	if (strcmp(link.kind, "bridge"))
		return err_set(e, EINVAL, "it is no bridge%s%s", link.kind[0] ? " but " : "",
			       link.kind);
	if (!(link.flags & IFF_UP))
		return err_set(e, ENETDOWN, "it is down (ip link set %s up)", b->dev.name);
	b->mtu = link.mtu;
	ret = rec->control_ip.family ? check_filter(&link, false, e) : 0;
	if (ret == 0 && rec->control_ip6.family)
		ret = check_filter(&link, true, e);
	if (ret)
		return ret;
	ret = find_family(n, b, &rec->control_ip, &s->network.control_cidr,
			  &p->spec->control_gateway, e);
	return ret ? ret
		   : find_family(n, b, &rec->control_ip6, &s->network.control_cidr6,
				 &p->spec->control_gateway6, e);
}

int net_bridge_find(struct netif *n, const struct plan *p, struct net_bridge *b, struct err *e)
{
	struct err why = { 0 };
	bool own;
	int ret;

	memset(b, 0, sizeof(*b));
	(void)str_copy(b->dev.name, sizeof(b->dev.name), p->rec->attach);
	ret = find(n, p, b, &why);
	if (ret == 0)
		return 0;
	own = p->spec->file[0] && strcmp(p->spec->attach, p->settings->defaults.attach) != 0;
	return err_set(e, why.code, "attach workspace '%s' to bridge '%s': %s (attach in %s%s)",
		       p->rec->name, b->dev.name, why.text, own ? p->spec->file : p->settings->file,
		       own ? "" : " [defaults]");
}

/* ---- joining and leaving ---- */

/* IFLA_BRPORT_MCAST_MAX_GROUPS; older kernels ignore the attribute, so that asking for it tells nothing. */
static bool counts_groups(void)
{
	struct utsname u;
	unsigned int major = 0, minor = 0;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 3));
}

static struct net_guard guard_of(const struct record *rec, const uint8_t mac[6])
{
	struct net_guard g = { .slot = rec->slot,
			       .ip4 = rec->control_ip,
			       .ip6 = rec->control_ip6,
			       .counts_groups = counts_groups() };

	memcpy(g.mac, mac, sizeof(g.mac));
	return g;
}

/* The host's way to one address. It is the host's alone: the stations of the bridge find eth0 themselves. */
static void way(struct netif *n, const struct netif_dev *bridge, const struct ip *ip,
		const struct ip *src, const uint8_t *mac)
{
	struct netif_route r = { .dst = { *ip, ip->family == AF_INET ? 32 : 128 },
				 .table = RT_TABLE_MAIN,
				 .type = RTN_UNICAST };
	static const uint8_t any[6];

	if (!ip->family)
		return;
	if (mac)
		r.src = *src;
	netif_route(n, bridge, &r, mac != NULL);
	if (!mac) {
		netif_tolerate(n, ESRCH);
		netif_tolerate(n, ENODEV);
	}
	netif_neigh(n, bridge, ip, mac ? mac : any, mac != NULL);
	if (!mac) {
		netif_tolerate(n, ENOENT);
		netif_tolerate(n, ENODEV);
	}
}

int net_bridge_join(struct netif *n, const struct plan *p, const struct net_bridge *b,
		    const struct netif_dev *port, const uint8_t mac[6], struct err *e)
{
	const struct record *rec = p->rec;
	struct net_guard g = guard_of(rec, mac);
	int ret = fault_point("net.bridge.rules");

	if (ret)
		return err_ret(e, ret, "guard port '%s'", port->name);
	/* Rules before the port: nothing is forwarded that is not judged. */
	ret = net_guard_load(p->settings, &g, e);
	if (ret)
		return err_wrap(e, "attach workspace '%s' to bridge '%s'", rec->name, b->dev.name);
	ret = fault_point("net.bridge.port");
	if (ret)
		return err_ret(e, ret, "attach '%s'", port->name);
	netif_bridge_master(n, port, b->dev.index);
	netif_bridge_port(n, port, p->settings->network.isolate);
	netif_bridge_fdb(n, port, mac);
	way(n, &b->dev, &rec->control_ip, &b->own4.addr, mac);
	way(n, &b->dev, &rec->control_ip6, &b->own6.addr, mac);
	ret = netif_commit(n, e);
	if (ret)
		return err_wrap(e, "attach workspace '%s' to bridge '%s'", rec->name, b->dev.name);
	ret = fault_point("net.bridge.joined");
	return ret ? err_ret(e, ret, "attach '%s'", port->name) : 0;
}

int net_bridge_leave(struct netif *n, const struct plan *p, int master, const uint8_t mac[6],
		     struct err *e)
{
	struct netif_dev bridge = { .index = master };
	struct net_guard g = guard_of(p->rec, mac);
	auto_fd int held = -1;
	int ret = fault_point("net.bridge.leave");

	if (ret)
		return err_ret(e, ret, "take workspace '%s' off its bridge", p->rec->name);

	(void)str_copy(bridge.name, sizeof(bridge.name), p->rec->attach);
	held = net_guard_lock(p->settings, e);
	if (held < 0)
		return held;
	if (master || netif_index(n, &bridge, NULL) == 0) {
		way(n, &bridge, &p->rec->control_ip, NULL, NULL);
		way(n, &bridge, &p->rec->control_ip6, NULL, NULL);
		ret = netif_commit(n, e);
	}
	fd_close(&held);
	return net_guard_remove(p->settings, &g, ret ? NULL : e) ?: ret;
}

/* With the lock: a port that is seen here is not gone, with all that belongs to it, before this has ended. */
static int refresh(struct netif *n, const struct settings *s, const struct record *rec,
		   struct err *e)
{
	auto_fd int held = net_guard_lock(s, e);
	struct netif_dev port = { 0 }, bridge = { 0 };
	struct netif_link link;
	struct ipnet own;
	uint8_t mac[6];
	int ret;

	if (held < 0)
		return held;
	net_ifname(rec->slot, port.name);
	(void)str_copy(bridge.name, sizeof(bridge.name), rec->attach);
	/* Under a bond, or with another bridge, it is not ours to set up; reconcile_bridge.c tells that. */
	if (netif_get(n, &port, &link, NULL) || !link.master || netif_index(n, &bridge, NULL) ||
	    bridge.index != link.master)
		return 0;
	net_mac(rec, mac);
	netif_bridge_port(n, &link.dev, s->network.isolate);
	netif_bridge_fdb(n, &link.dev, mac);
	/* A commit of its own: a bridge that is down takes no routes. */
	ret = netif_commit(n, e);
	if (ret)
		return ret;
	for (int v6 = 0; v6 < 2; v6++) {
		const struct ip *ip = v6 ? &rec->control_ip6 : &rec->control_ip;

		if (!ip->family || netif_bridge_own(n, &bridge, ip, &own, NULL))
			continue;
		way(n, &bridge, ip, &own.addr, mac);
		(void)netif_commit(n, NULL);
	}
	return 0;
}

int net_bridge_refresh(const struct settings *s, const struct record *const *records,
		       unsigned int count, struct err *e)
{
	auto_netif struct netif *n = NULL;
	int ret = netif_open(-1, &n, e);

	for (unsigned int i = 0; i < count && n; i++) {
		struct err one = { 0 };
		int got = records[i]->attach[0] ? refresh(n, s, records[i], &one) : 0;

		if (got == 0)
			continue;
		log_warn("workspace '%s': %s", records[i]->name, one.text);
		/* The port went away, or under another master, between the look and the request. */
		if (ret == 0 && got != -EOPNOTSUPP && got != -EINVAL && got != -ENODEV)
			ret = err_set(e, one.code, "%s", one.text);
	}
	return ret;
}

/* ---- looking ---- */

bool net_bridge_is(int fd, const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };

	(void)str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
	return ioctl(fd, SIOCETHTOOL, &ifr) == 0 && strcmp(info.driver, "bridge") == 0;
}

bool net_bridge_lost(const struct record *rec, char *why, size_t size)
{
	int indices[PORTS_MAX] = { 0 }, index, n;
	unsigned long args[4] = { BRCTL_GET_PORT_LIST, (unsigned long)indices, PORTS_MAX, 0 };
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	char port[16];

	net_ifname(rec->slot, port);
	(void)str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), rec->attach);
	if (fd < 0)
		return false;
	if (ioctl(fd, SIOCGIFINDEX, &ifr)) {
		if (errno != ENODEV)
			return false;
		(void)str_format(why, size, "its bridge '%s' is gone", rec->attach);
		return true;
	}
	if (!net_bridge_is(fd, rec->attach)) {
		(void)str_format(why, size, "its bridge '%s' is no bridge any more", rec->attach);
		return true;
	}
	index = (int)if_nametoindex(port);
	ifr.ifr_data = (void *)args;
	n = ioctl(fd, SIOCDEVPRIVATE, &ifr);
	for (int i = 0; i < PORTS_MAX && n >= 0 && index; i++)
		if (indices[i] == index)
			return false;
	(void)str_format(why, size, "its interface '%s' is no port of the bridge '%s' any more",
			 port, rec->attach);
	return true;
}

const char *net_bridge_name(const struct settings *s, unsigned int i)
{
	const char *seen[SETTINGS_BRIDGES_MAX] = { NULL };
	unsigned int n = 0;

	/* [defaults] is looked at last, as workspace number nworkspaces. */
	for (uint32_t w = 0; w <= s->nworkspaces && n < SETTINGS_BRIDGES_MAX; w++) {
		const char *name =
			w < s->nworkspaces ? s->workspaces[w].attach : s->defaults.attach;
		unsigned int known = 0;

		while (known < n && strcmp(seen[known], name))
			known++;
		if (!name[0] || known < n)
			continue;
		if (n == i)
			return name;
		seen[n++] = name;
	}
	return NULL;
}

uint64_t net_bridge_state(const struct settings *s)
{
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t h = 0xcbf29ce484222325u;
	const char *name;

	for (unsigned int i = 0; fd >= 0 && (name = net_bridge_name(s, i)); i++) {
		struct ifreq ifr = { 0 };
		uint8_t seen[11] = { 0 };

		(void)str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
		if (ioctl(fd, SIOCGIFHWADDR, &ifr) == 0)
			memcpy(seen, ifr.ifr_hwaddr.sa_data, 6);
		if (ioctl(fd, SIOCGIFFLAGS, &ifr) == 0)
			seen[6] = ifr.ifr_flags & IFF_UP ? 1 : 2;
		if (ioctl(fd, SIOCGIFINDEX, &ifr) == 0)
			memcpy(seen + 7, &ifr.ifr_ifindex, 4);
		for (unsigned int b = 0; b < sizeof(seen); b++)
			h = (h ^ seen[b]) * 0x100000001b3u;
	}
	return h;
}
