// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Requests about ports of a bridge, written attribute by attribute, and the bridge's own addresses.  Runs in worker
 * processes; netif.c carries what is queued here.
 */
#include "netif_bridge.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "netif_batch.h"

/* By number: older headers lack it, and older kernels ignore it (6.3). */
#define BRPORT_MCAST_MAX_GROUPS 42
#define GROUPS_MAX                                                                                 \
	64 /* a bridge whose table of multicast groups is full stops snooping for everybody */

void netif_bridge_master(struct netif *n, const struct netif_dev *dev, int master)
{
	struct ifinfomsg ifi = { .ifi_index = dev->index };
	struct nl_msg *msg = netif_begin(n, RTM_SETLINK, 0, &ifi, sizeof(ifi));
	bool bad = msg && nla_put_u32(msg, IFLA_MASTER, (uint32_t)master);

	netif_end(n, msg, bad, "make '%s' a port of the bridge", dev->name);
}

void netif_bridge_port(struct netif *n, const struct netif_dev *dev, bool isolated)
{
	const struct {
		int type;
		uint8_t value;
	} flags[] = {
		{ IFLA_BRPORT_MODE, 0 },          { IFLA_BRPORT_GUARD, 1 },
		{ IFLA_BRPORT_PROTECT, 1 },       { IFLA_BRPORT_LEARNING, 0 },
		{ IFLA_BRPORT_UNICAST_FLOOD, 0 }, { IFLA_BRPORT_MULTICAST_ROUTER, 0 },
		{ IFLA_BRPORT_PROXYARP_WIFI, 1 }, { IFLA_BRPORT_ISOLATED, isolated },
	};
	struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE, .ifi_index = dev->index };
	struct nl_msg *msg = netif_begin(n, RTM_SETLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *list;
	bool bad;

	if (!msg)
		return;
	list = nla_nest_start(msg, IFLA_PROTINFO | NLA_F_NESTED);
	bad = !list;
	for (unsigned int i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		bad |= nla_put_u8(msg, flags[i].type, flags[i].value) < 0;
	bad |= nla_put_u32(msg, BRPORT_MCAST_MAX_GROUPS, GROUPS_MAX) < 0;
	if (!bad)
		nla_nest_end(msg, list);
	netif_end(n, msg, bad, "set flags of the bridge port '%s'", dev->name);
}

void netif_bridge_fdb(struct netif *n, const struct netif_dev *dev, const uint8_t mac[6])
{
	struct ndmsg ndm = { .ndm_family = AF_BRIDGE,
			     .ndm_ifindex = dev->index,
			     .ndm_state = NUD_NOARP,
			     .ndm_flags = NTF_MASTER | NTF_STICKY };
	struct nl_msg *msg =
		netif_begin(n, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &ndm, sizeof(ndm));
	bool bad = msg && nla_put(msg, NDA_LLADDR, 6, mac) < 0;

	netif_end(n, msg, bad, "fix the MAC behind the bridge port '%s'", dev->name);
}

struct search {
	const struct netif_dev *dev;
	const struct ip *ip;
	struct ipnet *own;
};

static void take_address(void *ctx, struct nlmsghdr *h)
{
	const struct ifaddrmsg *ifa = nlmsg_data(h);
	struct search *s = ctx;
	struct nlattr *at;
	struct ipnet net = { .plen = ifa->ifa_prefixlen };

	if (h->nlmsg_type != RTM_NEWADDR || (int)ifa->ifa_index != s->dev->index ||
	    ifa->ifa_family != s->ip->family)
		return;
	/* IPv4: the interface's own; IFA_ADDRESS is the peer's on a point-to-point one. */
	at = nlmsg_find_attr(h, sizeof(*ifa), IFA_LOCAL);
	if (!at)
		at = nlmsg_find_attr(h, sizeof(*ifa), IFA_ADDRESS);
	if (!at || nla_len(at) != (ifa->ifa_family == AF_INET ? 4 : 16))
		return;
	net.addr.family = ifa->ifa_family;
	memcpy(net.addr.b, nla_data(at), (size_t)nla_len(at));
	if (ip_in_net(s->ip, &net) && (!s->own->addr.family || net.plen > s->own->plen))
		*s->own = net;
}

int netif_bridge_own(struct netif *n, const struct netif_dev *dev, const struct ip *ip,
		     struct ipnet *own, struct err *e)
{
	struct ifaddrmsg ifa = { .ifa_family = ip->family };
	struct nl_msg *msg = netif_begin(n, RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
	struct search s = { .dev = dev, .ip = ip, .own = own };
	char text[IP_TEXT_MAX];
	int ret;

	memset(own, 0, sizeof(*own));
	if (!msg)
		return err_set(e, ENOMEM, "list the addresses of '%s': out of memory", dev->name);
	ret = netif_walk(n, msg, take_address, &s, e);
	if (ret)
		return err_wrap(e, "list the addresses of '%s'", dev->name);
	if (own->addr.family)
		return 0;
	return err_set(e, EADDRNOTAVAIL, "it has no address whose network has %s in it",
		       ip_text(ip, text, sizeof(text)));
}
