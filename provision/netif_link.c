// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Single interfaces: what the kernel says of one, and those that are set aside or removed.  Runs in worker processes;
 * the carrier of the requests is netif.c.
 */
#include "netif.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "netif_batch.h"

static void take_altnames(struct netif_link *out, struct nlattr *list)
{
	struct nlattr *attr;
	int left;

	nla_for_each_nested(attr, list, left)
	{
		if (nla_type(attr) != IFLA_ALT_IFNAME)
			continue;
		if (out->naltnames < NETIF_ALTNAMES)
			nla_strlcpy(out->altname[out->naltnames++], attr, NETIF_ALTNAME_MAX);
		else
			out->altnames_lost++;
	}
}

static void take_mac(uint8_t mac[6], const struct nlattr *attr)
{
	if (attr && nla_len(attr) == 6)
		memcpy(mac, nla_data(attr), 6);
}

static bool has_xdp(struct nlattr *xdp)
{
	struct nlattr *attr;

	attr = xdp ? nla_find(nla_data(xdp), nla_len(xdp), IFLA_XDP_ATTACHED) : NULL;
	return attr && nla_get_u8(attr) != XDP_ATTACHED_NONE;
}

/* By number: older headers lack the last two (kernel 6.3). */
const int netif_link_tunings[NETIF_TUNINGS] = {
	IFLA_GROUP, IFLA_GSO_MAX_SIZE, IFLA_GSO_MAX_SEGS, IFLA_GRO_MAX_SIZE, 63, 64,
};

static void take_tunings(struct netif_link *out, struct nlmsghdr *h)
{
	struct nlattr *attr;

	for (unsigned int i = 0; i < NETIF_TUNINGS; i++) {
		attr = nlmsg_find_attr(h, sizeof(struct ifinfomsg), netif_link_tunings[i]);
		out->tuning[i] = attr && nla_len(attr) == 4 ? nla_get_u32(attr) : NETIF_NO_TUNING;
	}
}

static void take_kind(struct netif_link *out, struct nlattr *info)
{
	struct nlattr *kind = nla_find(nla_data(info), nla_len(info), IFLA_INFO_KIND);
	struct nlattr *data = nla_find(nla_data(info), nla_len(info), IFLA_INFO_DATA), *attr;

	if (kind)
		nla_strlcpy(out->kind, kind, sizeof(out->kind));
	if (!data || strcmp(out->kind, "bridge"))
		return;
	attr = nla_find(nla_data(data), nla_len(data), IFLA_BR_NF_CALL_IPTABLES);
	out->filters = attr && nla_get_u8(attr);
	attr = nla_find(nla_data(data), nla_len(data), IFLA_BR_NF_CALL_IP6TABLES);
	out->filters6 = attr && nla_get_u8(attr);
}

static int take_link(void *ctx, struct nlmsghdr *h)
{
	struct netif_link *out = ctx;
	static const struct nla_policy policy[IFLA_MAX + 1] = {
		[IFLA_IFNAME] = { .type = NLA_STRING, .maxlen = NETIF_NAME_MAX },
		[IFLA_MTU] = { .type = NLA_U32 },
		[IFLA_MASTER] = { .type = NLA_U32 },
		[IFLA_LINK] = { .type = NLA_U32 },
		[IFLA_TXQLEN] = { .type = NLA_U32 },
	};
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];

	if (nlmsg_parse(h, sizeof(*ifi), tb, IFLA_MAX, policy) < 0 || !tb[IFLA_IFNAME])
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	out->dev.index = ifi->ifi_index;
	out->flags = ifi->ifi_flags;
	nla_strlcpy(out->dev.name, tb[IFLA_IFNAME], sizeof(out->dev.name));
	out->mtu = tb[IFLA_MTU] ? nla_get_u32(tb[IFLA_MTU]) : 0;
	out->txqlen = tb[IFLA_TXQLEN] ? nla_get_u32(tb[IFLA_TXQLEN]) : 0;
	take_tunings(out, h);
	out->xdp = has_xdp(tb[IFLA_XDP]);
	out->master = tb[IFLA_MASTER] ? (int)nla_get_u32(tb[IFLA_MASTER]) : 0;
	out->peer = tb[IFLA_LINK] ? (int)nla_get_u32(tb[IFLA_LINK]) : 0;
	if (tb[IFLA_IFALIAS])
		nla_strlcpy(out->alias, tb[IFLA_IFALIAS], sizeof(out->alias));
	take_mac(out->mac, tb[IFLA_ADDRESS]);
	out->peer_elsewhere = tb[IFLA_LINK_NETNSID] != NULL;
	take_mac(out->perm_mac, tb[IFLA_PERM_ADDRESS]);
	if (tb[IFLA_LINKINFO])
		take_kind(out, tb[IFLA_LINKINFO]);
	if (tb[IFLA_PROP_LIST])
		take_altnames(out, tb[IFLA_PROP_LIST]);
	return 0;
}

