/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who gets which id range, address and interface; and that nobody else gets it.
 */
#include "allocate.h"
#include "quarantine.h"
#include "unit/fake_registry.h"

static void set_net(const char *v4, const char *v6)
{
	assert_int_equal(ip_parse_net(v4, &bench.settings.network.control_cidr, NULL), 0);
	if (v6)
		assert_int_equal(ip_parse_net(v6, &bench.settings.network.control_cidr6, NULL), 0);
}

static const char *address(const char *name)
{
	static char text[IP_TEXT_MAX];

	return ip_text(&fake_record(name)->control_ip, text, sizeof(text));
}

static const char *address6(const char *name)
{
	static char text[IP_TEXT_MAX];

	return ip_text(&fake_record(name)->control_ip6, text, sizeof(text));
}

static int login_text(const char *name, char text[ERR_TEXT_MAX])
{
	struct wait me;

	workspace_run(bench.reg, name, wait_on(&me));
	run_until(&me.calls, 1);
	memcpy(text, me.text, ERR_TEXT_MAX);
	return me.ret;
}

static void test_lowest_free(void **state)
{
	bench_add_spec("client", "client", "172.31.199.1");
	bench_add_spec("server", "server", "172.31.199.3");
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_int_equal(login("bob"), 0);
	assert_string_equal(address("alice"), "172.31.199.2");
	assert_string_equal(address("bob"), "172.31.199.4");
	assert_int_equal(login("server"), 0);
	assert_string_equal(address("server"), "172.31.199.3");
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), 0);
	assert_int_equal(login("carol"), 0);
	assert_string_equal(address("carol"), "172.31.199.2");
	assert_int_equal(fake_record("carol")->slot, 0);
	assert_int_equal(fake_record("carol")->id_base, 1000000);
	assert_int_equal(fake_record("bob")->id_base, 1000000 + 262144);
}

static void test_full(void **state)
{
	char name[16], text[ERR_TEXT_MAX];

	set_net("10.9.0.0/29", NULL);
	bench_start();
	/* Of .0 to .7: not the network, not the broadcast, and the last but one stays free. */
	for (int i = 1; i <= 5; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(login(name), 0);
		assert_int_equal(fake_record(name)->control_ip.b[3], i);
	}
	assert_int_equal(login_text("x", text), -EADDRNOTAVAIL);
	assert_string_equal(text, "allocate address for 'x': control_cidr 10.9.0.0/29 is full");
	assert_null(fake_record("x"));
	assert_int_equal(fake_of("x")->ups, 0);
	assert_int_equal(operate("u3", WORKSPACE_DESTROY, 1), 0);
	assert_int_equal(login("x"), 0);
	assert_string_equal(address("x"), "10.9.0.3");
}

static void test_tiny(void **state)
{
	char text[ERR_TEXT_MAX];

	set_net("10.9.0.0/31", NULL);
	bench_start();
	assert_int_equal(login_text("x", text), -EADDRNOTAVAIL);
	set_net("10.9.0.0/30", NULL);
	assert_int_equal(login("x"), 0);
	assert_string_equal(address("x"), "10.9.0.1");
	assert_int_equal(login_text("y", text), -EADDRNOTAVAIL);
}

static void test_slots_full(void **state)
{
	char text[ERR_TEXT_MAX];

	bench.settings.storage.id_slots = 2;
	bench_start();
	assert_int_equal(login("a"), 0);
	assert_int_equal(login("b"), 0);
	assert_int_equal(login_text("x", text), -ENOSPC);
	assert_string_equal(text,
			    "allocate ids for 'x': all 2 id ranges are in use (storage.id_slots)");
	/* Destroyed is not purged: the files are still somebody's. */
	assert_int_equal(operate("a", WORKSPACE_DESTROY, 0), 0);
	assert_int_equal(login("x"), -ENOSPC);
	assert_int_equal(operate("a", WORKSPACE_DESTROY, 1), 0);
	assert_int_equal(login("x"), 0);
	assert_int_equal(fake_record("x")->slot, 0);
}

