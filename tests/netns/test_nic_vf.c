// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A virtual function on its way in and home.  Its interface is one end of a veth, a fake tree says that it is a virtual
 * function of another, and this file stands between provisiond's code and rtnetlink: what is said about virtual
 * functions is answered here, as the kernel does (net/core/rtnetlink.c), all else by the kernel.  The same requests are
 * also given to the kernel itself, which looks at them before it finds that a veth has no such functions.
 */
#include "nic.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "netif_vf.h"
#include "netns_lib.h"
#include "nic_find.h"
#include "nic_home.h"
#include "nic_identify.h"
#include "nic_note.h"
#include "quarantine.h"

#define VFS  250
#define OURS 2

static struct settings set;
static struct spec spec;
static struct plan plan;
static struct record rec;
static char dir[64];

/* --- the physical function --- */

struct vf {
	uint8_t mac[6];
	uint32_t vlan, qos, spoofcheck,
		trust; /* spoofcheck, trust: UINT32_MAX: the driver has none */
	uint16_t proto;
};
static struct {
	int index; /* of the physical function; 0: the kernel answers everything */
	struct vf vf[VFS];
	bool no_zero_mac, deaf; /* a driver that refuses a MAC of zeros; one that takes nothing */
	unsigned int requests;
	int busy; /* how often the virtual function's driver is told too late that it may have its MAC */
	bool rules_mac; /* the virtual function may have no other MAC than it was given */
	bool mac_first; /* the virtual function's own MAC was set before what the physical one says */
	int own;        /* the number of its interface on the host, for mac_first */
	uint8_t sent[4096];
	size_t sent_len;
} pf;
static char answer[256 * 1024];
static size_t answer_len;
static int answer_fd = -1;

static void add_error(const struct nlmsghdr *h, int code)
{
	struct nlmsghdr *out = (void *)(answer + answer_len);
	struct nlmsgerr *error = nlmsg_data(out);

	memset(out, 0, NLMSG_SPACE(sizeof(*error)));
	*out = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(sizeof(*error)),
				  .nlmsg_type = NLMSG_ERROR,
				  .nlmsg_flags = NLM_F_CAPPED,
				  .nlmsg_seq = h->nlmsg_seq,
				  .nlmsg_pid = h->nlmsg_pid };
	error->error = -code;
	error->msg = *h;
	answer_len += NLMSG_SPACE(sizeof(*error));
}

/* do_setvfinfo: each property has the size that ifla_vf_policy says, and names an existing function. */
static int set_property(struct nlattr *attr)
{
	const uint32_t *vf = nla_data(attr);
	const struct ifla_vf_vlan_info *info;
	int type = nla_type(attr);
	struct vf *v;

	if (type == IFLA_VF_VLAN_LIST) {
		attr = nla_data(attr);
		if (nla_type(attr) != IFLA_VF_VLAN_INFO || nla_len(attr) != (int)sizeof(*info))
			return EINVAL;
		vf = nla_data(attr);
	}
	if (*vf >= VFS)
		return EINVAL;
	v = &pf.vf[*vf];
	info = nla_data(attr);
	switch (type) {
	case IFLA_VF_MAC:
		if (nla_len(attr) != (int)sizeof(struct ifla_vf_mac))
			return EINVAL;
		if (pf.no_zero_mac && memcmp(vf + 1, "\0\0\0\0\0", 6) == 0)
			return EINVAL;
		if (!pf.deaf)
			memcpy(v->mac, vf + 1, 6);
		return 0;
	case IFLA_VF_VLAN:
	case IFLA_VF_VLAN_LIST:
		v->vlan = info->vlan;
		v->qos = info->qos;
		v->proto = type == IFLA_VF_VLAN ? ETH_P_8021Q : ntohs(info->vlan_proto);
		return 0;
	case IFLA_VF_SPOOFCHK:
	case IFLA_VF_TRUST:
		if (nla_len(attr) != 8)
			return EINVAL;
		if ((type == IFLA_VF_TRUST ? v->trust : v->spoofcheck) == UINT32_MAX)
			return EOPNOTSUPP;
		*(type == IFLA_VF_TRUST ? &v->trust : &v->spoofcheck) = vf[1];
		return 0;
	}
	return EOPNOTSUPP;
}

