// SPDX-License-Identifier: LGPL-2.1-or-later
/* The leased interface, in and home again, whatever the tenant does to it. One end of a veth stands for the hardware. */
#include "nic.h"
#include "nic_home.h"
#include "nic_identify.h"
#include "quarantine.h"

#include <net/if.h>
#include <sys/stat.h>

#include "netns_lib.h"

static struct settings set;
static struct spec spec;
static struct plan plan;
static struct record rec;
static char dir[64];

static void same_state(const char *want, const char *name)
{
	char got[256];

	sh_out(-1, got, sizeof(got),
	       "ip -d -o link show %s 2>&1 | tr '\\\\' ' ' | awk '{ m = $0; sub(/.*> mtu /, \"\", "
	       "m); sub(/ .*/, \"\", m);"
	       "a = $0; sub(/.*link\\/ether /, \"\", a); sub(/ .*/, \"\", a); p = $0; "
	       "sub(/.*promiscuity /, \"\", p);"
	       "sub(/ .*/, \"\", p); print m, a, \"promisc\", p, /[<,]UP[,>]/ ? \"up\" : \"down\","
	       "/NOARP/ ? \"noarp\" : \"arp\", /altname/ ? \"altname\" : \"-\" }'",
	       rec.nic.name);
	same(got, want, name);
}

static void cable(const char *name)
{
	need(sh(-1,
		"ip link add %s index 77 address 02:00:00:00:00:77 type veth peer name far && ip "
		"link set %s mtu 1400 up &&"
		" ip link property add dev %s altname enp77s0 && ip link set far up",
		name, name, name) == 0,
	     "cable");
}

static void refuse(const char *nic, int code, const char *text)
{
	struct record none = rec;
	struct err e = { 0 };

	(void)snprintf(spec.nic, sizeof(spec.nic), "%s", nic);
	ok(nic_identify(&set, spec.nic, &none, NULL, &e) == -code && !none.nic.name[0],
	   "nic = %s is refused", nic);
	same(e.text, text, "by name");
}

static void test_identify(void)
{
	struct err e = { 0 };

	cable("cable0");
	refuse("nosuch", ENODEV, "lease 'nosuch': no such interface");
	refuse("a-name-that-is-too-long", ENODEV,
	       "lease 'a-name-that-is-too-long': no such interface");
	refuse("lo", EOPNOTSUPP, "lease 'lo': not an Ethernet interface");
	refuse("mac:02:00:00:00:00:01", ENODEV, "lease 'mac:02:00:00:00:00:01': no such interface");
	refuse("pci:0000:29:00.0", ENODEV, "lease 'pci:0000:29:00.0': no such interface");
	need(sh(-1, "ip link add sb-7 type veth peer name up0 && ip link set up0 up && ip link set "
		    "sb-7 up &&"
		    " ip addr add 10.9.0.1/24 dev up0 && ip route add default via 10.9.0.2") == 0,
	     "uplink");
	refuse("up0", EBUSY, "lease 'up0': the host's default route goes through it");
	refuse("sb-7", EBUSY, "lease 'sb-7': it is the control plane of a workspace");
	need(sh(-1, "ip route del default; ip -6 route add default dev up0") == 0, "IPv6 uplink");
	refuse("up0", EBUSY, "lease 'up0': the host's default route goes through it");
	ok(!rec.nic.name[0] && nic_up(&plan, &e) == 0 && nic_down(&plan, &e) == 0,
	   "and nothing to do");
	(void)snprintf(spec.nic, sizeof(spec.nic), "mac:02:00:00:00:00:77");
	did(nic_identify(&set, spec.nic, &rec, NULL, &e), &e, "find it by MAC");
	same(rec.nic.name, "cable0", "which has a name");
	(void)snprintf(spec.nic, sizeof(spec.nic), "enp77s0");
	did(nic_identify(&set, spec.nic, &rec, NULL, &e), &e, "find it by alternative name");
	same(rec.nic.name, "cable0", "which has a first name");
	ok(rec.nic.ifindex == 77 && rec.nic.mtu == 1400 && (rec.nic.flags & IFF_UP),
	   "number, MTU, flags");
}

