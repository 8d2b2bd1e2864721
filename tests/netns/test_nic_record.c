// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Everything that an interface is given back as: each property that a veth has is set on the host, changed by a tenant,
 * and compared afterwards.  Then what cannot be restored, VFs by a fake sysfs, and notes that are not ours.
 */
#include "nic.h"

#include <linux/bpf.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ethtool.h"
#include "netns_lib.h"
#include "nic_home.h"
#include "nic_identify.h"
#include "nic_note.h"
#include "quarantine.h"

static struct settings set;
static struct spec spec;
static struct plan plan;
static struct record rec;
static char dir[64], sysfs[128];

/* What `ip`, `ethtool` and `tc` tell of it, without counters and what a carrier brings. */
static void snapshot(char *buf, size_t size)
{
	sh_out(-1, buf, size,
	       "{ ip -d -o link show dev cable1; ip -o addr show dev cable1 scope global; ip route "
	       "show dev "
	       "cable1 table all; ip -6 route show dev cable1 proto static; ethtool -k cable1; "
	       "ethtool -l "
	       "cable1; "
	       "tc qdisc show dev cable1; } 2>&1 | sed -E 's/^[0-9]+: //; s/state [A-Z]+//; "
	       "s/,?(LOWER_UP|NO-CARRIER),?//g; s/linkdown//; s/valid_lft.*//' | tr -s '\\n ' '  "
	       "'");
}

static void leased(void)
{
	struct err e = { 0 };

	(void)snprintf(spec.nic, sizeof(spec.nic), "cable1");
	need(nic_identify(&set, spec.nic, &rec, NULL, &e) == 0, "identify");
}

static void test_everything(void)
{
	char before[4096], after[4096];
	struct err e = { 0 };

	need(sh(-1,
		"set -e; ip link add cable1 numtxqueues 4 numrxqueues 4 type veth peer name far "
		"numtxqueues 4 "
		"numrxqueues 4; ip link set far up; ip link property add dev cable1 altname one;"
		"ip link property add dev cable1 altname two; ip link set cable1 alias \"a \\\\ "
		"b$(printf %%0230d 7)\" "
		"mtu 1450 group 9 gso_max_size 40000 gso_max_segs 900 gro_max_size 50000 "
		"txqueuelen 333 allmulticast on address 02:00:00:00:00:21 up; ethtool -L cable1 rx "
		"2 tx 3; "
		"ethtool -K cable1 tso off gro on; ip addr add 10.1.0.1/24 dev cable1 label "
		"cable1:x;"
		"ip addr add 10.1.0.2/24 dev cable1; ip addr add fd01::1/64 dev cable1 nodad;"
		"ip route add default via 10.2.0.1 dev cable1 onlink metric 50 table 77;"
		"ip route add 10.2.0.0/16 dev cable1 metric 7 mtu 1300; ip route add 10.3.0.0/16 "
		"via "
		"10.2.0.9; ip -6 route add fd02::/64 via fd01::9 dev cable1 proto static") == 0,
	     "an interface with everything");
	leased();
	sh(-1, "sleep 0.2");
	snapshot(before, sizeof(before));
	ok(strstr(before, "table 77") && strstr(before, "333") && strstr(before, "fd02::/64") &&
		   strstr(before, "cable1:x"),
	   "is seen whole");
	did(nic_up(&plan, &e), &e, "move it in");
	ok(sh(plan.netns,
	      "set -e; ip link set data0 down; ip link set data0 address "
	      "02:66:66:66:66:66 mtu 1280 alias x txqueuelen "
	      "7 group 66 gso_max_size 2000 gso_max_segs 2 gro_max_size 2000 promisc "
	      "on allmulticast off arp off multicast off; ip link set data0 "
	      "name qq; ip link set qq up;"
	      "ethtool -L qq rx 1 tx 1; ethtool -K qq tso on gro off sg off; ip addr "
	      "add 10.66.0.1/24 dev qq;"
	      "ip link add link qq name on1 type macvlan; ip link set "
	      "on1 promisc on up; ip link add link qq name on2 type macvlan; ip link add on3 "
	      "type vxlan id 5 dstport 0 dev qq; "
	      "ip link property add dev qq altname bad; tc qdisc add dev qq clsact;"
	      "tc qdisc add dev qq root tbf rate 1mbit burst 10k latency 10ms") == 0,
	   "a tenant changes everything");
	did(nic_down(&plan, &e), &e, "bring it home");
	sh(-1, "sleep 0.2");
	snapshot(after, sizeof(after));
	same(after, before, "it is as it was");
	ok(sh(plan.netns, "ip link show on1 || ip link show on2 || ip link show on3") != 0,
	   "and what was on top of it is no more");
	ok(access(set.storage.state, F_OK) != 0, "and not in quarantine");
}

