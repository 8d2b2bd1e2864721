// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Addresses and routes as messages of rtnetlink.  What a dump gives is what an addition takes, but for the number of the
 * interface, which may be another one afterwards, and for attributes that only report.  Runs in worker processes.
 */
#include "netif_raw.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "netif_batch.h"

#define IFA_PROTO_    11 /* kernel 5.18 */
#define PROTO_BY_LINK 3  /* an address that the kernel made when the link came up */

struct reading {
	struct netif_raws *out;
	int index;
};

static size_t head_size(int type)
{
	return type == RTM_NEWADDR ? sizeof(struct ifaddrmsg) : sizeof(struct rtmsg);
}

static void keep(struct netif_raws *out, struct nlmsghdr *h)
{
	size_t len = (size_t)nlmsg_datalen(h);
	struct netif_raw *raw = &out->raw[out->n];

	if (out->n == NETIF_RAW_MAX || len > NETIF_RAW_BYTES) {
		out->lost++;
		return;
	}
	out->n++;
	raw->type = h->nlmsg_type;
	raw->len = (uint16_t)len;
	memcpy(raw->data, nlmsg_data(h), len);
}

static void take_address(void *ctx, struct nlmsghdr *h)
{
	struct reading *r = ctx;
	const struct ifaddrmsg *ifa = nlmsg_data(h);
	struct nlattr *proto, *address;

	if (h->nlmsg_type != RTM_NEWADDR || (int)ifa->ifa_index != r->index)
		return;
	proto = nlmsg_find_attr(h, sizeof(*ifa), IFA_PROTO_);
	address = nlmsg_find_attr(h, sizeof(*ifa), IFA_ADDRESS);
	if (proto && nla_get_u8(proto) == PROTO_BY_LINK)
		return;
	/* Older kernels do not tell. */
	if (!proto && ifa->ifa_family == AF_INET6 && address && nla_len(address) == 16 &&
	    memcmp(nla_data(address), "\xfe\x80\0\0\0\0\0\0", 8) == 0)
		return;
	keep(r->out, h);
}

static void take_route(void *ctx, struct nlmsghdr *h)
{
	struct reading *r = ctx;
	const struct rtmsg *rtm = nlmsg_data(h);
	struct nlattr *oif, *nexthop;

	if (h->nlmsg_type != RTM_NEWROUTE || rtm->rtm_table == RT_TABLE_LOCAL ||
	    rtm->rtm_protocol == RTPROT_KERNEL || rtm->rtm_protocol == RTPROT_RA ||
	    rtm->rtm_protocol == RTPROT_REDIRECT || (rtm->rtm_flags & RTM_F_CLONED))
		return;
	oif = nlmsg_find_attr(h, sizeof(*rtm), RTA_OIF);
	if (!oif || (int)nla_get_u32(oif) != r->index)
		return;
	nexthop = nlmsg_find_attr(h, sizeof(*rtm), RTA_NH_ID);
	if (nexthop)
		r->out->by_nexthop = nla_get_u32(nexthop);
	keep(r->out, h);
}

static int walk(struct netif *n, int type, uint8_t family, struct reading *r, struct err *e)
{
	struct rtmsg rtm = { .rtm_family = family };
	struct ifaddrmsg ifa = { .ifa_family = family };
	struct nl_msg *msg;

	if (type == RTM_GETADDR)
		msg = netif_begin(n, type, NLM_F_DUMP, &ifa, sizeof(ifa));
	else
		msg = netif_begin(n, type, NLM_F_DUMP, &rtm, sizeof(rtm));
	if (!msg)
		return err_set(e, ENOMEM, "list from 'netlink': out of memory");
	return netif_walk(n, msg, type == RTM_GETADDR ? take_address : take_route, r, e);
}

int netif_raw_read(struct netif *n, const struct netif_dev *dev, struct netif_raws *out,
		   struct err *e)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct reading r = { .out = out, .index = dev->index };
	int ret = 0;

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < 2 && ret == 0; i++)
		ret = walk(n, RTM_GETADDR, families[i], &r, e);
	for (unsigned int i = 0; i < 2 && ret == 0; i++)
		ret = walk(n, RTM_GETROUTE, families[i], &r, e);
	return ret ? err_wrap(e, "read the addresses of '%s'", dev->name) : 0;
}

static bool copy_attributes(struct nl_msg *msg, const struct netif_raw *raw, uint32_t index)
{
	struct nlattr *attr;
	size_t head = NLMSG_ALIGN(head_size(raw->type));
	int left = (int)(raw->len - head);
	bool bad = false;

	for (attr = (void *)(raw->data + head); nla_ok(attr, left); attr = nla_next(attr, &left)) {
		if (raw->type == RTM_NEWROUTE && nla_type(attr) == RTA_CACHEINFO)
			continue;
		if (raw->type == RTM_NEWROUTE && nla_type(attr) == RTA_OIF)
			bad |= nla_put_u32(msg, RTA_OIF, index) < 0;
		else
			bad |= nla_put(msg, nla_type(attr), nla_len(attr), nla_data(attr)) < 0;
	}
	return bad;
}