static void test_in(void)
{
	struct err e = { 0 };
	uint64_t began = clk_now_us();

	did(nic_up(&plan, &e), &e, "move it in");
	printf("# nic_up %lu us\n", clk_now_us() - began);
	same(plan.detail, "data0 = cable0  192.168.199.1/24", "which says so");
	ok(sh(-1, "ip link show cable0 2>/dev/null") != 0, "it has left the host");
	ok(sh(plan.netns, "ip -o addr show dev data0 | grep -q 192.168.199.1/24 && ip -o addr show "
			  "dev data0 | grep -q fd99::1/64 &&"
			  "ip -o link show data0 | grep -q 'mtu 1300.*state UP'") == 0,
	   "it is data0, up, with address and MTU");
	did(nic_up(&plan, &e), &e, "again");
	sh(plan.netns, "ip link set data0 down; ip addr flush dev data0; ip link set data0 name "
		       "mine address 02:11:11:11:11:11;"
		       "ip link add data0 type bridge");
	did(nic_up(&plan, &e), &e, "again, when the tenant renamed it and made another data0");
	ok(sh(plan.netns,
	      "ip -o addr show dev data0 | grep -q 192.168.199.1/24 && ip -o link show data0 | "
	      "grep -q '02:00:00:00:00:77' && ip link show data0-old0 >/dev/null") == 0,
	   "mends it, and sets the other aside");
}

static void test_home(void)
{
	struct err e = { 0 };
	uint64_t began;
	int ns = plan.netns;

	ok(sh(plan.netns,
	      "set -e; ip link set data0 down; ip link set data0 name lo2; ip link set lo2 address "
	      "02:66:66:66:66:66 mtu 1280;"
	      "ip link set lo2 promisc on allmulticast on arp off; ip link set lo2 up;"
	      "ip link property add dev lo2 altname far; ip link property add dev lo2 altname up0; "
	      "ip link property del dev lo2 altname enp77s0;"
	      "for i in 1 2 3 4 5 6 7 8 9 10 11; do ip link property add dev lo2 altname n$i; done;"
	      "ip link add data0 type bridge") == 0,
	   "a tenant renames, reconfigures and names it like the host's others");
	/* A worker that takes down has only the pin. */
	plan.netns = -1;
	began = clk_now_us();
	did(nic_down(&plan, &e), &e, "bring it home");
	printf("# nic_down %lu us\n", clk_now_us() - began);
	same_state("1400 02:00:00:00:00:77 promisc 0 up arp altname",
		   "name, MAC, MTU, flags and alternative name are back");
	ok(sh(-1, "ip link show enp77s0 | grep -q 'cable0' && ! ip -o link show cable0 | grep -q "
		  "'altname n'") == 0,
	   "the alternative name is the host's, the tenant's are gone");
	ok(sh(-1, "test \"$(cat /sys/class/net/cable0/ifindex 2>/dev/null || ip -o link show "
		  "cable0 | cut -d: -f1)\" = 77") == 0,
	   "it has its number back");
	did(nic_down(&plan, &e), &e, "again");
	same_state("1400 02:00:00:00:00:77 promisc 0 up arp altname", "changes nothing");
	plan.netns = ns;
}

static void quarantined(const char *reason, const char *name)
{
	struct quarantine q;

	ok(quarantine_get(set.storage.state, "nic", rec.nic.id, &q, NULL) == 0,
	   "it is in quarantine");
	same(q.reason, reason, "with the reason");
	same(q.owner, "alice", "and who had it");
	same(q.name, name, "and how it is called");
}

static void free_again(const char *name)
{
	struct quarantine q;

	ok(quarantine_get(set.storage.state, "nic", rec.nic.id, &q, NULL) == -ENOENT, "%s", name);
}

