/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio.h on a tree of files: what may be given (THREATS D12), binding and the way back, from each place where a kill could
 * have left a function.  A child process plays the kernel: it looks what was written, and moves the link `driver`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "hugepages.h"
#include "vfio.h"

#define NIC     "0000:29:00.0"
#define OTHER   "0000:29:00.1"
#define DEVICES "sys/bus/pci/devices/"
#define DRIVERS "sys/bus/pci/drivers/"
#define GROUP   "sys/kernel/iommu_groups/7/"

static char root[64], sys[80], dev[80];
static struct vfio_place at = { sys, dev, 200 };
static struct vfio_seen seen;
static pid_t kernel;
static struct err e;

static const char *below(const char *file)
{
	static char path[4][PATH_MAX];
	static unsigned int turn;
	char *to = path[turn++ % 4];

	(void)str_format(to, PATH_MAX, "%s/%s", root, file);
	return to;
}

static void put(const char *file, const char *text)
{
	struct path_content c = { text, strlen(text), 0644, false };
	char path[PATH_MAX], *slash;

	(void)str_copy(path, sizeof(path), below(file));
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(path_mkdirs(path, 0755, &e), 0);
	*slash = '/';
	assert_int_equal(path_write_atomic(AT_FDCWD, path, &c, &e), 0);
}

static void link_to(const char *target, const char *file)
{
	(void)unlink(below(file));
	assert_int_equal(symlink(target, below(file)), 0);
}

static void add_function(const char *pci, const char *class, const char *driver)
{
	char file[128], target[128];

	(void)str_format(file, sizeof(file), DEVICES "%s/class", pci);
	put(file, class);
	(void)str_format(file, sizeof(file), DEVICES "%s/driver_override", pci);
	put(file, "(null)\n");
	(void)str_format(file, sizeof(file), DEVICES "%s/driver", pci);
	(void)str_format(target, sizeof(target), "../../drivers/%s", driver);
	if (*driver)
		link_to(target, file);
	else
		(void)unlink(below(file));
	(void)str_format(file, sizeof(file), DEVICES "%s/iommu_group", pci);
	link_to("../../../../kernel/iommu_groups/7", file);
	(void)str_format(file, sizeof(file), GROUP "devices/%s", pci);
	(void)str_format(target, sizeof(target), "../../../../bus/pci/devices/%s", pci);
	link_to(target, file);
}

