// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Virtual functions through their physical one.  The kernel nests what it says of them, and what it is told, as
 * IFLA_VFINFO_LIST { IFLA_VF_INFO { IFLA_VF_MAC, .. } .. }; each property names the function it is about.
 */
#include "netif_vf.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "netif_batch.h"

enum property { MAC, VLAN, SPOOFCHECK, TRUST, PROPERTIES };

struct reading {
	struct netif_vf *out;
	bool found;
};

/* The property `type` of at least `size` bytes, or NULL. */
static const void *property(struct nlattr *info, int type, int size)
{
	struct nlattr *attr = nla_find(nla_data(info), nla_len(info), type);

	return attr && nla_len(attr) >= size ? nla_data(attr) : NULL;
}

/* The kernel says 0xffffffff for what a driver does not know. */
static int8_t setting(uint32_t n)
{
	return n > 1 ? -1 : (int8_t)n;
}

/* Only here is the tag's protocol told. */
static void take_vlan_list(struct netif_vf *out, struct nlattr *list)
{
	const struct ifla_vf_vlan_info *v;
	struct nlattr *attr;

	attr = list ? nla_find(nla_data(list), nla_len(list), IFLA_VF_VLAN_INFO) : NULL;
	if (!attr || nla_len(attr) < (int)sizeof(*v))
		return;
	v = nla_data(attr);
	if (ntohs(v->vlan_proto) == ETH_P_8021AD)
		out->vlan_proto = ETH_P_8021AD;
}

static void take(struct reading *r, struct nlattr *info)
{
	const struct ifla_vf_mac *m = property(info, IFLA_VF_MAC, sizeof(*m));
	const struct ifla_vf_vlan *v = property(info, IFLA_VF_VLAN, sizeof(*v));
	const struct ifla_vf_spoofchk *s = property(info, IFLA_VF_SPOOFCHK, sizeof(*s));
	const struct ifla_vf_trust *t = property(info, IFLA_VF_TRUST, sizeof(*t));

	if (!m || m->vf != r->out->vf)
		return;
	r->found = true;
	memcpy(r->out->mac, m->mac, 6);
	if (v) {
		r->out->vlan = v->vlan;
		r->out->qos = v->qos;
		take_vlan_list(r->out, nla_find(nla_data(info), nla_len(info), IFLA_VF_VLAN_LIST));
	}
	r->out->spoofcheck = s ? setting(s->setting) : -1;
	r->out->trust = t ? setting(t->setting) : -1;
}

static int take_link(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *list, *info;
	int left;

	list = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_VFINFO_LIST);
	if (!list)
		return 0;
	nla_for_each_nested(info, list, left) if (nla_type(info) == IFLA_VF_INFO) take(ctx, info);
	return 0;
}

int netif_vf_get(struct netif *n, const struct netif_dev *pf, uint32_t vf, struct netif_vf *out,
		 struct err *e)
{
	struct ifinfomsg ifi = { .ifi_index = pf->index };
	struct nl_msg *msg = netif_begin(n, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	struct reading r = { .out = out };
	int ret;

	memset(out, 0, sizeof(*out));
	out->vf = vf;
	out->vlan_proto = ETH_P_8021Q;
	out->spoofcheck = out->trust = -1;
	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS))
		return err_set(e, ENOMEM, "look at virtual function %u of '%s': out of memory", vf,
			       pf->name);
	ret = netif_ask(n, msg, take_link, &r);
	if (ret)
		return err_ret(e, ret, "look at virtual function %u of '%s'", vf, pf->name);
	return r.found ? 0
		       : err_set(e, ENODEV, "look at virtual function %u of '%s': none", vf,
				 pf->name);
}

static bool differs(const struct netif_vf *a, const struct netif_vf *b, enum property what)
{
	int8_t now, want;

	if (what == MAC)
		return memcmp(a->mac, b->mac, 6) != 0;
	if (what == VLAN)
		return a->vlan != b->vlan ||
		       (b->vlan && (a->qos != b->qos || a->vlan_proto != b->vlan_proto));
	now = what == TRUST ? a->trust : a->spoofcheck;
	want = what == TRUST ? b->trust : b->spoofcheck;
	return want != -1 && now != want && !(now == -1 && want == 0);
}

const char *netif_vf_difference(const struct netif_vf *now, const struct netif_vf *want)
{
	static const char *const names[] = { "MAC address", "VLAN", "spoof check", "trust" };

	for (enum property i = MAC; i < PROPERTIES; i++)
		if (differs(now, want, i))
			return names[i];
	return NULL;
}

/* A tag of the provider's (802.1ad) can be asked for in the list only, the usual one by every kernel in the plain form. */
static int put_vlan(struct nl_msg *msg, const struct netif_vf *want)
{
	struct ifla_vf_vlan plain = { want->vf, want->vlan, want->qos };
	struct ifla_vf_vlan_info info = { want->vf, want->vlan, want->qos,
					  htons(want->vlan_proto) };
	struct nlattr *list;
	int ret;

	if (want->vlan_proto != ETH_P_8021AD || !want->vlan)
		return nla_put(msg, IFLA_VF_VLAN, sizeof(plain), &plain);
	list = nla_nest_start(msg, IFLA_VF_VLAN_LIST);
	ret = list ? nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info) : -1;
	if (ret == 0)
		nla_nest_end(msg, list);
	return ret;
}

static int put(struct nl_msg *msg, const struct netif_vf *want, enum property what)
{
	struct ifla_vf_mac mac = { .vf = want->vf };
	struct ifla_vf_spoofchk spoof = { want->vf, want->spoofcheck == 1 };
	struct ifla_vf_trust trust = { want->vf, want->trust == 1 };

	memcpy(mac.mac, want->mac, 6);
	switch (what) {
	case MAC:
		return nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	case VLAN:
		return put_vlan(msg, want);
	case SPOOFCHECK:
		return nla_put(msg, IFLA_VF_SPOOFCHK, sizeof(spoof), &spoof);
	default:
		return nla_put(msg, IFLA_VF_TRUST, sizeof(trust), &trust);
	}
}

static void set_one(struct netif *n, const struct netif_dev *pf, const struct netif_vf *want,
		    enum property what)
{
	static const char *const names[] = { "the MAC address (vf_mac)", "the VLAN (vf_vlan)",
					     "the spoof check (vf_spoofcheck)",
					     "the trust (vf_trust)" };
	struct ifinfomsg ifi = { .ifi_index = pf->index };
	struct nl_msg *msg = netif_begin(n, RTM_SETLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *list, *info;
	bool bad;

	if (!msg)
		return;
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	info = list ? nla_nest_start(msg, IFLA_VF_INFO) : NULL;
	bad = !info || put(msg, want, what);
	if (!bad) {
		nla_nest_end(msg, info);
		nla_nest_end(msg, list);
	}
	netif_end(n, msg, bad, "set %s of virtual function %u of '%s'", names[what], want->vf,
		  pf->name);
}

void netif_vf_set(struct netif *n, const struct netif_dev *pf, const struct netif_vf *now,
		  const struct netif_vf *want)
{
	for (enum property i = MAC; i < PROPERTIES; i++)
		if (differs(now, want, i))
			set_one(n, pf, want, i);
}
