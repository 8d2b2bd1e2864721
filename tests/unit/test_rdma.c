/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RDMA: devices of NICs in fake trees of sysfs, and their leases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate_rdma.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "quarantine.h"
#include "rdma_find.h"

#define PCI "0000:29:00.0"

static struct settings s;
static struct record rec;
static struct rdma_find dev;
static struct err e;
static char root[64];

static void put(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *text, const char *fmt, ...)
{
	struct path_content c = { text, strlen(text), 0644, false };
	char file[200], path[256], *slash;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(file, sizeof(file), fmt, ap);
	va_end(ap);
	(void)str_format(path, sizeof(path), "%s/sys/%s", root, file);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(path_mkdirs(path, 0755, &e), 0);
	*slash = '/';
	assert_int_equal(path_write_atomic(AT_FDCWD, path, &c, &e), 0);
}

static void point(const char *target, const char *name)
{
	char path[256];

	(void)str_format(path, sizeof(path), "%s/sys/class/infiniband/%s/device", root, name);
	assert_int_equal(symlink(target, path), 0);
}

/* A device on a PCI function (NULL: in software on `parent`); netdevs of its ports, "" for a port that tells none. */
static void device(const char *name, const char *pci, const char *parent, const char *one,
		   const char *two)
{
	char target[128];

	put("", "class/infiniband/%s/node_type", name);
	if (parent)
		put(parent, "class/infiniband/%s/parent", name);
	put("4: ACTIVE\n", "class/infiniband/%s/ports/1/state", name);
	if (one)
		put(one, "class/infiniband/%s/ports/1/gid_attrs/ndevs/1", name);
	if (two)
		put(two, "class/infiniband/%s/ports/2/gid_attrs/ndevs/0", name);
	if (!pci)
		return;
	(void)str_format(target, sizeof(target), "../../../devices/pci0000:20/%s", pci);
	point(target, name);
}

static int setup(void **state)
{
	memset(&s, 0, sizeof(s));
	memset(&rec, 0, sizeof(rec));
	memset(&e, 0, sizeof(e));
	(void)str_copy(root, sizeof(root), "/tmp/sshbay-rdma.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	(void)str_format(s.hardware.sysfs, sizeof(s.hardware.sysfs), "%s/sys", root);
	(void)str_format(s.storage.state, sizeof(s.storage.state), "%s/state", root);
	(void)str_format(s.storage.run, sizeof(s.storage.run), "%s/run", root);
	(void)strcpy(rec.nic.id, "pci:" PCI);
	(void)strcpy(rec.nic.name, "ens1");
	return 0;
}

static int teardown(void **state)
{
	auto_fd int tmp = path_open_dir("/tmp", &e);

	return path_remove_tree(tmp, root + strlen("/tmp/"), &e);
}

static int of(const char *name)
{
	memset(&e, 0, sizeof(e));
	return rdma_find_of(s.hardware.sysfs, &rec, name, &dev, &e);
}

/* --- finding --- */

/* An interface that is part of `device`, below devices/ in the fake tree. */
static void netdev(const char *name, const char *ifindex, const char *device)
{
	char target[128], path[256];

	put(ifindex, "class/net/%s/ifindex", name);
	put("", "devices/%s/uevent", device);
	(void)str_format(target, sizeof(target), "../../../devices/%s", device);
	(void)str_format(path, sizeof(path), "%s/sys/class/net/%s/device", root, name);
	assert_int_equal(symlink(target, path), 0);
}

static void test_mode(void **state)
{
	assert_int_equal(rdma_find_mode(s.hardware.sysfs), RDMA_FIND_ABSENT);
	put("Y\n", "module/ib_core/parameters/netns_mode");
	assert_int_equal(rdma_find_mode(s.hardware.sysfs), RDMA_FIND_SHARED);
	put("N\n", "module/ib_core/parameters/netns_mode");
	assert_int_equal(rdma_find_mode(s.hardware.sysfs), RDMA_FIND_EXCLUSIVE);
}

static void test_of_pci(void **state)
{
	assert_int_equal(of(NULL), -ENODEV);
	assert_string_equal(e.text, "lease the RDMA device of 'ens1': it has none");
	device("mlx5_0", PCI, NULL, "ens1\n", NULL);
	device("mlx5_1", "0000:29:00.1", NULL, "ens2\n", NULL);
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.name, "mlx5_0");
	assert_string_equal(dev.pci, PCI);
	assert_int_equal(dev.nports, 1);
	assert_string_equal(dev.netdev[0], "ens1");
	assert_int_equal(of("mlx5_0"), 0);
	assert_int_equal(of("mlx5_1"), -EXDEV);
	assert_string_equal(
		e.text,
		"lease RDMA device 'mlx5_1': it is not of NIC 'ens1' but of '0000:29:00.1'");
	assert_int_equal(of("mlx5_7"), -ENODEV);
	assert_string_equal(e.text, "find RDMA device 'mlx5_7': no such device");
}