static int setup(void **state)
{
	(void)str_copy(root, sizeof(root), "/tmp/sshbay-vfio.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	(void)str_format(sys, sizeof(sys), "%s/sys", root);
	(void)str_format(dev, sizeof(dev), "%s/dev", root);
	at.wait_ms = 200;
	kernel = 0;
	memset(&e, 0, sizeof(e));
	put("dev/vfio/7", "");
	put("sys/bus/pci/drivers_probe", "");
	put(DRIVERS "e1000e/unbind", "");
	put(DRIVERS "vfio-pci/unbind", "");
	put(DRIVERS "other/unbind", "");
	put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	put("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	assert_int_equal(path_mkdirs(below(GROUP "devices"), 0755, &e), 0);
	add_function(NIC, "0x020000\n", "e1000e");
	return 0;
}

static int teardown(void **state)
{
	auto_fd int tmp = path_open_dir("/tmp", &e);

	if (kernel > 0) {
		kill(kernel, SIGKILL);
		waitpid(kernel, NULL, 0);
	}
	return path_remove_tree(tmp, root + strlen("/tmp/"), &e);
}

/* --- the kernel's part --- */

/* What was written since the last look; the file is empty again. */
static bool written(const char *file, char *text, size_t size)
{
	size_t len = 0;

	if (path_read(AT_FDCWD, below(file), text, size, &len, NULL) < 0 || !strchr(text, '\n'))
		return false;
	if (truncate(below(file), 0) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static void play_probe(const char *refused, const char *usual)
{
	char pci[64], override[64], target[96];
	size_t len;

	if (!written("sys/bus/pci/drivers_probe", pci, sizeof(pci)) || strcmp(pci, NIC) != 0)
		return;
	if (path_read(AT_FDCWD, below(DEVICES NIC "/driver_override"), override, sizeof(override),
		      &len, NULL) < 0)
		return;
	override[strcspn(override, "\n")] = '\0';
	if (!override[0] || !strcmp(override, "(null)"))
		(void)str_copy(override, sizeof(override), usual);
	(void)str_format(target, sizeof(target), "../../drivers/%s", override);
	if (strcmp(override, refused) != 0 && symlink(target, below(DEVICES NIC "/driver")) < 0)
		_exit(1);
}

/* A kernel in which `usual` is the driver for the NIC, and `refused` does not take it. */
static void play(const char *refused, const char *usual)
{
	static const char *const unbinds[] = { DRIVERS "e1000e/unbind", DRIVERS "vfio-pci/unbind" };
	pid_t parent = getpid();
	char pci[64];

	kernel = fork();
	assert_true(kernel >= 0);
	if (kernel > 0) {
		at.wait_ms = 20000; /* for a machine that is busy: a state is awaited, no time */
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == parent) {
		for (unsigned int i = 0; i < 2; i++)
			if (written(unbinds[i], pci, sizeof(pci)) && !strcmp(pci, NIC))
				(void)unlink(below(DEVICES NIC "/driver"));
		play_probe(refused, usual);
		usleep(500);
	}
	_exit(0);
}

static void is_at(const char *driver, const char *override)
{
	assert_int_equal(vfio_look(sys, NIC, &seen, &e), 0);
	assert_string_equal(seen.driver, driver);
	assert_string_equal(seen.override, override);
}

/* --- may it be given --- */

static void refused(int code, const char *says)
{
	assert_int_equal(vfio_check(sys, NIC, &e), -code);
	if (!strstr(e.text, says))
		fail_msg("'%s' does not say '%s'", e.text, says);
}

static void test_may(void **state)
{
	unsigned int group = 0;

	assert_int_equal(vfio_check(sys, NIC, &e), 0);
	assert_int_equal(vfio_group(sys, NIC, &group, &e), 0);
	assert_int_equal(group, 7);
	assert_int_equal(vfio_check(sys, "0000:99:00.0", &e), -ENODEV);
}

static void test_no_iommu(void **state)
{
	assert_int_equal(unlink(below(DEVICES NIC "/iommu_group")), 0);
	refused(EOPNOTSUPP, "'" NIC "' is in no IOMMU group");
	link_to("../../../../kernel/iommu_groups/7", DEVICES NIC "/iommu_group");
	put(GROUP "name", "vfio-noiommu\n");
	refused(EOPNOTSUPP, "group 7, which has no IOMMU");
	put(GROUP "name", "\n");
	assert_int_equal(vfio_check(sys, NIC, &e), 0);
}

static void test_bypassed(void **state)
{
	put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	refused(EOPNOTSUPP, "enable_unsafe_noiommu_mode");
	put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "1\n");
	refused(EOPNOTSUPP, "enable_unsafe_noiommu_mode");
	put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	put("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	refused(EOPNOTSUPP, "allow_unsafe_interrupts");
}

static void test_no_driver(void **state)
{
	assert_int_equal(rename(below(DRIVERS "vfio-pci"), below(DRIVERS "gone")), 0);
	refused(EOPNOTSUPP, "no driver vfio-pci");
}

static void test_shared_group(void **state)
{
	add_function(OTHER, "0x010802\n", "e1000e");
	refused(EBUSY, "shares IOMMU group 7 with '" OTHER "' (driver e1000e)");
	add_function(OTHER, "0x020000\n", "");
	refused(EBUSY, "'" OTHER "' (no driver)");
	add_function(OTHER, "0x020000\n", "vfio-pci");
	assert_int_equal(vfio_check(sys, NIC, &e), 0);
	add_function(OTHER, "0x060400\n", "e1000e");
	assert_int_equal(vfio_check(sys, NIC, &e), 0);
	add_function(OTHER, "0x060100\n", "e1000e");
	refused(EBUSY, OTHER);
	add_function(OTHER, "0x060000\n", "");
	assert_int_equal(vfio_check(sys, NIC, &e), 0);
	link_to("../../../../devices/platform/thing", GROUP "devices/thing");
	refused(EBUSY, "'thing', which is no PCI function");
}

static void test_group_without_it(void **state)
{
	assert_int_equal(unlink(below(GROUP "devices/" NIC)), 0);
	refused(EIO, "IOMMU group 7 does not list");
}

static void test_virtual_functions(void **state)
{
	put(DEVICES NIC "/sriov_numvfs", "0\n");
	assert_int_equal(vfio_check(sys, NIC, &e), 0);
	put(DEVICES NIC "/sriov_numvfs", "4\n");
	refused(EBUSY, "has 4 virtual functions");
}

/* --- there and back --- */

static void test_round_trip(void **state)
{
	struct vfio_seen was;
	char text[32];
	size_t len;

	put(DEVICES NIC "/reset", "");
	play("", "e1000e");
	assert_int_equal(vfio_look(sys, NIC, &was, &e), 0);
	assert_false(vfio_away(&was));
	if (vfio_bind(&at, NIC, &e))
		fail_msg("%s", e.text);
	is_at("vfio-pci", "vfio-pci");
	assert_true(vfio_away(&seen));
	assert_int_equal(
		path_read(AT_FDCWD, below(DEVICES NIC "/reset"), text, sizeof(text), &len, &e), 0);
	assert_int_equal(len, 0);
	if (vfio_release(&at, NIC, &was, &e))
		fail_msg("%s", e.text);
	is_at("e1000e", "");
	assert_int_equal(
		path_read(AT_FDCWD, below(DEVICES NIC "/reset"), text, sizeof(text), &len, &e), 0);
	assert_string_equal(text, "1\n");
}

static void test_override_comes_back(void **state)
{
	const struct vfio_seen was = { "other", "other" };

	play("", "e1000e");
	assert_int_equal(vfio_bind(&at, NIC, &e), 0);
	assert_int_equal(vfio_release(&at, NIC, &was, &e), 0);
	is_at("other", "other");
}

static void test_bind_fails(void **state)
{
	const struct vfio_seen was = { "e1000e", "" };

	play("vfio-pci", "e1000e");
	at.wait_ms = 300;
	assert_int_equal(vfio_bind(&at, NIC, &e), -EIO);
	assert_non_null(strstr(e.text, "bind '" NIC "' to vfio-pci: it has no driver"));
	is_at("", "vfio-pci");
	at.wait_ms = 20000;
	assert_int_equal(vfio_release(&at, NIC, &was, &e), 0);
	is_at("e1000e", "");
}

static void test_driver_that_does_not_let_go(void **state)
{
	assert_int_equal(vfio_bind(&at, NIC, &e), -EBUSY);
	assert_non_null(strstr(e.text, "driver 'e1000e' does not let go"));
}

/* Where a kill may have left it. */
static void test_from_everywhere(void **state)
{
	static const char *const drivers[] = { "e1000e", "", "", "vfio-pci", "vfio-pci" };
	static const char *const overrides[] = { "vfio-pci\n", "vfio-pci\n", "\n", "vfio-pci\n",
						 "\n" };
	const struct vfio_seen was = { "e1000e", "" };

	play("", "e1000e");
	for (unsigned int i = 0; i < 5; i++) {
		add_function(NIC, "0x020000\n", drivers[i]);
		put(DEVICES NIC "/driver_override", overrides[i]);
		if (vfio_release(&at, NIC, &was, &e))
			fail_msg("from %u: %s", i, e.text);
		is_at("e1000e", "");
	}
	/* And once more: nothing is left to do. */
	assert_int_equal(vfio_release(&at, NIC, &was, &e), 0);
}

static void test_no_way_back(void **state)
{
	const struct vfio_seen was = { "e1000e", "" };

	add_function(NIC, "0x020000\n", "vfio-pci");
	play("e1000e", "e1000e");
	at.wait_ms = 300;
	assert_int_equal(vfio_release(&at, NIC, &was, &e), -EIO);
	assert_non_null(strstr(e.text, "no driver takes '" NIC "' back, it had e1000e"));
}

static void test_another_driver(void **state)
{
	const struct vfio_seen was = { "e1000e", "" };

	add_function(NIC, "0x020000\n", "vfio-pci");
	play("", "other");
	assert_int_equal(vfio_release(&at, NIC, &was, &e), -EIO);
	assert_non_null(strstr(e.text, "has driver 'other' now, it had 'e1000e'"));
}

static void test_reset_fails(void **state)
{
	const struct vfio_seen was = { "e1000e", "" };

	add_function(NIC, "0x020000\n", "vfio-pci");
	assert_int_equal(path_mkdirs(below(DEVICES NIC "/reset"), 0755, &e), 0);
	play("", "e1000e");
	assert_true(vfio_release(&at, NIC, &was, &e) < 0);
	assert_non_null(strstr(e.text, "reset '" NIC "'"));
	is_at("vfio-pci", "");
}

/* --- huge pages --- */

#define POOL "sys/kernel/mm/hugepages/hugepages-2048kB/"

static void test_pool(void **state)
{
	struct hugepages_pool pool;

	assert_int_equal(hugepages_pool(sys, 0, &pool, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "no huge pages of 2M"));
	put(POOL "nr_hugepages", "100\n");
	put(POOL "free_hugepages", "60\n");
	put(POOL "resv_hugepages", "20\n");
	assert_int_equal(hugepages_pool(sys, 0, &pool, &e), 0);
	assert_int_equal(pool.total, 100);
	assert_int_equal(pool.free, 40);
	put(POOL "resv_hugepages", "70\n");
	assert_int_equal(hugepages_pool(sys, 0, &pool, &e), 0);
	assert_int_equal(pool.free, 0);
	put(POOL "free_hugepages", "many\n");
	assert_int_equal(hugepages_pool(sys, 0, &pool, &e), -EIO);
	assert_int_equal(hugepages_pool(sys, 1, &pool, &e), -EOPNOTSUPP);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_may),
		CASE(test_no_iommu),
		CASE(test_bypassed),
		CASE(test_no_driver),
		CASE(test_shared_group),
		CASE(test_group_without_it),
		CASE(test_virtual_functions),
		CASE(test_round_trip),
		CASE(test_override_comes_back),
		CASE(test_bind_fails),
		CASE(test_driver_that_does_not_let_go),
		CASE(test_from_everywhere),
		CASE(test_no_way_back),
		CASE(test_another_driver),
		CASE(test_reset_fails),
		CASE(test_pool),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