static int set_functions(struct nlmsghdr *h)
{
	struct nlattr *list = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_VFINFO_LIST);
	struct nlattr *info, *attr;
	int left, inner, code = 0;

	nla_for_each_nested(info, list, left)
	{
		if (nla_type(info) != IFLA_VF_INFO)
			return EINVAL;
		nla_for_each_nested(attr, info, inner) if (!code) code = set_property(attr);
	}
	return code;
}

/* rtnl_fill_vfinfo */
static void put_function(struct nl_msg *msg, uint32_t i)
{
	const struct vf *v = &pf.vf[i];
	struct ifla_vf_mac mac = { .vf = i };
	struct ifla_vf_broadcast broadcast;
	struct ifla_vf_vlan vlan = { i, v->vlan, v->qos };
	struct ifla_vf_vlan_info tag = { i, v->vlan, v->qos, htons(v->proto) };
	struct ifla_vf_rate rate = { .vf = i };
	struct ifla_vf_tx_rate tx_rate = { i, 0 };
	struct ifla_vf_spoofchk spoof = { i, v->spoofcheck };
	struct ifla_vf_link_state state = { i, 0 };
	struct ifla_vf_rss_query_en query = { i, UINT32_MAX };
	struct ifla_vf_trust trust = { i, v->trust };
	struct nlattr *info = nla_nest_start(msg, IFLA_VF_INFO), *list;

	memcpy(mac.mac, v->mac, 6);
	memset(&broadcast, 0xff, sizeof(broadcast));
	NLA_PUT(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	NLA_PUT(msg, IFLA_VF_BROADCAST, sizeof(broadcast), &broadcast);
	NLA_PUT(msg, IFLA_VF_VLAN, sizeof(vlan), &vlan);
	NLA_PUT(msg, IFLA_VF_RATE, sizeof(rate), &rate);
	NLA_PUT(msg, IFLA_VF_TX_RATE, sizeof(tx_rate), &tx_rate);
	NLA_PUT(msg, IFLA_VF_SPOOFCHK, sizeof(spoof), &spoof);
	NLA_PUT(msg, IFLA_VF_LINK_STATE, sizeof(state), &state);
	NLA_PUT(msg, IFLA_VF_RSS_QUERY_EN, sizeof(query), &query);
	NLA_PUT(msg, IFLA_VF_TRUST, sizeof(trust), &trust);
	list = nla_nest_start(msg, IFLA_VF_VLAN_LIST);
	NLA_PUT(msg, IFLA_VF_VLAN_INFO, sizeof(tag), &tag);
	nla_nest_end(msg, list);
	nla_nest_end(msg, info);
	return;
nla_put_failure:
	need(0, "room for an answer");
}

static void answer_functions(const struct nlmsghdr *h)
{
	struct ifinfomsg ifi = { .ifi_index = pf.index };
	struct nl_msg *msg = nlmsg_alloc_size(128 * 1024);
	struct nlattr *list;

	nlmsg_put(msg, h->nlmsg_pid, h->nlmsg_seq, RTM_NEWLINK, 0, 0);
	nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	nla_put_string(msg, IFLA_IFNAME, "pf0");
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	for (uint32_t i = 0; i < VFS; i++)
		put_function(msg, i);
	nla_nest_end(msg, list);
	memcpy(answer, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
	answer_len = nlmsg_hdr(msg)->nlmsg_len;
	nlmsg_free(msg);
}

static bool sets_own_mac(struct nlmsghdr *h)
{
	const struct ifinfomsg *ifi = nlmsg_data(h);

	return h->nlmsg_type == RTM_SETLINK && ifi->ifi_index == pf.own &&
	       nlmsg_find_attr(h, sizeof(*ifi), IFLA_ADDRESS);
}

/* As iavf does, which waits 2.5 s for its physical function's answer. */
static int refuse_mac(void)
{
	if (pf.busy > 0 && pf.busy--)
		return EAGAIN;
	return pf.rules_mac ? EACCES : 0;
}

static bool is_about_functions(struct nlmsghdr *h)
{
	const struct ifinfomsg *ifi = nlmsg_data(h);
	struct nlattr *mask;

	if (sets_own_mac(h) && !pf.requests)
		pf.mac_first = true;
	if (!pf.index || ifi->ifi_index != pf.index)
		return false;
	if (h->nlmsg_type == RTM_SETLINK)
		return nlmsg_find_attr(h, sizeof(*ifi), IFLA_VFINFO_LIST) != NULL;
	mask = h->nlmsg_type == RTM_GETLINK ? nlmsg_find_attr(h, sizeof(*ifi), IFLA_EXT_MASK)
					    : NULL;
	return mask && (nla_get_u32(mask) & RTEXT_FILTER_VF);
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	struct nlmsghdr *h = (void *)(uintptr_t)buf;
	int left = (int)n, code;

	code = sets_own_mac(h) ? refuse_mac() : 0;
	if (!code && !is_about_functions(h))
		return sendto(fd, buf, n, flags, NULL, 0);
	answer_len = 0;
	answer_fd = fd;
	if (code) {
		add_error(h, code);
		return (ssize_t)n;
	}
	if (h->nlmsg_type == RTM_GETLINK) {
		answer_functions(h);
		return (ssize_t)n;
	}
	need(n <= sizeof(pf.sent), "requests");
	memcpy(pf.sent, buf, n);
	pf.sent_len = n;
	for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		code = set_functions(h);
		pf.requests++;
		if (code || (h->nlmsg_flags & NLM_F_ACK))
			add_error(h, code);
	}
	return (ssize_t)n;
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	size_t len = answer_len < n ? answer_len : n;

	if (fd != answer_fd || !answer_len)
		return recvfrom(fd, buf, n, flags, NULL, NULL);
	if (buf)
		memcpy(buf, answer, len);
	if (flags & MSG_PEEK)
		return (ssize_t)answer_len;
	answer_len = 0;
	return (ssize_t)len;
}

/* --- messages --- */

static struct netif_vf wanted(uint32_t vlan, uint16_t proto)
{
	return (struct netif_vf){ .vf = OURS,
				  .vlan = vlan,
				  .qos = vlan ? 3 : 0,
				  .vlan_proto = proto,
				  .mac = { 2, 0, 0, 0, 0, 9 },
				  .spoofcheck = 1,
				  .trust = 1 };
}

/* As iproute2 sends it: 16 bytes head, 16 bytes ifinfomsg, then LIST { INFO { property } }. */
static void test_bytes(void)
{
	static const struct {
		uint16_t type, len;
		const char *value;
	} expect[] = {
		{ IFLA_VF_MAC, 40,
		  "02000000020000000009000000000000000000000000000000000000000000000000000000"
		  "0000" },
		{ IFLA_VF_VLAN, 16, "020000006400000003000000" },
		{ IFLA_VF_SPOOFCHK, 12, "0200000001000000" },
		{ IFLA_VF_TRUST, 12, "0200000001000000" },
	};
	struct netif_vf now = { .vf = OURS, .vlan_proto = ETH_P_8021Q };
	struct netif_vf want = wanted(100, ETH_P_8021Q);
	struct netif_dev dev = { .index = pf.index, .name = "pf0" };
	auto_netif struct netif *host = NULL;
	char hex[128], head[64], text[64];
	struct err e = { 0 };
	size_t at = 0;

	need(netif_open(-1, &host, &e) == 0, "netlink");
	netif_vf_set(host, &dev, &now, &want);
	did(netif_commit(host, &e), &e, "four requests");
	for (unsigned int i = 0; i < 4; i++) {
		const uint8_t *m = pf.sent + at;
		uint16_t n = expect[i].len;

		(void)snprintf(head, sizeof(head), "%02x00%02x80%02x00%02x80%02x00%02x00", n + 8,
			       IFLA_VFINFO_LIST, n + 4, IFLA_VF_INFO, n, expect[i].type);
		str_hex(m + 32, 12, text);
		same(text, head, "the nesting of a property");
		str_hex(m + 44, n - 4U, hex);
		ok(memcmp(hex, expect[i].value, 2 * (n - 4U)) == 0, "and its value: %s", hex);
		ok(((const struct nlmsghdr *)(const void *)m)->nlmsg_len == n + 40U,
		   "and nothing else");
		at += n + 40U;
	}
	ok(at == pf.sent_len, "in one sendmsg");
	want = wanted(7, ETH_P_8021AD);
	now = want;
	now.vlan_proto = ETH_P_8021Q;
	netif_vf_set(host, &dev, &now, &want);
	did(netif_commit(host, &e), &e, "a tag of the provider's");
	str_hex(pf.sent + 32, 32, hex);
	same(hex,
	     "20001680"
	     "1c000180"
	     "18000c80"
	     "14000100"
	     "02000000"
	     "07000000"
	     "03000000"
	     "88a80000",
	     "is a list in the list");
	pf.requests = 0;
	netif_vf_set(host, &dev, &want, &want);
	did(netif_commit(host, &e), &e, "what is so already");
	ok(pf.requests == 0, "is no request");
}

static void kernel_says(struct netif *host, const struct netif_vf *now, const struct netif_vf *want,
			const char *says)
{
	struct netif_dev dev = { .name = "pf0" };
	struct err e = { 0 };

	need(netif_index(host, &dev, &e) == 0, "index");
	netif_vf_set(host, &dev, now, want);
	ok(netif_commit(host, &e) == -EOPNOTSUPP, "the kernel has read it");
	same(e.text, says, "and a veth has none");
}

/* It answers EINVAL to what it does not understand, and looks for the driver's function after that. */
static void test_kernel(void)
{
	struct netif_vf want = wanted(100, ETH_P_8021Q), now = want;
	auto_netif struct netif *host = NULL;
	struct netif_dev dev = { .name = "pf0" };
	struct err e = { 0 };
	int index = pf.index;

	pf.index = 0;
	need(netif_open(-1, &host, &e) == 0, "netlink");
	now.mac[5]++;
	kernel_says(host, &now, &want,
		    "set the MAC address (vf_mac) of virtual function 2 of 'pf0': Operation not "
		    "supported");
	now = want;
	now.vlan = 0;
	kernel_says(host, &now, &want,
		    "set the VLAN (vf_vlan) of virtual function 2 of 'pf0': Operation not "
		    "supported");
	want.vlan_proto = ETH_P_8021AD;
	kernel_says(host, &now, &want,
		    "set the VLAN (vf_vlan) of virtual function 2 of 'pf0': Operation not "
		    "supported");
	now = want;
	now.spoofcheck = 0;
	kernel_says(host, &now, &want,
		    "set the spoof check (vf_spoofcheck) of virtual function 2 of 'pf0': Operation "
		    "not supported");
	now = want;
	now.trust = -1;
	kernel_says(host, &now, &want,
		    "set the trust (vf_trust) of virtual function 2 of 'pf0': Operation not "
		    "supported");
	need(netif_index(host, &dev, &e) == 0, "index");
	ok(netif_vf_get(host, &dev, 0, &now, &e) == -ENODEV, "and tells of none");
	pf.index = index;
}

/* --- a lease --- */

static void is_now(const char *want, const char *name)
{
	const struct vf *v = &pf.vf[OURS];
	char text[96], mac[13];

	str_hex(v->mac, 6, mac);
	(void)snprintf(text, sizeof(text), "%s %u %u %04x %d %d", mac, v->vlan, v->qos, v->proto,
		       (int)v->spoofcheck, (int)v->trust);
	same(text, want, name);
}

static unsigned int others_changed(void)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < VFS; i++)
		n += i != OURS && (pf.vf[i].vlan != i || pf.vf[i].mac[5] != (uint8_t)i);
	return n;
}