static void test_ranges_of_another_formula(void **state)
{
	bench_start();
	assert_int_equal(login("a"), 0);
	bench_crash();
	/* The base moved by half a range: the first two slots would now share ids with a's. */
	bench.settings.storage.id_base += 131072;
	bench_start();
	assert_int_equal(login("b"), 0);
	assert_true(fake_record("b")->id_base >= fake_record("a")->id_base + 262144);
	assert_int_not_equal(fake_record("b")->slot, fake_record("a")->slot);
}

static void test_configured_address_in_use(void **state)
{
	char text[ERR_TEXT_MAX];

	bench_start();
	assert_int_equal(login("alice"), 0);
	bench_add_spec("client", "client", "172.31.199.1");
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login_text("client", text), -EADDRINUSE);
	assert_string_equal(
		text,
		"allocate address for 'client': 172.31.199.1 is in use by 'alice' (sshbay leases)");
	/* alice makes room when she starts again. */
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	assert_int_equal(login("alice"), 0);
	assert_string_equal(address("alice"), "172.31.199.2");
	assert_int_equal(login("client"), 0);
}

static void test_ip6(void **state)
{
	set_net("172.31.199.0/24", "fd00:1::/64");
	bench_add_spec("client", "client", "172.31.199.200");
	bench_add_spec("odd", "odd", NULL);
	ip_parse("fd00:1::1", &bench.specs[1].control_ip6, NULL);
	bench_start();
	assert_int_equal(login("client"), 0);
	assert_string_equal(address6("client"), "fd00:1::c8");
	assert_int_equal(login("alice"), 0);
	/* .1 goes with ::1, but that is configured for `odd`. */
	assert_string_equal(address("alice"), "172.31.199.1");
	assert_string_equal(address6("alice"), "fd00:1::2");
	assert_int_equal(login("odd"), 0);
	assert_string_equal(address6("odd"), "fd00:1::1");
}

static void test_wide_networks(void **state)
{
	set_net("10.0.0.0/8", "fd00::/8");
	bench_start();
	assert_int_equal(login("a"), 0);
	assert_string_equal(address("a"), "10.0.0.1");
	assert_string_equal(address6("a"), "fd00::1");
	bench_add_spec("far", "far", "10.255.1.2");
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login("far"), 0);
	assert_string_equal(address6("far"), "fd00::ff:102");
}

static const char *data_ip(const char *name)
{
	static char text[IP_TEXT_MAX];
	const struct ipnet *net = &fake_record(name)->data_ip;

	return net->addr.family ? ip_net_text(net, text, sizeof(text)) : "";
}

static void set_data_net(const char *net)
{
	assert_int_equal(ip_parse_net(net, &bench.settings.network.data_cidr, NULL), 0);
}

static void add_wired(const char *name, const char *nic, const char *data)
{
	struct spec *spec = &bench.specs[bench.settings.nworkspaces];

	bench_add_spec(name, name, NULL);
	(void)str_copy(spec->nic, sizeof(spec->nic), nic);
	if (data)
		assert_int_equal(ip_parse_net(data, &spec->data_ip, NULL), 0);
}

static void test_data_ip(void **state)
{
	set_data_net("192.168.199.0/24");
	add_wired("a", "cable0", NULL);
	add_wired("b", "cable1", NULL);
	add_wired("c", "cable2", "192.168.199.1/28");
	add_wired("d", "none", NULL);
	assert_int_equal(ip_parse("172.31.199.200", &bench.specs[0].control_ip, NULL), 0);
	bench_start();
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(login((const char *[]){ "a", "b", "c", "d" }[i]), 0);
	/* The number of the control address; .1 is configured for c, so b gets the lowest that is left. */
	assert_string_equal(data_ip("a"), "192.168.199.200/24");
	assert_string_equal(address("b"), "172.31.199.1");
	assert_string_equal(data_ip("b"), "192.168.199.2/24");
	assert_string_equal(data_ip("c"), "192.168.199.1/28");
	assert_string_equal(data_ip("d"), "");
	/* A stop keeps it, and so does a provisiond that was killed; a destroy does not. */
	assert_int_equal(operate("b", WORKSPACE_STOP, 0), 0);
	assert_int_equal(operate("a", WORKSPACE_DESTROY, 0), 0);
	bench_crash();
	bench_start();
	assert_int_equal(login("b"), 0);
	assert_string_equal(data_ip("b"), "192.168.199.2/24");
	assert_string_equal(data_ip("a"), "");
}

