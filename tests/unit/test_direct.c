/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leases of NICs for user space and of huge pages: groups that two workspaces would share, pages that are promised once. */
#include "fake_registry.h"

#include "jobs.h"

#define DEVICES "sys/bus/pci/devices/"

static char text[ERR_TEXT_MAX];

static void put(const char *file, const char *content)
{
	struct path_content c = { content, strlen(content), 0644, false };
	char path[PATH_MAX], *slash;

	str_format(path, sizeof(path), "%s/%s", bench.dir, file);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(path_mkdirs(path, 0755, NULL), 0);
	*slash = '/';
	assert_int_equal(path_write_atomic(AT_FDCWD, path, &c, NULL), 0);
}

static void add_nic(const char *pci, unsigned int group, const char *driver)
{
	char file[PATH_MAX], target[PATH_MAX];

	str_format(file, sizeof(file), DEVICES "%s/class", pci);
	put(file, "0x020000\n");
	str_format(file, sizeof(file), "%s/" DEVICES "%s/driver", bench.dir, pci);
	str_format(target, sizeof(target), "../../drivers/%s", driver);
	(void)unlink(file);
	assert_int_equal(symlink(target, file), 0);
	str_format(file, sizeof(file), "%s/" DEVICES "%s/iommu_group", bench.dir, pci);
	str_format(target, sizeof(target), "../../../../kernel/iommu_groups/%u", group);
	(void)unlink(file);
	assert_int_equal(symlink(target, file), 0);
	str_format(file, sizeof(file), "sys/kernel/iommu_groups/%u/devices/%s", group, pci);
	put(file, "");
}

static int setup(void **state)
{
	int ret = bench_setup(state);

	str_format(bench.settings.hardware.sysfs, PATH_MAX, "%s/sys", bench.dir);
	put("sys/bus/pci/drivers/vfio-pci/bind", "");
	add_nic("0000:29:00.0", 7, "e1000e");
	add_nic("0000:2a:00.0", 8, "e1000e");
	put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "100\n");
	put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n");
	put("sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "0\n");
	bench_add_spec("alice", "alice", NULL);
	bench_add_spec("bob", "bob", NULL);
	bench_start();
	return ret;
}

static struct spec *want(unsigned int i, const char *nic, bool dpdk)
{
	str_copy(bench.specs[i].nic, sizeof(bench.specs[i].nic), nic);
	bench.specs[i].dpdk = dpdk;
	registry_set_settings(bench.reg, &bench.settings);
	return &bench.specs[i];
}

static int start(const char *name)
{
	struct wait me;

	workspace_run(bench.reg, name, wait_on(&me));
	run_until(&me.calls, 1);
	str_copy(text, sizeof(text), me.text);
	return me.ret;
}

static void refused(const char *name, int code, const char *says)
{
	assert_int_equal(start(name), -code);
	if (!strstr(text, says))
		fail_msg("'%s' does not say '%s'", text, says);
}

static void test_recorded_and_forgotten(void **state)
{
	want(0, "pci:0000:29:00.0", true);
	assert_int_equal(start("alice"), 0);
	assert_string_equal(fake_record("alice")->vfio, "0000:29:00.0");
	assert_string_equal(fake_record("alice")->nic.id, "pci:0000:29:00.0");
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	assert_string_equal(fake_record("alice")->vfio, "0000:29:00.0");
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 0), 0);
	assert_string_equal(fake_record("alice")->vfio, "");
	assert_int_equal(fake_events("lease.take", "alice"), 2);
	assert_int_equal(fake_events("lease.return", "alice"), 2);
}

/* What a stop kept was taken as the other thing: it goes home before it is given anew. */
static void test_changed_while_stopped(void **state)
{
	want(0, "pci:0000:29:00.0", true);
	assert_int_equal(start("alice"), 0);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	run_until_idle();
	fake_of("alice")->downs = 0;
	assert_int_equal(start("alice"), 0);
	assert_int_equal(fake_of("alice")->downs, 0);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	run_until_idle();
	fake_of("alice")->downs = 0;
	want(0, "pci:0000:29:00.0", false);
	assert_int_equal(start("alice"), 0);
	assert_int_equal(fake_of("alice")->downs, 1);
	assert_string_equal(fake_record("alice")->vfio, "");
}