static void make_tree(void)
{
	struct netif_dev dev = { 0 };

	need(sh(-1,
		"ip link add pf0 type veth peer name pf0-far && ip link add v2 address "
		"02:00:00:00:00:22 type veth peer name wire && ip link set v2 up && ip link set "
		"wire up") == 0,
	     "interfaces");
	need(sh(-1,
		"set -e; cd %s; d=sys/bus/pci/devices; mkdir -p sys/class/net/pf0 sys/class/net/v2 "
		"$d/0000:29:00.0 $d/0000:29:02.2; for i in pf0:0000:29:00.0 v2:0000:29:02.2; do "
		"n=${i%%%%:*}; ln -s ../../../bus/pci/devices/${i#*:} sys/class/net/$n/device; ln "
		"-s ../../drivers/iavf $d/${i#*:}/driver; ip -o "
		"link show $n | cut -d: -f1 >sys/class/net/$n/ifindex; done; echo %d "
		">$d/0000:29:00.0/sriov_numvfs; ln -s ../0000:29:02.2 $d/0000:29:00.0/virtfn2; ln "
		"-s ../0000:29:02.1 $d/0000:29:00.0/virtfn1; ln -s ../0000:29:00.0 "
		"$d/0000:29:02.2/physfn",
		dir, VFS) == 0,
	     "a tree");
	(void)snprintf(set.hardware.sysfs, sizeof(set.hardware.sysfs), "%s/sys", dir);
	dev.index = (int)if_nametoindex("pf0");
	pf.index = dev.index;
	pf.own = (int)if_nametoindex("v2");
	for (uint32_t i = 0; i < VFS; i++)
		pf.vf[i] = (struct vf){ .vlan = i,
					.proto = ETH_P_8021Q,
					.spoofcheck = 1,
					.mac = { 2, 0, 0, 0, 0, (uint8_t)i } };
}