static void test_data_ip_none(void **state)
{
	set_data_net("192.168.199.0/24");
	add_wired("none", "cable0", NULL);
	add_wired("six", "cable1", NULL);
	bench.specs[0].data_ip.plen = SPEC_NO_ADDRESS;
	assert_int_equal(ip_parse_net("fd00::1/64", &bench.specs[1].data_ip6, NULL), 0);
	bench_start();
	assert_int_equal(login("none"), 0);
	assert_string_equal(data_ip("none"), "");
	assert_int_equal(login("six"), 0);
	assert_string_equal(data_ip("six"), "");
	/* Without a network to take them from there are none. */
	memset(&bench.settings.network.data_cidr, 0, sizeof(bench.settings.network.data_cidr));
	bench.specs[0].data_ip.plen = 0;
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(operate("none", WORKSPACE_STOP, 0), 0);
	assert_int_equal(login("none"), 0);
	assert_string_equal(data_ip("none"), "");
}

static void test_data_ip_taken(void **state)
{
	char text[ERR_TEXT_MAX];

	set_data_net("192.168.199.0/30");
	add_wired("a", "cable0", NULL);
	add_wired("b", "cable1", NULL);
	bench_start();
	assert_int_equal(login("a"), 0);
	assert_int_equal(login_text("b", text), -EADDRNOTAVAIL);
	assert_string_equal(text, "allocate address for 'b': data_cidr 192.168.199.0/30 is full");
	assert_null(fake_record("b"));
	add_wired("c", "cable2", "192.168.199.1/24");
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login_text("c", text), -EADDRINUSE);
	assert_string_equal(
		text, "allocate address for 'c': 192.168.199.1 is in use by 'a' (sshbay leases)");
}

static void test_nic(void **state)
{
	char text[ERR_TEXT_MAX];

	bench_add_spec("alice", "alice", NULL);
	bench_add_spec("bob", "bob", NULL);
	bench_add_spec("lost", "lost", NULL);
	strcpy(bench.specs[0].nic, "cable0");
	strcpy(bench.specs[1].nic, "cable0");
	strcpy(bench.specs[2].nic, "missing0");
	bench_start();
	assert_int_equal(login("bob"), 0);
	assert_string_equal(fake_record("bob")->nic.name, "cable0");
	assert_int_equal(login_text("alice", text), -EBUSY);
	assert_non_null(
		strstr(text, "move 'cable0' into workspace 'alice': leased by 'bob' since 2"));
	assert_null(fake_record("alice"));
	assert_int_equal(login_text("lost", text), -ENODEV);
	/* A stop keeps the NIC, a destroy returns it. */
	assert_int_equal(operate("bob", WORKSPACE_STOP, 0), 0);
	assert_int_equal(login("alice"), -EBUSY);
	assert_int_equal(operate("bob", WORKSPACE_DESTROY, 0), 0);
	assert_int_equal(fake_events("lease.return", "bob"), 2);
	assert_int_equal(login("alice"), 0);
	/* A failed start returns it too. */
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	fake->fail_step = 6;
	assert_int_equal(login("alice"), -EIO);
	assert_string_equal(fake_record("alice")->nic.name, "");
	fake->fail_step = 0;
	assert_int_equal(login("bob"), 0);
}