/* A virtual function is a function like any other; its physical one's device is not its own. */
static void test_of_vf(void **state)
{
	device("mlx5_0", PCI, NULL, "ens1\n", NULL);
	device("mlx5_2", "0000:29:00.2", NULL, "ens1v0\n", NULL);
	(void)strcpy(rec.nic.id, "pci:0000:29:00.2");
	(void)strcpy(rec.nic.name, "ens1v0");
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.name, "mlx5_2");
	assert_int_equal(of("mlx5_0"), -EXDEV);
}

/* The interface has left for a workspace, or has no address yet: the function alone tells. */
static void test_of_no_netdev(void **state)
{
	device("mlx5_0", PCI, NULL, NULL, NULL);
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.name, "mlx5_0");
	assert_string_equal(dev.netdev[0], "");
}

static void test_two_ports(void **state)
{
	device("mlx4_0", PCI, NULL, "ens1\n", "ens1d1\n");
	(void)strcpy(rec.nic.id, "pci:" PCI "/port0");
	/* While it is away it has no name that counts; the kernel is asked then. */
	assert_int_equal(of("mlx4_0"), 0);
	netdev("ens1", "2\n", "pci0000:20/" PCI);
	netdev("ens1d1", "2\n", "pci0000:20/" PCI);
	rec.nic.ifindex = 2;
	assert_int_equal(of(NULL), -EXDEV);
	assert_string_equal(e.text, "lease RDMA device 'mlx4_0': its port 2 is of 'ens1d1', and a "
				    "device moves as a whole");
	assert_int_equal(of("mlx4_0"), -EXDEV);
	(void)strcpy(rec.nic.name, "ens1d1");
	assert_int_equal(of(NULL), -EXDEV);
	assert_non_null(strstr(e.text, "its port 1 is of 'ens1'"));
}

static void test_several(void **state)
{
	device("mlx5_0", PCI, NULL, NULL, NULL);
	device("mlx5_1", PCI, NULL, NULL, NULL);
	assert_int_equal(of(NULL), -ENOTUNIQ);
	assert_non_null(strstr(e.text, "it has several: mlx5_"));
	assert_non_null(strstr(e.text, "(rdma = NAME)"));
	assert_int_equal(of("mlx5_1"), 0);
	device("mlx5_3", PCI, NULL, "ens1\n", NULL);
	assert_int_equal(of(NULL), -ENOTUNIQ);
	netdev("ens1", "2\n", "pci0000:20/" PCI);
	rec.nic.ifindex = 2;
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.name, "mlx5_3");
}