static void test_lookup(void)
{
	struct err e = { 0 };
	char at[NIC_FIND_PCI];
	uint32_t vf = 99;

	ok(nic_find_vfs(set.hardware.sysfs, "pci:0000:29:00.0") == VFS &&
		   nic_find_vfs(set.hardware.sysfs, "pci:0000:29:02.2") == 0 &&
		   nic_find_vfs(set.hardware.sysfs, "name:v2") == 0,
	   "who has virtual functions");
	ok(nic_find_pf(set.hardware.sysfs, "0000:29:02.2", at, &vf) && vf == 2, "which one it is");
	same(at, "0000:29:00.0", "and whose");
	ok(!nic_find_pf(set.hardware.sysfs, "0000:29:00.0", at, &vf), "a physical one is nobody's");
	ok(nic_find_pci_exists(set.hardware.sysfs, "0000:29:00.0") &&
		   nic_find_pci_exists(set.hardware.sysfs, "0000:29:00.0/port1") &&
		   !nic_find_pci_exists(set.hardware.sysfs, "0000:29:1f.0"),
	   "a function is there with each of its ports");
	did(nic_identify(&set, "pf0/vf2", &rec, NULL, &e), &e, "by number");
	same(rec.nic.id, "pci:0000:29:02.2", "it is a PCI function of its own");
	same(rec.nic.name, "v2", "with an interface");
}

