// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Step `net`: the veth of one workspace, `sb-<slot>` here and `eth0` inside, routed or a port of a bridge.  Runs in a
 * worker.  It is on the way of a first login: interfaces are made in place, never moved, and requests travel in batches.
 */
#include "net.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/str.h"
#include "net_bridge.h"
#include "net_guard.h"
#include "net_host.h"
#include "netif.h"

#define INSIDE "eth0"

/* The same on every host side: each veth is a network of its own, and the workspaces' entries for it never change. */
static const uint8_t host_mac[6] = NET_GUARD_HOST_MAC;

struct ends {
	struct netif *out, *in; /* sockets: host, workspace */
	struct netif_dev host, eth, lo;
	struct net_bridge bridge; /* index 0: routed */
	uint8_t mac[6];           /* of eth0 */
	char alias
		[NETIF_ALIAS_MAX]; /* "NAME ADDRESS [ADDRESS6]" on the host side: whose it is, and for what */
};

void net_ifname(uint32_t slot, char out[16])
{
	(void)snprintf(out, 16, "sb-%x", slot);
}

/*
 * Stable, so that a workspace keeps its MAC when it is made again: 02 and five bytes of FNV-1a of the name. On a bridge, of
 * the address as well: the LAN may have another host with a workspace of that name, but not with that address.
 */