static void test_nic_under_two_names(void **state)
{
	char text[ERR_TEXT_MAX];

	for (unsigned int i = 0; i < 3; i++)
		bench_add_spec((const char *[]){ "alice", "bob", "carol" }[i], "alice", NULL);
	strcpy(bench.specs[0].nic, "pci:x0");
	strcpy(bench.specs[1].nic, "namex0");
	strcpy(bench.specs[2].nic, NIC_IDENTIFY_MACVLAN "namex0");
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_string_equal(fake_record("alice")->nic.id, "pci:x0");
	assert_string_equal(fake_record("alice")->nic.asked, "pci:x0");
	assert_int_equal(login_text("bob", text), -EBUSY);
	assert_non_null(
		strstr(text, "move 'namex0' into workspace 'bob': leased by 'alice' since 2"));
	assert_int_equal(login_text("carol", text), -EBUSY);
	assert_non_null(strstr(text, "leased by 'alice'"));
	/* A name that no record knows: only the host tells what it is. */
	strcpy(bench.specs[1].nic, "alt-x0");
	assert_int_equal(login_text("bob", text), -EBUSY);
	assert_non_null(strstr(text, "move 'alt-x0' into workspace 'bob': leased by 'alice'"));
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 1), 0);
	/* A shared parent is for macvlans, and then for nobody as a whole. */
	assert_int_equal(login("carol"), 0);
	strcpy(bench.specs[0].nic, NIC_IDENTIFY_MACVLAN "pci:x0");
	assert_int_equal(login("alice"), 0);
	assert_int_equal(login_text("bob", text), -EBUSY);
}

static void test_nic_auto(void **state)
{
	char text[ERR_TEXT_MAX];

	for (unsigned int i = 0; i < 4; i++) {
		bench_add_spec((const char *[]){ "a", "b", "c", "d" }[i], "alice", NULL);
		strcpy(bench.specs[i].nic, "auto");
	}
	strcpy(bench.specs[3].nic, "pci:x1");
	strcpy(bench.settings.pool.nics, "missing0,pci:dark0,pci:x1,pci:x2");
	bench_start();
	assert_int_equal(login("d"), 0);
	assert_int_equal(login("a"), 0);
	assert_string_equal(fake_record("a")->nic.id, "pci:x2");
	assert_int_equal(login("b"), 0);
	assert_string_equal(fake_record("b")->nic.id, "pci:dark0");
	assert_int_equal(login_text("c", text), -EBUSY);
	assert_non_null(strstr(text, "lease 'auto': none of the pool's 4 NICs is free"));
	/* A stop keeps it, whatever is free meanwhile. */
	assert_int_equal(operate("b", WORKSPACE_STOP, 0), 0);
	assert_int_equal(operate("d", WORKSPACE_DESTROY, 1), 0);
	assert_int_equal(login("b"), 0);
	assert_string_equal(fake_record("b")->nic.id, "pci:dark0");
	/* A changed configuration takes another. */
	assert_int_equal(operate("b", WORKSPACE_STOP, 0), 0);
	strcpy(bench.specs[1].nic, "pci:x3");
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login("b"), 0);
	assert_string_equal(fake_record("b")->nic.id, "pci:x3");
	assert_int_equal(login("c"), 0);
	assert_string_equal(fake_record("c")->nic.id, "pci:x1");
}

/* In the folder that stands for sysfs. */
static void tree(const char *script)
{
	char cmd[600];

	assert_int_equal(str_format(cmd, sizeof(cmd),
				    "set -e; mkdir -p %s/sys/bus/pci/devices; cd %s/sys/"
				    "bus/pci/devices; %s",
				    bench.dir, bench.dir, script),
			 0);
	assert_int_equal(system(cmd), 0);
}