static void refused(const char *make, const char *undo, int code, const char *says)
{
	struct err e = { 0 };

	need(sh(-1, "%s", make) == 0, make);
	ok(nic_up(&plan, &e) == -code && strstr(e.text, says), "refused: %s", says);
	if (!strstr(e.text, says))
		printf("# %s\n", e.text);
	need(sh(-1, "%s", undo) == 0, undo);
	did(nic_down(&plan, &e), &e, "nothing happened to it");
}

static void test_used_by_host(void)
{
	refused("tc qdisc add dev cable1 clsact", "tc qdisc del dev cable1 clsact", EBUSY,
		"the host has traffic control 'clsact' on 'cable1'");
	refused("tc qdisc add dev cable1 root tbf rate 1mbit burst 10k latency 10ms",
		"tc qdisc del dev cable1 root", EBUSY,
		"the host has traffic control 'tbf' on 'cable1'");
	refused("ip link add link cable1 name top1 type macvlan", "ip link del top1", EBUSY,
		"the host has 'top1' on top of it (ip link del top1)");
	refused("ip nexthop add id 77 via 10.1.0.9 dev cable1 && ip route add 10.9.0.0/16 nhid 77",
		"ip nexthop del id 77", EBUSY,
		"the host has a route by nexthop object 77 through 'cable1' (ip nexthop; ip route "
		"del)");
	refused("for i in 3 4 5 6 7 8 9 10; do ip link property add dev cable1 altname n$i; done",
		"for i in 3 4 5 6 7 8 9 10; do ip link property del dev cable1 altname n$i; done",
		E2BIG,
		"'cable1' has too many alternative names to be kept (10, 8 at most; ip link "
		"property del dev cable1 altname NAME)");
}

/* GSO and GRO, and those of IPv4, which the kernel (6.3) sets with the others unless it is told them, too. */
static void set_sizes(int ns, const char *name, uint32_t size, uint32_t ipv4)
{
	const uint32_t all[NETIF_TUNINGS] = {
		NETIF_NO_TUNING, size, NETIF_NO_TUNING, size, ipv4, ipv4
	};
	struct netif_change c = { .tuning = all, .netns = -1 };
	struct netif_dev dev = { .name = "" };
	auto_netif struct netif *n = NULL;
	struct err e = { 0 };

	(void)snprintf(dev.name, sizeof(dev.name), "%s", name);
	need(netif_open(ns, &n, &e) == 0 && netif_index(n, &dev, &e) == 0, "look");
	netif_set(n, &dev, &c);
	need(netif_commit(n, &e) == 0, "set sizes");
}