static void configure(void)
{
	spec.vf_vlan = 100;
	spec.vf_spoofcheck = true;
	spec.vf_trust = false;
	memcpy(spec.vf_mac, (uint8_t[]){ 2, 0, 0, 0, 0, 0x55 }, 6);
}

static void test_lease(const char *asked)
{
	struct err e = { 0 };

	pf.vf[OURS] = (struct vf){ .vlan = 7, .qos = 3, .proto = ETH_P_8021AD, .trust = 1 };
	need(nic_identify(&set, asked, &rec, NULL, &e) == 0, "identify");
	(void)snprintf(rec.nic.asked, sizeof(rec.nic.asked), "%s", asked);
	configure();
	did(nic_up(&plan, &e), &e, "move it in");
	is_now("020000000055 100 0 8100 1 0", "it may do what is configured");
	ok(others_changed() == 0, "and the others what they could before");
	ok(sh(plan.netns, "ip -o link show data0 | grep -q 02:00:00:00:00:55") == 0,
	   "inside it has the configured MAC address");
	pf.requests = 0;
	did(nic_up(&plan, &e), &e, "again");
	ok(pf.requests == 0, "which changes nothing");
	spec.vf_vlan = 200;
	spec.vf_trust = true;
	spec.vf_spoofcheck = false;
	spec.vf_mac[5] = 0x77;
	did(nic_up(&plan, &e), &e, "with other settings, at the next start");
	is_now("020000000077 200 0 8100 0 1", "it may do what is configured now");
	ok(sh(plan.netns, "ip -o link show data0 | grep -q 'UP.*02:00:00:00:00:77'") == 0,
	   "and inside it has the other MAC address");
	memset(spec.vf_mac, 0, 6);
	did(nic_up(&plan, &e), &e, "and without a MAC address");
	is_now("000000000000 200 0 8100 0 1", "it has the one of before");
	ok(sh(plan.netns, "ip -o link show data0 | grep -q 'UP.*02:00:00:00:00:22'") == 0,
	   "inside, too");
	configure();
	sh(plan.netns, "ip link set data0 down; ip link set data0 address 02:66:66:66:66:66");
	pf.mac_first = false;
	did(nic_down(&plan, &e), &e, "bring it home");
	is_now("000000000000 7 3 88a8 0 1", "it may do what it could before");
	ok(!pf.mac_first, "and that before it gets its own MAC address back");
	ok(others_changed() == 0, "and the others, too");
	ok(sh(-1, "ip -o link show v2 | grep -q 02:00:00:00:00:22") == 0, "with its MAC address");
	ok(quarantine_each(set.storage.state, "nic", NULL, NULL, NULL) <= 0 &&
		   access(set.storage.state, F_OK) != 0,
	   "and it is in no quarantine");
}