/* Who has a physical function rules its virtual ones. */
static void test_nic_functions(void **state)
{
	char text[ERR_TEXT_MAX];

	(void)str_format(bench.settings.hardware.sysfs, sizeof(bench.settings.hardware.sysfs),
			 "%s/sys", bench.dir);
	tree("mkdir -p 0000:29:00.0 0000:29:02.1; echo 2 >0000:29:00.0/sriov_numvfs; "
	     "ln -s ../0000:29:02.1 0000:29:00.0/virtfn1; ln -s ../0000:29:00.0 "
	     "0000:29:02.1/physfn");
	bench_add_spec("pf", "pf", NULL);
	bench_add_spec("vf", "vf", NULL);
	bench_add_spec("mac", "mac", NULL);
	strcpy(bench.specs[0].nic, "pci:0000:29:00.0");
	strcpy(bench.specs[1].nic, "pci:0000:29:02.1");
	strcpy(bench.specs[2].nic, NIC_IDENTIFY_MACVLAN "pci:0000:29:00.0");
	bench.specs[1].vf_vlan = 7;
	bench_start();
	assert_int_equal(login("mac"), 0);
	assert_int_equal(operate("mac", WORKSPACE_DESTROY, 1), 0);
	assert_int_equal(login_text("pf", text), -EBUSY);
	assert_string_equal(text, "move 'pci:0000:29:00.0' into workspace 'pf': it has 2 virtual "
				  "functions (lease those: pci:0000:29:00.0/vf0, ..; or remove "
				  "them: sriov_numvfs)");
	assert_int_equal(login("vf"), 0);
	assert_int_equal(operate("vf", WORKSPACE_DESTROY, 1), 0);
	/* They were made when the physical one was away already. */
	tree("echo 0 >0000:29:00.0/sriov_numvfs");
	assert_int_equal(login("pf"), 0);
	tree("echo 2 >0000:29:00.0/sriov_numvfs");
	assert_int_equal(login_text("vf", text), -EBUSY);
	assert_string_equal(text, "move 'pci:0000:29:02.1' into workspace 'vf': its physical "
				  "function 'pci:0000:29:00.0' is leased by 'pf' (sshbay leases)");
	assert_null(fake_record("vf"));
	assert_int_equal(operate("pf", WORKSPACE_DESTROY, 1), 0);
	assert_int_equal(login("vf"), 0);
}

static void test_vf_keys(void **state)
{
	char text[ERR_TEXT_MAX];

	bench_add_spec("alice", "alice", NULL);
	strcpy(bench.specs[0].nic, "cable0");
	bench.specs[0].vf_vlan = 7;
	bench_start();
	assert_int_equal(login_text("alice", text), -EINVAL);
	assert_string_equal(text, "move 'pci:cable0' into workspace 'alice': vf_vlan is set, but "
				  "it is no virtual function (nic = NIC/vfN)");
	bench.specs[0].vf_vlan = 0;
	bench.specs[0].vf_mac[5] = 1;
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login_text("alice", text), -EINVAL);
	assert_non_null(strstr(text, "vf_mac is set"));
	bench.specs[0].vf_mac[5] = 0;
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login("alice"), 0);
}

/* Whoever may rewrite a NIC is in the audit log, at every start. */
static void test_nic_full(void **state)
{
	bench_add_spec("alice", "alice", NULL);
	bench_add_spec("bob", "bob", NULL);
	strcpy(bench.specs[0].nic, "cable0");
	bench.specs[0].nic_full = bench.specs[1].nic_full = true;
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_int_equal(fake_events("lease.nic_full", "alice"), 1);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	assert_int_equal(login("alice"), 0);
	assert_int_equal(fake_events("lease.nic_full", "alice"), 2);
	assert_int_equal(login("bob"), 0); /* has no NIC */
	assert_int_equal(fake_events("lease.nic_full", "bob"), 0);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	bench.specs[0].nic_full = false;
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login("alice"), 0);
	assert_int_equal(fake_events("lease.nic_full", "alice"), 2);
}

static void test_nic_optional(void **state)
{
	bench_add_spec("alice", "alice", NULL);
	strcpy(bench.specs[0].nic, "missing0");
	bench.specs[0].nic_optional = true;
	bench_start();
	assert_int_equal(login("alice"), 0);
	assert_string_equal(fake_record("alice")->nic.name, "");
	assert_string_equal(fake_record("alice")->note,
			    "without its NIC: lease 'missing0': no such interface");
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	strcpy(bench.specs[0].nic, "cable0");
	assert_int_equal(login("alice"), 0);
	assert_string_equal(fake_record("alice")->nic.id, "pci:cable0");
	assert_string_equal(fake_record("alice")->note, "");
}