static void test_sizes(void)
{
	auto_netif struct netif *host = NULL;
	struct netif_dev dev = { .name = "cable1" };
	struct netif_link before, after;
	struct err e = { 0 };

	need(netif_open(-1, &host, &e) == 0 && netif_get(host, &dev, &before, &e) == 0, "look");
	if (before.tuning[4] == NETIF_NO_TUNING) {
		ok(1, "the kernel has no sizes of IPv4 # SKIP");
		return;
	}
	set_sizes(-1, "cable1", 40000, 30000);
	need(netif_get(host, &dev, &before, &e) == 0, "look");
	did(nic_up(&plan, &e), &e, "move it in");
	set_sizes(plan.netns, "data0", 20000, 30000);
	did(nic_down(&plan, &e), &e,
	    "bring it home with the sizes of IPv4 as they were, but not the others");
	need(netif_get(host, &dev, &after, &e) == 0, "look");
	ok(memcmp(before.tuning, after.tuning, sizeof(before.tuning)) == 0 &&
		   after.tuning[1] == 40000 && after.tuning[4] == 30000,
	   "all are as they were");
	ok(access(set.storage.state, F_OK) != 0, "and it is not in quarantine");
}

static int xdp_program(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP,
				.insns = (uintptr_t)insns,
				.insn_cnt = 2,
				.license = (uintptr_t) "GPL" };

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* A link, which only its holder can take away. */
static int xdp_link(int ns, int index)
{
	union bpf_attr attr = { .link_create = { .target_ifindex = (uint32_t)index,
						 .attach_type = BPF_XDP,
						 .flags = 2 /* generic */ } };
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), link, prog = xdp_program();

	attr.link_create.prog_fd = (uint32_t)prog;
	need(prog >= 0 && home >= 0 && (ns < 0 || setns(ns, CLONE_NEWNET) == 0),
	     "load XDP program");
	link = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	need(setns(home, CLONE_NEWNET) == 0, "come back");
	close(home);
	close(prog);
	return link;
}

static void test_xdp(void)
{
	struct err e = { 0 };
	struct quarantine q;
	struct nic_note note;
	int link;

	did(nic_up(&plan, &e), &e, "move it in");
	need(nic_note_load(plan.dir, &note, &e) == 0, "note");
	link = xdp_link(plan.netns, note.index);
	need(link >= 0, "attach XDP");
	did(nic_down(&plan, &e), &e, "bring it home with a program that stays");
	ok(quarantine_get(set.storage.state, "nic", rec.nic.id, &q, NULL) == 0 &&
		   strstr(q.reason, "XDP program (still attached)"),
	   "it is in quarantine: %s", q.reason);
	ok(nic_up(&plan, &e) == -EBUSY && strstr(e.text, "the host has an XDP program on 'cable1'"),
	   "nor does it move with one");
	close(link);
	sh(-1, "sleep 0.1");
	did(nic_home_recover(&set, rec.nic.id, false, &e), &e, "recovered when it is gone");
	(void)nic_note_remove(plan.dir, NULL);
}

static void test_force(void)
{
	struct err e = { 0 };
	struct quarantine q = { .kind = "nic", .name = "cable1", .owner = "alice", .reason = "x" };

	(void)snprintf(q.id, sizeof(q.id), "%s", rec.nic.id);
	need(quarantine_add(set.storage.state, &q, NULL, &e) == 0, "enter");
	ok(nic_home_recover(&set, q.id, false, &e) == -ENOENT &&
		   strstr(e.text, "what it was like is not known (--force takes it as it is)"),
	   "without a note it is not restored");
	did(nic_home_recover(&set, q.id, true, &e), &e, "but taken as it is");
	ok(quarantine_get(set.storage.state, "nic", q.id, &q, NULL) == -ENOENT, "and free");
}