/* Part of a function: what it is on is no PCI address, so both must be of one device; names of ports tell nothing. */
static void test_subfunction(void **state)
{
	netdev("ens1", "2\n", "pci0000:20/" PCI);
	netdev("ens1s88", "7\n", "pci0000:20/" PCI "/mlx5_core.sf.4");
	netdev("ens1s89", "8\n", "pci0000:20/" PCI "/mlx5_core.sf.5");
	device("mlx5_0", PCI, NULL, "ens1\n", NULL);
	device("mlx5_9", NULL, NULL, NULL, NULL);
	point("../../../devices/pci0000:20/" PCI "/mlx5_core.sf.4", "mlx5_9");
	/* Its tenant has given its interface the name of the other one. */
	device("mlx5_8", NULL, NULL, "ens1s88\n", NULL);
	point("../../../devices/pci0000:20/" PCI "/mlx5_core.sf.5", "mlx5_8");
	(void)strcpy(rec.nic.id, "mac:02:00:00:00:00:09");
	(void)strcpy(rec.nic.name, "ens1s88");
	rec.nic.ifindex = 7;
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.name, "mlx5_9");
	assert_int_equal(of("mlx5_9"), 0);
	assert_int_equal(of("mlx5_0"), -EXDEV);
	assert_int_equal(of("mlx5_8"), -EXDEV);
	/* The function itself has none of its parts'. */
	(void)strcpy(rec.nic.id, "pci:" PCI);
	(void)strcpy(rec.nic.name, "ens1");
	rec.nic.ifindex = 2;
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.name, "mlx5_0");
	assert_int_equal(of("mlx5_9"), -EXDEV);
	/* While it is away, another interface with its name does not speak for it. */
	(void)strcpy(rec.nic.id, "mac:02:00:00:00:00:09");
	(void)strcpy(rec.nic.name, "ens1s89");
	rec.nic.ifindex = 7;
	assert_int_equal(of(NULL), -ENODEV);
	assert_int_equal(of("mlx5_9"), 0);
	assert_int_equal(of("mlx5_0"), -EXDEV);
}

static void test_software(void **state)
{
	char name[RDMA_FIND_NAME];

	device("rxe0", NULL, "ens1\n", "ens1\n", NULL);
	device("rxe1", NULL, "ens2\n", "ens2\n", NULL);
	device("siw0", NULL, NULL, "ens4\n", NULL);
	assert_int_equal(rdma_find_soft(s.hardware.sysfs, "ens4", name), 0);
	assert_string_equal(name, "siw0");
	(void)strcpy(rec.nic.id, "macvlan:pci:" PCI);
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.name, "rxe0");
	assert_string_equal(dev.parent, "ens1");
	assert_int_equal(of("rxe1"), -EXDEV);
	assert_non_null(strstr(e.text, "but of 'ens2'"));
	assert_int_equal(rdma_find_soft(s.hardware.sysfs, "ens2", name), 0);
	assert_string_equal(name, "rxe1");
	assert_int_equal(rdma_find_soft(s.hardware.sysfs, "ens3", name), -ENOENT);
	assert_int_equal(rdma_find_soft(s.hardware.sysfs, "", name), -ENOENT);
}

static void count(void *ctx, const struct rdma_find *d)
{
	++*(int *)ctx;
}