/* The physical function has another name by then. */
static void test_renamed(void)
{
	struct err e = { 0 };

	did(nic_up(&plan, &e), &e, "move it in");
	need(sh(-1, "ip link set pf0 name pf9 && mv '%s/class/net/pf0' '%s/class/net/pf9'",
		set.hardware.sysfs, set.hardware.sysfs) == 0,
	     "rename");
	did(nic_down(&plan, &e), &e, "bring it home when its physical function has another name");
	is_now("000000000000 7 3 88a8 0 1", "it may do what it could before");
	need(sh(-1, "ip link set pf9 name pf0 && mv '%s/class/net/pf9' '%s/class/net/pf0'",
		set.hardware.sysfs, set.hardware.sysfs) == 0,
	     "rename");
}

/* A driver that answers late, and one whose physical function lets it have no MAC but the one it gave it (iavf). */
static void test_own_mac(void)
{
	struct quarantine q = { 0 };
	struct err e = { 0 };

	configure();
	did(nic_up(&plan, &e), &e, "move it in");
	pf.busy = 3;
	did(nic_down(&plan, &e), &e, "bring it home to a driver that answers late");
	(void)quarantine_get(set.storage.state, "nic", "pci:0000:29:02.2", &q, NULL);
	same(q.reason, "", "it is in no quarantine");
	ok(pf.busy == 0 && sh(-1, "ip -o link show v2 | grep -q 02:00:00:00:00:22") == 0,
	   "and has its MAC address");
	memcpy(pf.vf[OURS].mac, spec.vf_mac, 6);
	did(nic_up(&plan, &e), &e, "move it in");
	pf.rules_mac = true;
	did(nic_down(&plan, &e), &e, "bring it home to one that refuses another MAC address");
	(void)quarantine_get(set.storage.state, "nic", "pci:0000:29:02.2", &q, NULL);
	same(q.reason, "", "it is in no quarantine");
	ok(sh(-1, "ip -o link show v2 | grep -q 02:00:00:00:00:55") == 0,
	   "and has the one that it was given");
	pf.rules_mac = false;
	memset(pf.vf[OURS].mac, 0, 6);
	need(sh(-1, "ip link set v2 address 02:00:00:00:00:22") == 0, "as it was");
}

