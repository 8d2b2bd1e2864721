// SPDX-License-Identifier: LGPL-2.1-or-later
/* Virtual functions through their physical one: one request per property, since a driver may lack any of them. */
#include "netif_vf.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "netif_batch.h"

struct reading {
	int index;
	struct netif_vf *out;
	bool found;
};

static void take(struct reading *r, struct nlattr *info)
{
	struct nlattr *mac = nla_find(nla_data(info), nla_len(info), IFLA_VF_MAC),
		      *vlan = nla_find(nla_data(info), nla_len(info), IFLA_VF_VLAN),
		      *spoof = nla_find(nla_data(info), nla_len(info), IFLA_VF_SPOOFCHK),
		      *trust = nla_find(nla_data(info), nla_len(info), IFLA_VF_TRUST);
	const struct ifla_vf_mac *m = mac ? nla_data(mac) : NULL;

	if (!m || m->vf != r->out->vf)
		return;
	r->found = true;
	memcpy(r->out->mac, m->mac, 6);
	if (vlan) {
		r->out->vlan = ((const struct ifla_vf_vlan *)nla_data(vlan))->vlan;
		r->out->qos = ((const struct ifla_vf_vlan *)nla_data(vlan))->qos;
	}
	r->out->spoofcheck =
		spoof && ((const struct ifla_vf_spoofchk *)nla_data(spoof))->setting == 1;
	r->out->trust = trust && ((const struct ifla_vf_trust *)nla_data(trust))->setting == 1;
}

static void on_link(void *ctx, struct nlmsghdr *h)
{
	struct reading *r = ctx;
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *list, *info;
	int left;

	if (h->nlmsg_type != RTM_NEWLINK || ifi->ifi_index != r->index)
		return;
	list = nlmsg_find_attr(h, sizeof(*ifi), IFLA_VFINFO_LIST);
	if (!list)
		return;
	nla_for_each_nested(info, list, left) if (nla_type(info) == IFLA_VF_INFO) take(r, info);
}

int netif_vf_get(struct netif *n, const struct netif_dev *pf, uint32_t vf, struct netif_vf *out,
		 struct err *e)
{
	struct ifinfomsg ifi = { .ifi_index = pf->index };
	struct reading r = { .index = pf->index, .out = out };
	struct nl_msg *msg = netif_begin(n, RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi));
	int ret;

	memset(out, 0, sizeof(*out));
	out->vf = vf;
	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS))
		return err_set(e, ENOMEM, "list from 'netlink': out of memory");
	ret = netif_walk(n, msg, on_link, &r, e);
	if (ret)
		return ret;
	return r.found ? 0
		       : err_set(e, ENODEV, "look at virtual function %u of '%s': none", vf,
				 pf->name);
}

static void set_one(struct netif *n, const struct netif_dev *pf, int type, const void *data,
		    int size)
{
	struct ifinfomsg ifi = { .ifi_index = pf->index };
	struct nl_msg *msg = netif_begin(n, RTM_SETLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *list, *info;
	bool bad;

	if (!msg)
		return;
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	info = list ? nla_nest_start(msg, IFLA_VF_INFO) : NULL;
	bad = !info || nla_put(msg, type, size, data);
	if (!bad) {
		nla_nest_end(msg, info);
		nla_nest_end(msg, list);
	}
	netif_end(n, msg, bad, "set %s of virtual function %u of '%s'",
		  type == IFLA_VF_MAC        ? "the MAC"
		  : type == IFLA_VF_VLAN     ? "the VLAN"
		  : type == IFLA_VF_SPOOFCHK ? "the spoof check"
					     : "the trust",
		  *(const uint32_t *)data, pf->name);
}

void netif_vf_set(struct netif *n, const struct netif_dev *pf, const struct netif_vf *want)
{
	static const uint8_t none[6];
	struct ifla_vf_mac mac = { .vf = want->vf };
	struct ifla_vf_vlan vlan = { want->vf, want->vlan, want->qos };
	struct ifla_vf_spoofchk spoof = { want->vf, want->spoofcheck };
	struct ifla_vf_trust trust = { want->vf, want->trust };

	memcpy(mac.mac, want->mac, 6);
	if (memcmp(want->mac, none, 6) != 0)
		set_one(n, pf, IFLA_VF_MAC, &mac, sizeof(mac));
	set_one(n, pf, IFLA_VF_VLAN, &vlan, sizeof(vlan));
	set_one(n, pf, IFLA_VF_SPOOFCHK, &spoof, sizeof(spoof));
	set_one(n, pf, IFLA_VF_TRUST, &trust, sizeof(trust));
}