static void test_note(void)
{
	static struct nic_note note, back;
	static char text[NIC_NOTE_TEXT], again[NIC_NOTE_TEXT];
	struct err e = { 0 };
	auto_netif struct netif *host = NULL;
	struct netif_dev dev = { .name = "cable1" };
	struct netif_link link;
	size_t len;

	need(netif_open(-1, &host, &e) == 0 && netif_get(host, &dev, &link, &e) == 0, "look");
	did(nic_home_read(host, &link, &note, &e), &e, "read it");
	note.index = 1000;
	(void)snprintf(note.pf, sizeof(note.pf), "pci:0000:29:00.0");
	note.vf = (struct netif_vf){ 3, 100, 2, 0x88a8, { 2, 0, 0, 0, 0, 3 }, 1, -1 };
	need(nic_note_print(&note, text, sizeof(text)) == 0, "print");
	(void)snprintf(again, sizeof(again), "%s", text);
	did(nic_note_parse(again, &back, &e), &e, "a note is read back");
	need(nic_note_print(&back, again, sizeof(again)) == 0, "print");
	same(again, text, "and the same");
	len = strlen(text);
	for (size_t i = 0; i < len; i += 3) {
		(void)snprintf(again, sizeof(again), "%s", text);
		again[i] ^= 0x15;
		(void)nic_note_parse(again, &back, NULL);
		(void)snprintf(again, i + 1, "%s", text);
		(void)nic_note_parse(again, &back, NULL);
	}
	ok(1, "damage does no harm");
	(void)snprintf(again, sizeof(again), "index 5\nnonsense 7\n");
	ok(nic_note_parse(again, &back, &e) == -EINVAL, "an unknown line is refused");
}

/* The PCI addresses, ports, NUMA nodes and virtual functions of a fake tree. */
static void test_sysfs(void)
{
	struct err e = { 0 };
	struct nic_seen seen;
	char id[16];

	(void)snprintf(sysfs, sizeof(sysfs), "%s/sys", dir);
	(void)snprintf(set.hardware.sysfs, sizeof(set.hardware.sysfs), "%s", sysfs);
	sh_out(-1, id, sizeof(id), "ip -o link show cable1 | cut -d: -f1");
	need(sh(-1,
		"set -e; cd %s; d=sys/bus/pci/devices; mkdir -p sys/class/net/cable1 "
		"sys/class/net/far $d/0000:29:00.0 "
		"$d/0000:29:02.3; ln -s ../../../bus/pci/devices/0000:29:00.0 "
		"sys/class/net/cable1/device; echo %s "
		">sys/class/net/cable1/ifindex; echo 1 >$d/0000:29:00.0/numa_node; echo 4 "
		">$d/0000:29:00.0/sriov_numvfs;"
		"ln -s ../0000:29:02.3 $d/0000:29:00.0/virtfn2; ip -o link show far | cut -d: -f1 "
		">sys/class/net/far/ifindex; ln -s ../../../bus/pci/devices/0000:29:02.3 "
		"sys/class/net/far/device",
		dir, id) == 0,
	     "a tree");
	did(nic_find(sysfs, "pci:0000:29:00.0", &seen, &e), &e, "found by PCI address");
	same(seen.name, "cable1", "by name");
	same(seen.id, "pci:0000:29:00.0", "with an id");
	ok(nic_find_numa(sysfs, seen.id) == 1, "and a NUMA node");
	ok(nic_identify(&set, "pci:0000:29:00.0/vf2", &rec, NULL, &e) == 0 &&
		   strcmp(rec.nic.name, "far") == 0 && strcmp(rec.nic.id, "pci:0000:29:02.3") == 0,
	   "its virtual function 2 is 'far'");
	ok(nic_identify(&set, "cable1/vf3", &rec, NULL, &e) == -ENODEV, "function 3 is none");
	same(e.text,
	     "lease 'cable1/vf3': look for virtual function 3 of 'cable1': 0000:29:00.0 has 4 of "
	     "them "
	     "(sriov_numvfs)",
	     "which says how many there are");
	ok(nic_identify(&set, "lo/vf0", &rec, NULL, &e) < 0, "what is no PCI function has none");
	need(sh(-1, "echo 1 >%s/class/net/cable1/dev_port", sysfs) == 0, "second port");
	did(nic_find(sysfs, "cable1", &seen, &e), &e, "a second port of one function");
	same(seen.id, "pci:0000:29:00.0/port1", "has an id of its own");
	did(nic_find(sysfs, seen.id, &seen, &e), &e, "and is found by it");
	need(sh(-1, "echo 99999 >%s/class/net/cable1/ifindex", sysfs) == 0, "another namespace's");
	did(nic_find(sysfs, "cable1", &seen, &e), &e, "where sysfs shows another one");
	ok(strncmp(seen.id, "pci:", 4) != 0, "its word does not count: %s", seen.id);
	set.hardware.sysfs[0] = '\0';
}