static bool has_gateway(const struct netif_raw *raw)
{
	size_t head = NLMSG_ALIGN(head_size(raw->type));

	return raw->type == RTM_NEWROUTE &&
	       (nla_find((void *)(raw->data + head), (int)(raw->len - head), RTA_GATEWAY) ||
		nla_find((void *)(raw->data + head), (int)(raw->len - head), RTA_VIA));
}

static void add_one(struct netif *n, const struct netif_dev *dev, const struct netif_raw *raw)
{
	union {
		struct ifaddrmsg ifa;
		struct rtmsg rtm;
	} head;
	struct nl_msg *msg;
	bool bad;

	memcpy(&head, raw->data, head_size(raw->type));
	if (raw->type == RTM_NEWADDR)
		head.ifa.ifa_index = (uint32_t)dev->index;
	else
		head.rtm.rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
	msg = netif_begin(n, raw->type, NLM_F_CREATE | NLM_F_REPLACE, &head, head_size(raw->type));
	bad = msg && copy_attributes(msg, raw, (uint32_t)dev->index);
	netif_end(n, msg, bad, "restore %s of '%s'",
		  raw->type == RTM_NEWADDR ? "an address" : "a route", dev->name);
	netif_tolerate(n, EEXIST);
}

/* A gateway must be reachable when its route is added, so what leads straight out goes first. */
void netif_raw_add(struct netif *n, const struct netif_dev *dev, const struct netif_raws *raws,
		   bool routes)
{
	uint16_t type = routes ? RTM_NEWROUTE : RTM_NEWADDR;

	for (unsigned int pass = 0; pass < 2; pass++)
		for (unsigned int i = 0; i < raws->n; i++)
			if (raws->raw[i].type == type && has_gateway(&raws->raw[i]) == (pass == 1))
				add_one(n, dev, &raws->raw[i]);
}

struct disciplines {
	int index;
	char *kind;
};

/* The kernel's own have no handle. */
static void take_discipline(void *ctx, struct nlmsghdr *h)
{
	struct disciplines *d = ctx;
	const struct tcmsg *tcm = nlmsg_data(h);
	struct nlattr *kind;

	if (h->nlmsg_type != RTM_NEWQDISC || tcm->tcm_ifindex != d->index || !tcm->tcm_handle ||
	    d->kind[0])
		return;
	kind = nlmsg_find_attr(h, sizeof(*tcm), TCA_KIND);
	if (kind)
		nla_strlcpy(d->kind, kind, NETIF_NAME_MAX);
}

int netif_raw_tc(struct netif *n, const struct netif_dev *dev, char kind[NETIF_NAME_MAX],
		 struct err *e)
{
	struct tcmsg tcm = { .tcm_ifindex = dev->index };
	struct disciplines d = { .index = dev->index, .kind = kind };
	struct nl_msg *msg = netif_begin(n, RTM_GETQDISC, NLM_F_DUMP, &tcm, sizeof(tcm));
	int ret;

	kind[0] = '\0';
	if (!msg)
		return err_set(e, ENOMEM, "list from 'netlink': out of memory");
	ret = netif_walk(n, msg, take_discipline, &d, e);
	/* A kernel without traffic control. */
	if (ret == -EOPNOTSUPP)
		ret = 0;
	return ret ? err_wrap(e, "read the traffic control of '%s'", dev->name) : 0;
}

/* ---- what is on top ---- */

struct covering {
	struct netif_dev *out;
	int index, n, max;
};

static void take_upper(void *ctx, struct nlmsghdr *h)
{
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct covering *c = ctx;
	struct nlattr *name = nlmsg_find_attr(h, sizeof(*ifi), IFLA_IFNAME),
		      *lower = nlmsg_find_attr(h, sizeof(*ifi), IFLA_LINK),
		      *info = nlmsg_find_attr(h, sizeof(*ifi), IFLA_LINKINFO), *kind;

	if (h->nlmsg_type != RTM_NEWLINK || !name || !lower || !info || c->n == c->max ||
	    (int)nla_get_u32(lower) != c->index || ifi->ifi_index == c->index ||
	    nlmsg_find_attr(h, sizeof(*ifi), IFLA_LINK_NETNSID))
		return;
	/* The other end of a cable is not on top of this one. */
	kind = nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND);
	if (!kind || nla_strcmp(kind, "veth") == 0)
		return;
	c->out[c->n].index = ifi->ifi_index;
	nla_strlcpy(c->out[c->n++].name, name, NETIF_NAME_MAX);
}

int netif_raw_uppers(struct netif *n, const struct netif_dev *dev, struct netif_dev *out, int max,
		     struct err *e)
{
	struct covering c = { .out = out, .index = dev->index, .max = max };
	struct ifinfomsg ifi = { 0 };
	struct nl_msg *msg = netif_begin(n, RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi));
	int ret;

	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
		return err_set(e, ENOMEM, "look what is on top of '%s': out of memory", dev->name);
	ret = netif_walk(n, msg, take_upper, &c, e);
	return ret ? err_wrap(e, "look what is on top of '%s'", dev->name) : c.n;
}