void net_mac(const struct record *rec, uint8_t mac[6])
{
	uint64_t h = 0xcbf29ce484222325u;

	for (const char *name = rec->name; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	for (unsigned int i = 0; i < 4 && rec->attach[0]; i++)
		h = (h ^ rec->control_ip.b[i]) * 0x100000001b3u;
	mac[0] = 0x02;
	for (int i = 1; i < 6; i++)
		mac[i] = (uint8_t)(h >> (8 * i));
}

static struct ipnet single(const struct ip *ip)
{
	return (struct ipnet){ .addr = *ip, .plen = ip->family == AF_INET ? 32 : 128 };
}

/* Everything has to match: a tenant may have renamed, removed or replaced what was left in a pinned namespace. */
static bool still_good(struct ends *w)
{
	struct netif_link out, in;

	if (netif_get(w->out, &w->host, &out, NULL) || netif_get(w->in, &w->eth, &in, NULL))
		return false;
	return strcmp(out.kind, "veth") == 0 && strcmp(in.kind, "veth") == 0 &&
	       strcmp(out.alias, w->alias) == 0 && out.peer == in.dev.index &&
	       in.peer == out.dev.index && memcmp(out.mac, host_mac, 6) == 0 &&
	       out.master == w->bridge.dev.index && (!w->bridge.mtu || out.mtu == w->bridge.mtu) &&
	       memcmp(in.mac, w->mac, 6) == 0;
}

static int make(struct ends *w, int netnsfd, struct err *e)
{
	/* A bridge takes the smallest MTU of its ports, and the host's LAN with it. */
	struct netif_veth v = { .mtu = w->bridge.mtu, .peer_netns = netnsfd };

	memcpy(v.name, w->host.name, sizeof(v.name));
	memcpy(v.peer_name, w->eth.name, sizeof(v.peer_name));
	memcpy(v.mac, host_mac, 6);
	memcpy(v.peer_mac, w->mac, 6);
	netif_veth(w->out, &v);
	return netif_commit(w->out, e);
}

/* Leave both ends existing, with their numbers in w->host and w->eth. */
static int ensure(struct ends *w, int netnsfd, struct err *e)
{
	int ret = netif_index(w->out, &w->host, NULL);

	if (ret == 0 && still_good(w))
		return netif_index(w->in, &w->eth, e);
	if (ret == 0) {
		netif_delete(w->out, &w->host);
		ret = netif_commit(w->out, e);
		if (ret)
			return ret;
	}
	ret = make(w, netnsfd, e);
	/* The tenant called something of its own eth0. It may be the leased NIC, so it is renamed, not deleted. */
	if (ret == -EEXIST) {
		ret = netif_set_aside(w->in, INSIDE, e);
		if (ret == 0)
			ret = make(w, netnsfd, e);
	}
	if (ret)
		return ret;
	ret = netif_index(w->out, &w->host, e);
	return ret ? ret : netif_index(w->in, &w->eth, e);
}

static void host_family(struct ends *w, const struct ip *ip, const struct ip *src)
{
	struct netif_route r = {
		.dst = single(ip), .src = *src, .table = RT_TABLE_MAIN, .type = RTN_UNICAST
	};

	netif_route(w->out, &w->host, &r, true);
	netif_neigh(w->out, &w->host, ip, w->mac, true);
}

static void host_side(struct ends *w, const struct plan *p)
{
	struct netif_change up = {
		.flags = IFF_UP, .mask = IFF_UP, .alias = w->alias, .netns = -1
	};
	const struct record *rec = p->rec;
	struct ip own6 = net_host_ip6(p->settings);
	struct ipnet gateway6 = { .addr = NET_HOST_LL6, .plen = 64 };

	/* fe80::1 is the only address it needs; an automatic one would cost duplicate detection and reports. */
	netif_no_autoconf6(w->out, &w->host);
	netif_tolerate(w->out, EAFNOSUPPORT); /* a host without IPv6 */
	netif_set(w->out, &w->host, &up);
	if (w->bridge.dev.index)
		return;
	if (rec->control_ip.family)
		host_family(w, &rec->control_ip, &NET_HOST_IP4);
	if (rec->control_ip6.family) {
		netif_addr(w->out, &w->host, &gateway6, RT_SCOPE_LINK, true);
		host_family(w, &rec->control_ip6, &own6);
	}
}

static void guest_family(struct ends *w, const struct ip *ip, const struct ip *gateway)
{
	struct netif_route on_link = { .dst = single(gateway),
				       .table = RT_TABLE_MAIN,
				       .type = RTN_UNICAST };
	struct netif_route dflt = { .dst.addr.family = ip->family,
				    .via = *gateway,
				    .table = RT_TABLE_MAIN,
				    .type = RTN_UNICAST };
	struct ipnet own = single(ip);

	netif_addr(w->in, &w->eth, &own, RT_SCOPE_UNIVERSE, true);
	if (ip->family == AF_INET)
		netif_route(w->in, &w->eth, &on_link, true);
	netif_route(w->in, &w->eth, &dflt, true);
	netif_neigh(w->in, &w->eth, gateway, host_mac, true);
}

/* A station like others: the network of the bridge, whose stations it asks for by ARP. */
static void guest_station(struct ends *w, const struct ip *ip, uint8_t plen, const struct ip *via)
{
	struct ipnet own = { .addr = *ip, .plen = plen };
	struct netif_route dflt = { .dst.addr.family = ip->family,
				    .via = *via,
				    .table = RT_TABLE_MAIN,
				    .type = RTN_UNICAST };

	netif_addr(w->in, &w->eth, &own, RT_SCOPE_UNIVERSE, true);
	netif_route(w->in, &w->eth, &dflt, true);
}

static void guest_bridged(struct ends *w, const struct record *rec)
{
	if (rec->control_ip.family)
		guest_station(w, &rec->control_ip, w->bridge.own4.plen, &w->bridge.via4);
	if (rec->control_ip6.family)
		guest_station(w, &rec->control_ip6, w->bridge.own6.plen, &w->bridge.via6);
}

static void guest_side(struct ends *w, const struct plan *p)
{
	struct netif_change up = { .flags = IFF_UP, .mask = IFF_UP, .netns = -1 };
	const struct record *rec = p->rec;

	netif_set(w->in, &w->lo, &up);
	if (!rec->control_ip6.family && !w->bridge.dev.index) {
		netif_no_autoconf6(w->in, &w->eth);
		netif_tolerate(w->in, EAFNOSUPPORT);
	}
	netif_set(w->in, &w->eth, &up);
	if (w->bridge.dev.index) {
		guest_bridged(w, rec);
		return;
	}
	if (rec->control_ip.family)
		guest_family(w, &rec->control_ip, &NET_HOST_IP4);
	if (rec->control_ip6.family)
		guest_family(w, &rec->control_ip6, &NET_HOST_LL6);
}

/* The addresses are leased from now on, so the LANs' interfaces answer for them; it stays so while the lease lasts. */
static int announce(struct netif *n, const struct plan *p, bool add, struct err *e)
{
	struct netif_dev lan;
	int ret = 1;

	for (unsigned int i = 0; ret > 0; i++) {
		ret = net_host_lan(n, p->settings, i, &lan, e);
		if (ret < 0)
			return add ? err_wrap(e, "announce workspace '%s'", p->rec->name) : 0;
		if (ret && lan.index)
			net_host_announce(n, &lan, p->rec, add);
	}
	return 0;
}

static void describe(struct ends *w, const struct record *rec)
{
	char ip[IP_TEXT_MAX], ip6[IP_TEXT_MAX];

	net_ifname(rec->slot, w->host.name);
	(void)str_copy(w->eth.name, sizeof(w->eth.name), INSIDE);
	w->lo = (struct netif_dev){ .index = 1, .name = "lo" };
	net_mac(rec, w->mac);
	(void)ip_text(&rec->control_ip, ip, sizeof(ip));
	(void)ip_text(&rec->control_ip6, ip6, sizeof(ip6));
	(void)str_format(w->alias, sizeof(w->alias), "%s %s%s%s", rec->name, ip, ip6[0] ? " " : "",
			 ip6);
}

static int bring_up(struct ends *w, struct plan *p, struct err *e)
{
	int ret;

	describe(w, p->rec);
	ret = netif_open(-1, &w->out, e);
	if (ret == 0)
		ret = netif_open(p->netns, &w->in, e);
	if (ret == 0 && p->rec->attach[0])
		ret = net_bridge_find(w->out, p, &w->bridge, e);
	if (ret == 0)
		ret = ensure(w, p->netns, e);
	if (ret == 0 && w->bridge.dev.index)
		ret = net_bridge_join(w->out, p, &w->bridge, &w->host, w->mac, e);
	if (ret == 0)
		ret = announce(w->out, p, true, e);
	if (ret)
		return ret;
	host_side(w, p);
	ret = netif_commit(w->out, e);
	if (ret)
		return ret;
	guest_side(w, p);
	ret = netif_commit(w->in, e);
	return ret ? err_wrap(e, "in workspace '%s'", p->rec->name) : 0;
}

int net_up(struct plan *p, struct err *e)
{
	const struct ip *shown =
		p->rec->control_ip.family ? &p->rec->control_ip : &p->rec->control_ip6;
	struct ends w = { 0 };
	int ret = fault_point("net.up");

	if (ret)
		return err_ret(e, ret, "connect workspace '%s'", p->rec->name);
	if (p->netns < 0)
		return err_set(e, EINVAL,
			       "connect workspace '%s': its network namespace is not open",
			       p->rec->name);
	ret = bring_up(&w, p, e);
	netif_close(w.out);
	netif_close(w.in);
	if (ret == 0)
		(void)ip_text(shown, p->detail, sizeof(p->detail));
	return ret;
}

/*
 * Deleting the host side takes the other end, the routes and the neighbour entries with it.  It is done here and not
 * left to the end of the namespace: a socket that someone holds keeps a namespace alive, and the address with it.
 */
int net_down(struct plan *p, struct err *e)
{
	struct netif_link link;
	struct ends w = { 0 };
	auto_netif struct netif *n = NULL;
	size_t len = strlen(p->rec->name);
	int ret, master = 0;

	describe(&w, p->rec);
	ret = netif_open(-1, &n, e);
	if (ret)
		return ret;
	ret = netif_get(n, &w.host, &link, e);
	if (ret && ret != -ENODEV)
		return ret;
	/* One without alias is a half-made one; one with another name on it is somebody else's. */
	if (ret == 0 && (!link.alias[0] ||
			 (strncmp(link.alias, p->rec->name, len) == 0 && link.alias[len] == ' '))) {
		master = link.master;
		ret = netif_remove(n, &link.dev, e);
		if (ret)
			return ret;
	}
	ret = p->rec->attach[0] ? net_bridge_leave(n, p, master, w.mac, e) : 0;
	if (ret)
		return ret;
	if (!settings_find_ip(p->settings, &p->rec->control_ip))
		(void)announce(n, p, false, NULL);
	return netif_commit(n, e);
}