static void test_after_a_reboot(void **state)
{
	want(0, "pci:0000:29:00.0", true)->hugepages_2m = 10;
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(start("alice"), 0);
	run_until_idle();
	bench_crash();
	str_copy(fake_record("alice")->boot_id, 37, FAKE_BOOT_OTHER);
	bench_start();
	assert_string_equal(workspace_find(bench.reg, "alice")->rec.vfio, "");
	assert_int_equal(workspace_find(bench.reg, "alice")->rec.hugepages_2m, 0);
}

static void test_not_these(void **state)
{
	want(0, "none", true);
	refused("alice", EOPNOTSUPP, "it has no NIC");
	want(0, "macvlan:pci:0000:29:00.0", true);
	refused("alice", EOPNOTSUPP, "no PCI function of its own");
	want(0, "pci:0000:29:00.0/port1", true);
	refused("alice", EOPNOTSUPP, "several ports share");
	want(0, "pci:0000:99:00.0", true);
	refused("alice", ENODEV, "no such PCI function");
	assert_null(fake_record("alice"));
	assert_int_equal(fake_of("alice")->ups, 0);
}

static void test_one_group_one_workspace(void **state)
{
	want(0, "pci:0000:29:00.0", true);
	assert_int_equal(start("alice"), 0);
	add_nic("0000:29:00.0", 7, "vfio-pci");
	add_nic("0000:29:00.1", 7, "e1000e");
	want(1, "pci:0000:29:00.1", true);
	refused("bob", EBUSY, "IOMMU group 7 is leased by 'alice'");
	want(1, "pci:0000:2a:00.0", true);
	assert_int_equal(start("bob"), 0);
}

static void test_optional(void **state)
{
	want(0, "missing0", true)->nic_optional = true;
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(start("alice"), 0);
	assert_string_equal(fake_record("alice")->vfio, "");
}

/* A node cannot be given to a workspace that runs. */
static void test_no_late_attach(void **state)
{
	struct wait me;
	const struct workspace_request attach = { .op = WORKSPACE_ATTACH };

	want(0, "missing0", true)->nic_optional = true;
	registry_set_settings(bench.reg, &bench.settings);
	assert_int_equal(start("alice"), 0);
	want(0, "pci:0000:29:00.0", true);
	workspace_operate(bench.reg, "alice", &attach, wait_on(&me));
	run_until(&me.calls, 1);
	assert_int_equal(me.ret, -EOPNOTSUPP);
	assert_non_null(strstr(me.text, "given at a start only"));
	assert_int_equal(fake_of("alice")->attaches, 0);
}

static void pages(unsigned int i, uint32_t n)
{
	bench.specs[i].hugepages_2m = n;
	registry_set_settings(bench.reg, &bench.settings);
}

static void test_pages(void **state)
{
	pages(0, 101);
	refused("alice", ENOSPC,
		"hugepages_2m = 101, and the host has 100, of which other workspaces have 0 "
		"(sysctl vm.nr_hugepages");
	pages(0, 60);
	pages(1, 41);
	assert_int_equal(start("alice"), 0);
	assert_int_equal(fake_record("alice")->hugepages_2m, 60);
	refused("bob", ENOSPC,
		"hugepages_2m = 41, and the host has 100, of which other workspaces have 60");
	pages(1, 40);
	assert_int_equal(start("bob"), 0);
	/* A stopped one keeps them, a destroyed one does not. */
	pages(1, 41);
	assert_int_equal(operate("bob", WORKSPACE_STOP, 0), 0);
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	refused("bob", ENOSPC, "of which other workspaces have 60");
	assert_int_equal(operate("alice", WORKSPACE_DESTROY, 0), 0);
	assert_int_equal(start("bob"), 0);
	assert_int_equal(fake_record("bob")->hugepages_2m, 41);
}

static void test_no_such_size(void **state)
{
	bench.specs[0].hugepages_1g = 1;
	registry_set_settings(bench.reg, &bench.settings);
	refused("alice", EOPNOTSUPP, "hugepages_1g = 1: this host has no huge pages of 1G");
	assert_null(fake_record("alice"));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_recorded_and_forgotten),
		CASE(test_changed_while_stopped),
		CASE(test_after_a_reboot),
		CASE(test_not_these),
		CASE(test_one_group_one_workspace),
		CASE(test_optional),
		CASE(test_no_late_attach),
		CASE(test_pages),
		CASE(test_no_such_size),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