static void test_nic_in_quarantine(void **state)
{
	struct quarantine q = { .kind = "nic", .id = "pci:cable0", .reason = "its MTU is 1280" };
	char text[ERR_TEXT_MAX];

	bench_add_spec("alice", "alice", NULL);
	strcpy(bench.specs[0].nic, "cable0");
	bench_start();
	assert_int_equal(quarantine_add(bench.settings.storage.state, &q, NULL, NULL), 0);
	assert_int_equal(login_text("alice", text), -EBUSY);
	assert_string_equal(text, "move 'cable0' into workspace 'alice': in quarantine: its MTU is "
				  "1280 (sshbay nic recover pci:cable0)");
	assert_int_equal(quarantine_remove(bench.settings.storage.state, "nic", "pci:cable0", NULL),
			 0);
	assert_int_equal(login("alice"), 0);
}

/* After a reboot it is elsewhere on the bus: quarantine goes with the NIC, not with the slot. */
static void test_quarantine_moves(void **state)
{
	struct quarantine q = {
		.kind = "nic", .id = "pci:x1", .mac = "02:00:00:00:00:32", .reason = "EEPROM"
	};
	char text[ERR_TEXT_MAX];

	bench_add_spec("alice", "alice", NULL);
	strcpy(bench.specs[0].nic, "pci:x2");
	bench_start();
	assert_int_equal(quarantine_add(bench.settings.storage.state, &q, NULL, NULL), 0);
	assert_int_equal(login_text("alice", text), -EBUSY);
	assert_string_equal(text, "move 'pci:x2' into workspace 'alice': in quarantine: EEPROM "
				  "(sshbay nic recover pci:x1)");
	/* While the NIC is not found anywhere, nobody gets what is in its place. */
	strcpy(bench.specs[0].nic, "pci:x1");
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login("alice"), -EBUSY);
	strcpy(bench.specs[0].nic, "pci:x3");
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(login("alice"), 0);
}

static void test_nic_that_does_not_come_home(void **state)
{
	bench_add_spec("alice", "alice", NULL);
	bench_add_spec("bob", "bob", NULL);
	strcpy(bench.specs[0].nic, "cable0");
	strcpy(bench.specs[1].nic, "cable0");
	bench_start();
	assert_int_equal(login("alice"), 0);
	fake->fail_downs = 1;
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 0), -EBUSY);
	assert_int_equal(fake_record("alice")->state, RECORD_DESTROYING);
	assert_int_equal(login("bob"), -EBUSY);
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 0), 0);
	assert_int_equal(login("bob"), 0);
}

static void test_files_without_record(void **state)
{
	char path[160], text[ERR_TEXT_MAX];

	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/state/workspaces/alice/upper", bench.dir);
	assert_int_equal(path_mkdirs(path, 0755, NULL), 0);
	assert_int_equal(chown(path, 1000000, 1000000), 0);
	bench_start();
	/* Nobody else gets the ids of these files ... */
	assert_int_equal(login("bob"), 0);
	assert_int_equal(fake_record("bob")->slot, 1);
	/* ... and who has the name has them again; a failure removes nothing. */
	fake->fail_step = 6;
	assert_int_equal(login("alice"), -EIO);
	assert_int_equal(fake_of("alice")->purges, 0);
	fake->fail_step = 0;
	assert_int_equal(login("alice"), 0);
	assert_int_equal(fake_record("alice")->slot, 0);
	snprintf(path, sizeof(path), "%s/state/workspaces/carol/upper", bench.dir);
	assert_int_equal(path_mkdirs(path, 0755, NULL), 0);
	assert_int_equal(chown(path, 1000000 + 262144, 0), 0);
	assert_int_equal(login_text("carol", text), -EBUSY);
	assert_non_null(strstr(text, "files without a record are in the way"));
	assert_int_equal(access(path, F_OK), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lowest_free),
		T(test_full),
		T(test_tiny),
		T(test_slots_full),
		T(test_ranges_of_another_formula),
		T(test_configured_address_in_use),
		T(test_ip6),
		T(test_wide_networks),
		T(test_data_ip),
		T(test_data_ip_none),
		T(test_data_ip_taken),
		T(test_nic),
		T(test_nic_under_two_names),
		T(test_quarantine_moves),
		T(test_nic_functions),
		T(test_vf_keys),
		T(test_nic_full),
		T(test_nic_auto),
		T(test_nic_optional),
		T(test_nic_in_quarantine),
		T(test_nic_that_does_not_come_home),
		T(test_files_without_record),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
