// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writes rtnetlink requests: links with libnl-route where it can express them, the rest attribute by attribute.  Runs
 * in worker processes; netif.c carries what is queued here.
 */
#include "netif.h"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <string.h>

#include "netif_batch.h"

/* Before the main table (32766), after the local one (0); fixed, so that adding it twice is noticed. */
#define RULE_PRIORITY 2200

static int ip_size(const struct ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

static int put_ip(struct nl_msg *msg, int type, const struct ip *ip)
{
	return nla_put(msg, type, ip_size(ip), ip->b);
}

static void set_mac(struct rtnl_link *link, const uint8_t mac[6])
{
	struct nl_addr *addr = nl_addr_build(AF_LLC, (void *)mac, 6);

	if (!addr)
		return;
	rtnl_link_set_addr(link, addr);
	nl_addr_put(addr);
}

/* One queue each: the default is one per processor. */
static void fill_end(struct rtnl_link *link, const char *name, const uint8_t mac[6], uint32_t mtu)
{
	rtnl_link_set_name(link, name);
	set_mac(link, mac);
	rtnl_link_set_num_tx_queues(link, 1);
	rtnl_link_set_num_rx_queues(link, 1);
	if (mtu)
		rtnl_link_set_mtu(link, mtu);
}

/* The peer is born in its namespace: moving it there would wait for RCU, 40 times the cost of making it. */
void netif_veth(struct netif *n, const struct netif_veth *v)
{
	struct ifinfomsg none = { 0 };
	struct rtnl_link *link, *peer;
	struct nl_msg *msg = NULL;
	struct nlmsghdr *h;
	int ret;

	link = rtnl_link_veth_alloc();
	if (!link) {
		netif_end(n, netif_begin(n, RTM_NEWLINK, 0, &none, sizeof(none)), true,
			  "create '%s'", v->name);
		return;
	}
	peer = rtnl_link_veth_get_peer(link);
	fill_end(link, v->name, v->mac, v->mtu);
	fill_end(peer, v->peer_name, v->peer_mac, v->mtu);
	rtnl_link_set_ns_fd(peer, v->peer_netns);
	ret = rtnl_link_build_add_request(link, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, &msg);
	rtnl_link_put(peer);
	rtnl_link_put(link);
	if (ret < 0) {
		netif_end(n, netif_begin(n, RTM_NEWLINK, 0, &none, sizeof(none)), true,
			  "create '%s'", v->name);
		return;
	}
	h = nlmsg_hdr(msg);
	h->nlmsg_flags |= NLM_F_REQUEST;
	netif_end(n, msg, false, "create '%s'", v->name);
}

void netif_delete(struct netif *n, const struct netif_dev *dev)
{
	struct ifinfomsg ifi = { .ifi_index = dev->index };
	struct nl_msg *msg = netif_begin(n, RTM_DELLINK, 0, &ifi, sizeof(ifi));
	bool bad = msg && !dev->index && nla_put_string(msg, IFLA_IFNAME, dev->name);

	netif_end(n, msg, bad, "delete '%s'", dev->name);
}

void netif_set(struct netif *n, const struct netif_dev *dev, const struct netif_change *c)
{
	struct ifinfomsg ifi = { .ifi_index = dev->index,
				 .ifi_flags = c->flags & c->mask,
				 .ifi_change = c->mask };
	struct nl_msg *msg = netif_begin(n, RTM_SETLINK, 0, &ifi, sizeof(ifi));
	bool bad = false;

	if (!msg)
		return;
	if (c->netns >= 0)
		bad |= nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)c->netns) < 0;
	if (c->netns >= 0 && c->new_index)
		bad |= nla_put_u32(msg, IFLA_NEW_IFINDEX, (uint32_t)c->new_index) < 0;
	if (c->new_name)
		bad |= nla_put_string(msg, IFLA_IFNAME, c->new_name) < 0;
	if (c->mtu)
		bad |= nla_put_u32(msg, IFLA_MTU, c->mtu) < 0;
	if (c->txqlen)
		bad |= nla_put_u32(msg, IFLA_TXQLEN, *c->txqlen) < 0;
	for (unsigned int i = 0; c->tuning && i < NETIF_TUNINGS; i++)
		if (c->tuning[i] != NETIF_NO_TUNING)
			bad |= nla_put_u32(msg, netif_link_tunings[i], c->tuning[i]) < 0;
	if (c->alias)
		bad |= nla_put_string(msg, IFLA_IFALIAS, c->alias) < 0;
	if (c->mac)
		bad |= nla_put(msg, IFLA_ADDRESS, 6, c->mac) < 0;
	if (c->netns >= 0)
		netif_end(n, msg, bad, "move '%s' to another namespace as '%s'", dev->name,
			  c->new_name ? c->new_name : dev->name);
	else if (c->new_name)
		netif_end(n, msg, bad, "rename '%s' to '%s'", dev->name, c->new_name);
	else
		netif_end(n, msg, bad, "configure '%s'", dev->name);
}