static void fails(int code, const char *says)
{
	struct err e = { 0 };

	ok(nic_up(&plan, &e) == -code, "refused");
	same(e.text, says, "with the reason");
	did(nic_down(&plan, &e), &e, "nothing happened to it");
	ok(sh(-1, "ip -o link show v2 | grep -q 'UP.*02:00:00:00:00:22'") == 0,
	   "it is where it was");
}

static void test_poor_driver(void)
{
	struct err e = { 0 };

	pf.vf[OURS].spoofcheck = pf.vf[OURS].trust = UINT32_MAX;
	fails(EOPNOTSUPP,
	      "move 'v2' into workspace 'alice': set the spoof check (vf_spoofcheck) of "
	      "virtual function 2 of 'pf0': Operation not supported");
	is_now("000000000000 7 3 88a8 -1 -1", "and it may do what it could");
	spec.vf_spoofcheck = false;
	did(nic_up(&plan, &e), &e, "what is off need not be switched off");
	did(nic_down(&plan, &e), &e, "and back");
	is_now("000000000000 7 3 88a8 -1 -1", "as it was");
	spec.vf_trust = true;
	fails(EOPNOTSUPP, "move 'v2' into workspace 'alice': set the trust (vf_trust) of virtual "
			  "function 2 of 'pf0': Operation not supported");
	spec.vf_trust = false;
	pf.deaf = true;
	fails(EIO, "move 'v2' into workspace 'alice': set the MAC address of virtual function 2 of "
		   "'pf0': the driver did not take it");
	pf.deaf = false;
}

static void test_quarantine(void)
{
	struct err e = { 0 };
	struct quarantine q;

	pf.vf[OURS] = (struct vf){ .vlan = 7, .qos = 3, .proto = ETH_P_8021AD, .trust = 1 };
	did(nic_up(&plan, &e), &e, "move it in");
	pf.no_zero_mac = true;
	did(nic_down(&plan, &e), &e, "bring it home to a driver that does not take its MAC back");
	ok(quarantine_get(set.storage.state, "nic", "pci:0000:29:02.2", &q, NULL) == 0,
	   "it is in quarantine");
	same(q.reason,
	     "set the MAC address (vf_mac) of virtual function 2 of 'pf0': Invalid argument",
	     "with the reason");
	pf.no_zero_mac = false;
	did(nic_home_recover(&set, "pci:0000:29:02.2", false, &e), &e, "recovered later");
	is_now("000000000000 7 3 88a8 0 1", "as it was");
	ok(quarantine_get(set.storage.state, "nic", "pci:0000:29:02.2", &q, NULL) == -ENOENT,
	   "and free");
}

int main(void)
{
	test_host(dir);
	(void)str_format(set.storage.run, sizeof(set.storage.run), "%s", dir);
	(void)str_format(set.storage.state, sizeof(set.storage.state), "%s/state", dir);
	make_plan(&plan, &set, &rec, "alice", 6);
	plan.spec = &spec;
	plan.netns = new_netns();
	need(sh(-1, "mkdir -p '%s' && touch '%s/net' && mount --bind /proc/%d/fd/%d '%s/net'",
		plan.dir, plan.dir, getpid(), plan.netns, plan.dir) == 0,
	     "run directory with a pin");
	make_tree();
	test_bytes();
	test_kernel();
	test_lookup();
	test_lease("pf0/vf2");
	test_lease("pci:0000:29:02.2");
	test_renamed();
	test_own_mac();
	test_poor_driver();
	test_quarantine();
	sh(-1, "umount '%s/net'", plan.dir);
	return test_end(dir);
}