static void test_name_taken(void)
{
	struct err e = { 0 };

	did(nic_up(&plan, &e), &e, "move it in");
	need(sh(-1, "ip link add cable0 index 77 type bridge") == 0,
	     "take the name and the number");
	need(sh(-1, "ip link add nic-5 type bridge") == 0, "take the other name, too");
	did(nic_down(&plan, &e), &e, "bring it home when its name is taken");
	quarantined("rename 'nic-5.1' to 'cable0': the name is taken (it stays 'nic-5.1')",
		    "nic-5.1");
	ok(sh(-1, "ip -o link show nic-5.1 | grep -q 'mtu 1400.*02:00:00:00:00:77' && ! ip -o link "
		  "show nic-5.1 | grep -q '[<,]UP'") == 0,
	   "it is on the host under that name, and down");
	ok(nic_home_recover(&set, rec.nic.id, false, &e) == -EEXIST, "it cannot be recovered now");
	ok(strstr(e.text, "recover 'name:cable0': rename 'nic-5.1' to 'cable0'") != NULL,
	   "which is said");
	need(sh(-1, "ip link del cable0 && ip link del nic-5") == 0, "free the names");
	did(nic_home_recover(&set, rec.nic.id, false, &e), &e, "then it can");
	same_state("1400 02:00:00:00:00:77 promisc 0 up arp altname", "it is as it was");
	free_again("and not in quarantine any more");
	ok(nic_home_recover(&set, rec.nic.id, false, &e) == -ENOENT, "once");
}

static void test_decoy(void)
{
	struct err e = { 0 };
	int nested = new_netns();

	did(nic_up(&plan, &e), &e, "move it in");
	need(sh(plan.netns,
		"ip link set data0 netns /proc/%d/fd/%d && ip link add data0 index 1000 type "
		"bridge",
		getpid(), nested) == 0,
	     "move it further in, leave another with its number");
	did(nic_down(&plan, &e), &e, "bring it home when a decoy has its number");
	ok(sh(-1, "ip link show cable0 2>/dev/null || ip link show nic-5 2>/dev/null") != 0,
	   "the decoy does not come to the host");
	close(nested);
	ok(sh(-1, "for i in 1 2 3 4 5 6 7 8 9 10; do ip link show far >/dev/null 2>&1 || exit 0; "
		  "sleep 0.1; done; exit 1") == 0,
	   "a virtual one ends with the tenant's namespace");
	did(nic_down(&plan, &e), &e, "and there is nothing to return");
	ok(nic_up(&plan, &e) == -ENODEV, "it cannot be moved in either");
	same(e.text,
	     "move 'cable0' into workspace 'alice': find 'cable0' (name:cable0): not on the host "
	     "(unplugged?)",
	     "by name");
}

static void test_port_and_lan(void)
{
	struct err e = { 0 };

	sh(plan.netns, "ip link del data0");
	cable("cable0");
	need(sh(-1, "ip link add br0 type bridge && ip link set cable0 master br0") == 0, "bridge");
	ok(nic_up(&plan, &e) == -EBUSY, "a bridge port is refused");
	same(e.text, "move 'cable0' into workspace 'alice': it is a port of a bridge or bond",
	     "by name");
	need(sh(-1, "ip link set cable0 nomaster") == 0, "release");
	(void)snprintf(set.network.announce, sizeof(set.network.announce), "cable0");
	ok(nic_up(&plan, &e) == -EBUSY, "the announce interface is refused");
	set.network.announce[0] = '\0';
	did(nic_up(&plan, &e), &e, "otherwise it moves");
	sh(plan.netns, "ip link del data0");
	did(nic_down(&plan, &e), &e, "a tenant who deletes a virtual one hinders nothing");
}

int main(void)
{
	struct err e = { 0 };

	test_host(dir);
	(void)str_format(set.storage.run, sizeof(set.storage.run), "%s", dir);
	(void)str_format(set.storage.state, sizeof(set.storage.state), "%s/state", dir);
	make_plan(&plan, &set, &rec, "alice", 5);
	plan.spec = &spec;
	plan.netns = new_netns();
	need(sh(-1, "mkdir -p '%s' && touch '%s/net' && mount --bind /proc/%d/fd/%d '%s/net'",
		plan.dir, plan.dir, getpid(), plan.netns, plan.dir) == 0,
	     "run directory with a pin");
	need(ip_parse_net("192.168.199.1/24", &spec.data_ip, &e) == 0, "data_ip");
	need(ip_parse_net("fd99::1/64", &spec.data_ip6, &e) == 0, "data_ip6");
	spec.data_mtu = 1300;
	test_identify();
	test_in();
	test_home();
	test_name_taken();
	test_decoy();
	test_port_and_lan();
	ok(sh(-1, "test ! -e '%s/nic'", plan.dir) == 0, "no note is left");
	sh(-1, "umount '%s/net'", plan.dir);
	return test_end(dir);
}