void netif_no_autoconf6(struct netif *n, const struct netif_dev *dev)
{
	struct ifinfomsg ifi = { .ifi_index = dev->index };
	struct nl_msg *msg = netif_begin(n, RTM_SETLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *spec, *inet6;
	bool bad;

	if (!msg)
		return;
	spec = nla_nest_start(msg, IFLA_AF_SPEC);
	inet6 = spec ? nla_nest_start(msg, AF_INET6) : NULL;
	bad = !inet6 || nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	if (!bad) {
		nla_nest_end(msg, inet6);
		nla_nest_end(msg, spec);
	}
	netif_end(n, msg, bad, "turn off automatic IPv6 addresses of '%s'", dev->name);
}

static void no_xdp(struct netif *n, const struct netif_dev *dev, uint32_t mode)
{
	struct ifinfomsg ifi = { .ifi_index = dev->index };
	struct nl_msg *msg = netif_begin(n, RTM_SETLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *xdp;
	bool bad;

	if (!msg)
		return;
	xdp = nla_nest_start(msg, IFLA_XDP);
	bad = !xdp || nla_put_s32(msg, IFLA_XDP_FD, -1) || nla_put_u32(msg, IFLA_XDP_FLAGS, mode);
	if (!bad)
		nla_nest_end(msg, xdp);
	netif_end(n, msg, bad, "remove XDP program from '%s'", dev->name);
	netif_tolerate(n, EOPNOTSUPP);
	netif_tolerate(n, EINVAL);
	netif_tolerate(n, EBUSY); /* held by a bpf link: seen when it is looked at again */
}

/* A removal in another mode than the program's does nothing, or fails. */
void netif_no_xdp(struct netif *n, const struct netif_dev *dev)
{
	no_xdp(n, dev, XDP_FLAGS_SKB_MODE);
	no_xdp(n, dev, XDP_FLAGS_DRV_MODE);
	no_xdp(n, dev, XDP_FLAGS_HW_MODE);
}

void netif_no_tc(struct netif *n, const struct netif_dev *dev)
{
	static const uint32_t parents[] = { TC_H_ROOT, TC_H_INGRESS };

	for (unsigned int i = 0; i < 2; i++) {
		struct tcmsg tcm = { .tcm_ifindex = dev->index, .tcm_parent = parents[i] };

		if (parents[i] == TC_H_INGRESS)
			tcm.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
		netif_end(n, netif_begin(n, RTM_DELQDISC, 0, &tcm, sizeof(tcm)), false,
			  "remove traffic control from '%s'", dev->name);
		netif_tolerate(n, ENOENT);
		netif_tolerate(n, EINVAL);
	}
}

void netif_macvlan(struct netif *n, const struct netif_dev *parent, const struct netif_change *c)
{
	struct ifinfomsg ifi = { 0 };
	struct nl_msg *msg =
		netif_begin(n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	struct nlattr *info, *data;
	bool bad;

	if (!msg)
		return;
	bad = nla_put_u32(msg, IFLA_LINK, (uint32_t)parent->index) ||
	      nla_put_string(msg, IFLA_IFNAME, c->new_name) ||
	      nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)c->netns);
	if (c->new_index) {
		struct ifinfomsg *head = nlmsg_data(nlmsg_hdr(msg));

		head->ifi_index = c->new_index;
	}
	if (c->mtu)
		bad |= nla_put_u32(msg, IFLA_MTU, c->mtu) < 0;
	if (c->mac)
		bad |= nla_put(msg, IFLA_ADDRESS, 6, c->mac) < 0;
	info = nla_nest_start(msg, IFLA_LINKINFO);
	bad |= !info || nla_put_string(msg, IFLA_INFO_KIND, "macvlan");
	data = info ? nla_nest_start(msg, IFLA_INFO_DATA) : NULL;
	bad |= !data || nla_put_u32(msg, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
	if (!bad) {
		nla_nest_end(msg, data);
		nla_nest_end(msg, info);
	}
	netif_end(n, msg, bad, "make a macvlan of '%s'", parent->name);
}

void netif_altname(struct netif *n, const struct netif_dev *dev, const char *name, bool add)
{
	struct ifinfomsg ifi = { .ifi_index = dev->index };
	struct nl_msg *msg =
		netif_begin(n, add ? RTM_NEWLINKPROP : RTM_DELLINKPROP,
			    add ? NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND : 0, &ifi, sizeof(ifi));
	struct nlattr *list;
	bool bad;

	if (!msg)
		return;
	list = nla_nest_start(msg, IFLA_PROP_LIST);
	bad = !list || nla_put_string(msg, IFLA_ALT_IFNAME, name);
	if (!bad)
		nla_nest_end(msg, list);
	netif_end(n, msg, bad, "%s alternative name '%s' of '%s'", add ? "add" : "remove", name,
		  dev->name);
}

void netif_addr(struct netif *n, const struct netif_dev *dev, const struct ipnet *a, int scope,
		bool add)
{
	struct ifaddrmsg ifa = { .ifa_family = a->addr.family,
				 .ifa_prefixlen = a->plen,
				 .ifa_scope = (uint8_t)scope,
				 .ifa_index = (uint32_t)dev->index };
	char text[IP_TEXT_MAX];
	struct nl_msg *msg;
	bool bad = false;

	/* Nobody else can hold it: no duplicate detection, which would keep the address unusable for a second. */
	if (a->addr.family == AF_INET6)
		ifa.ifa_flags = IFA_F_NODAD;
	msg = netif_begin(n, add ? RTM_NEWADDR : RTM_DELADDR,
			  add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ifa, sizeof(ifa));
	if (msg)
		bad = put_ip(msg, IFA_LOCAL, &a->addr) || put_ip(msg, IFA_ADDRESS, &a->addr);
	netif_end(n, msg, bad, "%s address %s '%s'", add ? "add" : "remove",
		  ip_net_text(a, text, sizeof(text)), dev->name);
}

void netif_route(struct netif *n, const struct netif_dev *dev, const struct netif_route *r,
		 bool add)
{
	struct rtmsg rtm = { .rtm_family = r->dst.addr.family,
			     .rtm_dst_len = r->dst.plen,
			     .rtm_type = r->type,
			     .rtm_protocol = r->protocol ? r->protocol : RTPROT_STATIC,
			     .rtm_scope = RT_SCOPE_LINK };
	int flags = NLM_F_CREATE | (r->exclusive ? NLM_F_EXCL : NLM_F_REPLACE);
	char text[IP_TEXT_MAX];
	struct nl_msg *msg;
	bool bad;

	if (r->type == RTN_LOCAL)
		rtm.rtm_scope = RT_SCOPE_HOST;
	else if (r->via.family)
		rtm.rtm_scope = RT_SCOPE_UNIVERSE;
	if (r->via.family)
		rtm.rtm_flags = RTNH_F_ONLINK;
	msg = netif_begin(n, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? flags : 0, &rtm, sizeof(rtm));
	if (!msg)
		return;
	bad = nla_put_u32(msg, RTA_TABLE, r->table) ||
	      nla_put_u32(msg, RTA_OIF, (uint32_t)dev->index);
	if (r->dst.plen)
		bad |= put_ip(msg, RTA_DST, &r->dst.addr) < 0;
	if (r->via.family)
		bad |= put_ip(msg, RTA_GATEWAY, &r->via) < 0;
	if (r->src.family)
		bad |= put_ip(msg, RTA_PREFSRC, &r->src) < 0;
	netif_end(n, msg, bad, "%s route %s '%s'", add ? "add" : "remove",
		  ip_net_text(&r->dst, text, sizeof(text)), dev->name);
}

void netif_rule(struct netif *n, int family, uint32_t mark, uint32_t table, bool add)
{
	struct fib_rule_hdr rule = { .family = (uint8_t)family, .action = FR_ACT_TO_TBL };
	struct nl_msg *msg = netif_begin(n, add ? RTM_NEWRULE : RTM_DELRULE,
					 add ? NLM_F_CREATE | NLM_F_EXCL : 0, &rule, sizeof(rule));
	bool bad = msg &&
		   (nla_put_u32(msg, FRA_PRIORITY, RULE_PRIORITY) ||
		    nla_put_u32(msg, FRA_FWMARK, mark) ||
		    nla_put_u32(msg, FRA_FWMASK, UINT32_MAX) || nla_put_u32(msg, FRA_TABLE, table));

	netif_end(n, msg, bad, "%s routing rule 'fwmark 0x%x lookup %u'", add ? "add" : "remove",
		  mark, table);
	netif_tolerate(n, add ? EEXIST : ENOENT);
}

void netif_rule_from(struct netif *n, const struct ip *from, uint32_t table, bool add)
{
	struct fib_rule_hdr rule = { .family = from->family,
				     .action = FR_ACT_TO_TBL,
				     .src_len = (uint8_t)(8 * ip_size(from)) };
	struct nl_msg *msg = netif_begin(n, add ? RTM_NEWRULE : RTM_DELRULE,
					 add ? NLM_F_CREATE | NLM_F_EXCL : 0, &rule, sizeof(rule));
	char text[IP_TEXT_MAX];
	bool bad = msg && (nla_put_u32(msg, FRA_PRIORITY, RULE_PRIORITY + 1) ||
			   put_ip(msg, FRA_SRC, from) || nla_put_u32(msg, FRA_TABLE, table));

	netif_end(n, msg, bad, "%s routing rule 'from %s lookup %u'", add ? "add" : "remove",
		  ip_text(from, text, sizeof(text)), table);
	netif_tolerate(n, add ? EEXIST : ENOENT);
}

void netif_neigh(struct netif *n, const struct netif_dev *dev, const struct ip *ip,
		 const uint8_t *mac, bool add)
{
	struct ndmsg ndm = { .ndm_family = ip->family,
			     .ndm_ifindex = dev->index,
			     .ndm_state = NUD_PERMANENT,
			     .ndm_flags = mac ? 0 : NTF_PROXY };
	struct nl_msg *msg = netif_begin(n, add ? RTM_NEWNEIGH : RTM_DELNEIGH,
					 add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ndm, sizeof(ndm));
	char text[IP_TEXT_MAX];
	bool bad = msg && put_ip(msg, NDA_DST, ip) < 0;

	if (msg && mac)
		bad |= nla_put(msg, NDA_LLADDR, 6, mac) < 0;
	netif_end(n, msg, bad, "%s %s %s '%s'", add ? "add" : "remove",
		  mac ? "neighbour" : "announcement of", ip_text(ip, text, sizeof(text)),
		  dev->name);
}