int netif_get(struct netif *n, const struct netif_dev *dev, struct netif_link *out, struct err *e)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = dev->index };
	struct nl_msg *msg = netif_begin(n, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	int ret;

	if (!msg)
		return err_set(e, EBUSY, "look up '%s': requests are waiting", dev->name);
	if ((dev->index == 0 && nla_put_string(msg, IFLA_IFNAME, dev->name)) ||
	    nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)) {
		nlmsg_free(msg);
		return err_set(e, EMSGSIZE, "look up '%s': the request does not fit", dev->name);
	}
	ret = netif_ask(n, msg, take_link, out);
	if (ret == -EBUSY)
		return err_set(e, EBUSY, "look up '%s': requests are waiting", dev->name);
	return ret ? err_ret(e, ret, "look up '%s'", dev->name) : 0;
}

int netif_index(struct netif *n, struct netif_dev *dev, struct err *e)
{
	struct ifreq ifr = { 0 };

	if (str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), dev->name))
		return err_set(e, ENAMETOOLONG, "look up '%s': name too long", dev->name);
	if (ioctl(netif_fd(n), SIOCGIFINDEX, &ifr))
		return err_sys(e, "look up '%s'", dev->name);
	dev->index = ifr.ifr_ifindex;
	return 0;
}

int netif_set_aside(struct netif *n, const char *name, struct err *e)
{
	struct netif_dev other = { 0 };
	char aside[NETIF_NAME_MAX];
	int ret;

	if (str_copy(other.name, sizeof(other.name), name) ||
	    str_format(aside, sizeof(aside), "%s-old%%d", name))
		return err_set(e, ENAMETOOLONG, "set aside '%s': name too long", name);
	ret = netif_index(n, &other, e);
	if (ret)
		return ret;
	netif_set(n, &other, &(struct netif_change){ .mask = IFF_UP, .netns = -1 });
	netif_set(n, &other, &(struct netif_change){ .new_name = aside, .netns = -1 });
	return netif_commit(n, e);
}

/* In the child: no descriptor of the worker lives on, and answers of ours do not mix with its own. */
static void delete_and_exit(const struct netif_dev *dev)
{
	struct netif *n = NULL;
	struct err e = { 0 };
	int ret;

	(void)close_range(0, ~0U, 0);
	ret = netif_open(-1, &n, &e);
	if (ret == 0 && n) {
		netif_delete(n, dev);
		netif_tolerate(n, ENODEV);
		ret = netif_commit(n, &e);
	}
	_exit(ret ? e.code & 127 : 0);
}

int netif_remove(struct netif *n, const struct netif_dev *dev, struct err *e)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	struct netif_dev look = *dev;
	struct netif_link link;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "delete '%s': start process", dev->name);
	if (pid == 0)
		delete_and_exit(dev);
	while (netif_index(n, &look, NULL) == 0) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0
				       ? 0
				       : err_set(e, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
						 "delete '%s'", dev->name);
		(void)nanosleep(&pause, NULL);
	}
	/* Its name goes first. A request that takes the same lock is answered when the rest has gone, too. */
	(void)netif_get(n, &look, &link, NULL);
	(void)waitpid(pid, NULL, WNOHANG);
	return 0;
}