static void test_clash(void)
{
	ok(nic_identify_clash("pci:0000:29:00.0", "pci:0000:29:00.0"), "one device");
	ok(!nic_identify_clash("pci:0000:29:00.0", "pci:0000:29:00.1"), "two devices");
	ok(!nic_identify_clash("macvlan:name:x", "macvlan:name:x"), "two macvlans");
	ok(nic_identify_clash("macvlan:name:x", "name:x"), "a macvlan and its parent");
	ok(!nic_identify_clash("", ""), "none");
}

static void test_features(void)
{
	struct err e = { 0 };
	auto_fd int fd = ethtool_open(-1, &e);
	struct ethtool_state a, b;

	did(ethtool_offload_set(fd, "cable1", "tso on, gro off, rx-gro on", &e), &e, "offloads");
	ok(sh(-1, "ethtool -k cable1 | grep -q '^tcp-segmentation-offload: on'") == 0, "are set");
	ok(ethtool_offload_set(fd, "cable1", "warp on", &e) == -EINVAL, "an unknown one");
	same(e.text, "set offload 'warp' of 'cable1': there is no such offload", "by name");
	ok(ethtool_offload_set(fd, "cable1", "netns-local on", &e) == -EINVAL ||
		   ethtool_offload_set(fd, "cable1", "tx-lockless on", &e) == -EINVAL,
	   "a fixed one: %s", e.text);
	need(ethtool_read(fd, "cable1", &a, &e) == 0, "read");
	ok(!ethtool_difference(&a, &a), "no difference");
	need(sh(-1, "ethtool -L cable1 rx 1 tx 1; ethtool -K cable1 tso off") == 0, "change");
	need(ethtool_read(fd, "cable1", &b, &e) == 0, "read");
	same(ethtool_difference(&a, &b), "offloads", "offloads differ");
	did(ethtool_restore(fd, "cable1", &a, &e), &e, "restore");
	need(ethtool_read(fd, "cable1", &b, &e) == 0, "read");
	ok(!ethtool_difference(&a, &b), "no difference any more");
	(void)snprintf(b.eeprom, sizeof(b.eeprom), "00");
	same(ethtool_difference(&a, &b), "EEPROM", "another EEPROM is told");
	ok(ethtool_read(fd, "nosuch", &b, &e) == -ENODEV, "an interface that is not there");
}

int main(void)
{
	struct err e = { 0 };

	test_host(dir);
	(void)str_format(set.storage.run, sizeof(set.storage.run), "%s", dir);
	(void)str_format(set.storage.state, sizeof(set.storage.state), "%s/state", dir);
	make_plan(&plan, &set, &rec, "alice", 6);
	plan.spec = &spec;
	plan.netns = new_netns();
	need(sh(-1, "mkdir -p '%s' && touch '%s/net' && mount --bind /proc/%d/fd/%d '%s/net'",
		plan.dir, plan.dir, getpid(), plan.netns, plan.dir) == 0,
	     "run directory with a pin");
	need(ip_parse_net("192.168.199.1/24", &spec.data_ip, &e) == 0, "data_ip");
	test_everything();
	test_used_by_host();
	test_sizes();
	test_xdp();
	test_force();
	test_features();
	test_note();
	test_clash();
	test_sysfs();
	sh(-1, "umount '%s/net'", plan.dir);
	return test_end(dir);
}