static void test_hostile_names(void **state)
{
	char longer[RDMA_FIND_NAME + 8];
	int n = 0;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	device("$(id)", PCI, NULL, "ens1\n", NULL);
	device("a\033]0;b", PCI, NULL, "ens1\n", NULL);
	device(longer, PCI, NULL, "ens1\n", NULL);
	device("-x", PCI, NULL, "ens1\n", NULL);
	assert_int_equal(rdma_find_each(s.hardware.sysfs, count, &n, &e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(of(NULL), -ENODEV);
	assert_int_equal(of("../../net/ens1"), -ENODEV);
	assert_int_equal(of("a\033]0;b"), -ENODEV);
	assert_string_equal(e.text, "find RDMA device 'a\\x1b]0;b': not a device's name");
	assert_int_equal(of(""), -ENODEV);
	/* An interface's name that cannot be one is none. */
	device("mlx5_0", PCI, NULL, "a-name-that-is-longer-than-any\n", NULL);
	assert_int_equal(of(NULL), 0);
	assert_string_equal(dev.netdev[0], "");
}

static void test_nodes(void **state)
{
	struct rdma_find_node n;

	assert_int_equal(rdma_find_uverbs(s.hardware.sysfs, "mlx5_0", &n, &e), -ENOENT);
	assert_string_equal(
		e.text, "find the node of RDMA device 'mlx5_0': it has none (modprobe ib_uverbs)");
	put("6\n", "class/infiniband_verbs/abi_version");
	put("mlx5_1\n", "class/infiniband_verbs/uverbs0/ibdev");
	put("231:192\n", "class/infiniband_verbs/uverbs0/dev");
	put("mlx5_0\n", "class/infiniband_verbs/uverbs1/ibdev");
	put("mlx5_0\n", "class/infiniband_verbs/umad0/ibdev");
	put("231:0\n", "class/infiniband_verbs/umad0/dev");
	assert_int_equal(rdma_find_uverbs(s.hardware.sysfs, "mlx5_0", &n, &e), -ENODEV);
	put("231:193\n", "class/infiniband_verbs/uverbs1/dev");
	assert_int_equal(rdma_find_uverbs(s.hardware.sysfs, "mlx5_0", &n, &e), 0);
	assert_string_equal(n.name, "uverbs1");
	assert_int_equal(n.major, 231);
	assert_int_equal(n.minor, 193);
	put("231:x\n", "class/infiniband_verbs/uverbs1/dev");
	assert_int_equal(rdma_find_uverbs(s.hardware.sysfs, "mlx5_0", &n, &e), -ENODEV);
	assert_int_equal(rdma_find_cm(s.hardware.sysfs, &n, &e), -ENOENT);
	assert_string_equal(e.text, "find the node 'rdma_cm': there is none (modprobe rdma_ucm)");
	put("10:121\n", "class/misc/rdma_cm/dev");
	assert_int_equal(rdma_find_cm(s.hardware.sysfs, &n, &e), 0);
	assert_int_equal(n.minor, 121);
}

/* --- leases --- */

static struct registry reg;
static struct workspace alice, bob, *all[] = { &alice, &bob };
static struct spec spec;

static int lease(const char *word)
{
	memset(&e, 0, sizeof(e));
	reg = (struct registry){ .settings = &s, .list = all, .nlist = 2, .boot_id = "boot" };
	alice.registry = bob.registry = &reg;
	(void)strcpy(alice.name, "alice");
	(void)strcpy(bob.name, "bob");
	(void)strcpy(spec.rdma, word);
	return allocate_rdma(&reg, &alice, &spec, &rec, &e);
}

static int setup_lease(void **state)
{
	memset(&alice, 0, sizeof(alice));
	memset(&bob, 0, sizeof(bob));
	memset(&spec, 0, sizeof(spec));
	if (setup(state))
		return -1;
	put("N\n", "module/ib_core/parameters/netns_mode");
	device("mlx5_0", PCI, NULL, "ens1\n", NULL);
	device("mlx5_1", "0000:81:00.0", NULL, "ens2\n", NULL);
	return 0;
}

static void test_lease(void **state)
{
	assert_int_equal(lease("auto"), 0);
	assert_string_equal(rec.rdma, "mlx5_0");
	assert_int_equal(lease("none"), 0);
	assert_string_equal(rec.rdma, "");
	assert_int_equal(lease("mlx5_0"), 0);
	assert_string_equal(rec.rdma, "mlx5_0");
	assert_int_equal(lease("mlx5_1"), -EXDEV);
	assert_string_equal(rec.rdma, "");
	rec.nic.id[0] = '\0';
	assert_int_equal(lease("auto"), -EINVAL);
	assert_string_equal(e.text, "give RDMA device 'auto' to workspace 'alice': it has no NIC");
	spec.nic_optional = true;
	assert_int_equal(lease("auto"), 0);
	assert_string_equal(rec.rdma, "");
}

static void test_lease_mode(void **state)
{
	put("Y\n", "module/ib_core/parameters/netns_mode");
	assert_int_equal(lease("auto"), -EOPNOTSUPP);
	assert_string_equal(e.text, "give RDMA device 'auto' to workspace 'alice': the kernel "
				    "shows RDMA devices in every "
				    "network namespace ([hardware] rdma_netns; sshbay doctor)");
	s.hardware.rdma_netns = SETTINGS_RDMA_SET;
	assert_int_equal(lease("auto"), -EOPNOTSUPP);
	s.hardware.rdma_netns = SETTINGS_RDMA_SHARED;
	assert_int_equal(lease("auto"), 0);
	put("N\n", "module/ib_core/parameters/netns_mode");
	(void)strcpy(rec.nic.id, "macvlan:pci:" PCI);
	rec.rdma[0] = '\0';
	assert_int_equal(lease("auto"), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "its NIC is shared (macvlan)"));
	put("Y\n", "module/ib_core/parameters/netns_mode");
	assert_int_equal(lease("auto"), 0);
	assert_string_equal(rec.rdma, "mlx5_0");
}

static void test_lease_taken(void **state)
{
	struct quarantine q = {
		.kind = "rdma", .id = "mlx5_0", .owner = "carol", .reason = "it did not arrive"
	};

	bob.has_record = true;
	(void)strcpy(bob.rec.rdma, "mlx5_0");
	assert_int_equal(lease("auto"), -EBUSY);
	assert_non_null(strstr(e.text, "'mlx5_0' is leased by 'bob' since "));
	assert_int_equal(lease("mlx5_0"), -EBUSY);
	/* Where it is, this sysfs does not show it. */
	(void)strcpy(bob.rec.rdma, "mlx5_5");
	assert_int_equal(lease("mlx5_5"), -EBUSY);
	assert_non_null(strstr(e.text, "'mlx5_5' is leased by 'bob'"));
	bob.has_record = false;
	assert_int_equal(lease("mlx5_5"), -ENODEV);
	assert_int_equal(lease("auto"), 0);
	rec.rdma[0] = '\0';
	assert_int_equal(quarantine_add(s.storage.state, &q, NULL, &e), 0);
	assert_int_equal(lease("auto"), -EBUSY);
	assert_non_null(
		strstr(e.text,
		       "'mlx5_0' is in quarantine: it did not arrive (sshbay nic recover mlx5_0)"));
	/* A damaged record's word counts, too. */
	assert_int_equal(quarantine_remove(s.storage.state, "rdma", "mlx5_0", &e), 0);
	bob.damaged = true;
	(void)strcpy(bob.rec.rdma, "mlx5_0");
	assert_int_equal(lease("auto"), -EBUSY);
}

/* A stop leaves it inside, where nobody out here sees it. */
static void test_lease_kept(void **state)
{
	auto_fd int fd = -1;
	char path[128];

	alice.has_record = true;
	(void)strcpy(rec.rdma, "mlx5_0");
	(void)strcpy(rec.boot_id, "boot");
	rec.ns_net = 1;
	alice.rec = rec;
	(void)str_format(path, sizeof(path), "%s/sys/class/infiniband", root);
	fd = path_open_dir(path, &e);
	assert_int_equal(path_remove_tree(fd, "mlx5_0", &e), 0);
	assert_int_equal(lease("auto"), 0);
	assert_string_equal(rec.rdma, "mlx5_0");
	assert_int_equal(lease("mlx5_0"), 0);
	/* Another NIC, another boot: it is looked for again. */
	(void)strcpy(rec.nic.id, "pci:0000:81:00.0");
	(void)strcpy(rec.nic.name, "ens2");
	assert_int_equal(lease("auto"), 0);
	assert_string_equal(rec.rdma, "mlx5_1");
	rec = alice.rec;
	(void)strcpy(rec.boot_id, "another");
	assert_int_equal(lease("auto"), -ENODEV);
	device("mlx5_4", PCI, NULL, NULL, NULL);
	assert_int_equal(lease("auto"), 0);
	assert_string_equal(rec.rdma, "mlx5_4");
}

static void test_lease_software(void **state)
{
	device("rxe0", NULL, "ens3\n", "ens3\n", NULL);
	(void)strcpy(rec.nic.id, "name:ens3");
	(void)strcpy(rec.nic.name, "ens3");
	assert_int_equal(lease("auto"), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "'rxe0' is made in software on 'ens3' and would end with "
				       "that one's move (nic = macvlan:ens3)"));
	assert_int_equal(lease("none"), -EBUSY);
	assert_string_equal(e.text, "move 'ens3' into workspace 'alice': RDMA device 'rxe0' is "
				    "made in software on it and would "
				    "end (rdma link delete rxe0)");
	(void)strcpy(rec.nic.id, "macvlan:name:ens3");
	assert_int_equal(lease("none"), 0);
	s.hardware.rdma_netns = SETTINGS_RDMA_SHARED;
	put("Y\n", "module/ib_core/parameters/netns_mode");
	assert_int_equal(lease("auto"), 0);
	assert_string_equal(rec.rdma, "rxe0");
}

#define F(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define L(fn) cmocka_unit_test_setup_teardown(fn, setup_lease, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		F(test_mode),         F(test_of_pci),     F(test_of_vf),
		F(test_of_no_netdev), F(test_two_ports),  F(test_several),
		F(test_subfunction),  F(test_software),   F(test_hostile_names),
		F(test_nodes),        L(test_lease),      L(test_lease_mode),
		L(test_lease_taken),  L(test_lease_kept), L(test_lease_software),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
