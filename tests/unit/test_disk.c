/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.h without a device: which way a workspace's files are limited, what is refused and what a refusal leaves, and what
 * is made of notes and images that are not as they should be.
 */
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
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "disk.h"
#include "disk_image.h"
#include "disk_loop.h"
#include "disk_quota.h"

#define MIB (UINT64_C(1) << 20)

static struct settings settings;
static struct spec spec;
static struct record rec;
static struct plan plan;
static char root[64];
static int store;
static struct err e;

static int setup(void **state)
{
	char path[256];

	(void)state;
	(void)str_copy(root, sizeof(root), "/tmp/sshbay-disk.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	memset(&settings, 0, sizeof(settings));
	memset(&spec, 0, sizeof(spec));
	memset(&rec, 0, sizeof(rec));
	(void)str_format(settings.storage.state, sizeof(settings.storage.state), "%s/state", root);
	(void)str_format(settings.storage.run, sizeof(settings.storage.run), "%s/run", root);
	(void)str_copy(rec.name, sizeof(rec.name), "alice");
	rec.id_base = getuid() ? getuid() : 1000000;
	rec.id_count = 65536;
	rec.state = RECORD_RUNNING;
	spec.disk = SETTINGS_UNLIMITED;
	plan_init(&plan, &settings, &spec, &rec);
	(void)str_format(path, sizeof(path), "%s/run/ws/alice", root);
	if (path_mkdirs(path, 0700, &e) || path_mkdirs(plan.store, 0700, &e))
		return -1;
	store = open(plan.store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return store < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	auto_fd int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	fd_close(&store);
	return path_remove_tree(tmp, strrchr(root, '/') + 1, &e);
}

static void put(const char *dir, const char *name, const void *text, size_t n)
{
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(
		path_write_atomic(fd, name, &(struct path_content){ text, n, 0600, false }, &e), 0);
}

static void test_inodes(void **state)
{
	(void)state;
	assert_int_equal(disk_inodes(64 * MIB), DISK_INODES_MIN);
	assert_int_equal(disk_inodes(50ULL << 30), (50ULL << 30) / 16384);
}

static void test_device_code(void **state)
{
	(void)state;
	/* As the kernel's new_encode_dev has them. */
	assert_int_equal(disk_loop_code(makedev(7, 3)), 0x703);
	assert_int_equal(disk_loop_code(makedev(259, 0x12345)), 0x12310345);
}

static void test_unlimited(void **state)
{
	struct disk d;

	(void)state;
	assert_int_equal(disk_open(&plan, store, &d, &e), 0);
	assert_true(d.base >= 0);
	assert_int_equal(d.mount, -1);
	assert_int_equal(disk_limit(&plan, &d, d.base, d.base, &e), 0);
	fd_close(&d.base);
	assert_false(disk_image_exists(store));
	assert_int_equal(disk_down(&plan, &e), 0);
}

/* Files that lie in a store without quotas are neither moved nor hidden. */
static void test_files_that_are_there(void **state)
{
	struct disk d;

	(void)state;
	if (disk_quota_on(store))
		skip();
	spec.disk = 64 * MIB;
	assert_int_equal(mkdirat(store, "upper", 0755), 0);
	assert_int_equal(disk_open(&plan, store, &d, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "'alice'"));
	assert_non_null(strstr(e.text, "disk = unlimited"));
	assert_false(disk_image_exists(store));
}

static struct disk_image image(uint64_t size, bool reserve)
{
	return (struct disk_image){ .store = store,
				    .path = plan.store,
				    .name = "alice",
				    .size = size,
				    .owner = (uid_t)rec.id_base,
				    .reserve = reserve };
}

static void test_no_space(void **state)
{
	struct disk_image im = image(UINT64_C(1) << 60, true);

	(void)state;
	assert_int_equal(disk_image_make(&im, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "no space"));
	assert_non_null(strstr(e.text, plan.store));
	im.size = UINT64_MAX - 4096;
	im.reserve = false;
	assert_int_equal(disk_image_make(&im, &e), -ENOSPC);
	assert_int_equal(faccessat(store, "disk.new", F_OK, 0), -1);
	assert_false(disk_image_exists(store));
}

static void test_make(void **state)
{
	struct disk_image im = image(64 * MIB, true);
	struct disk_device dev;
	struct stat st;

	(void)state;
	if (disk_image_missing())
		skip();
	put(plan.store, "disk.new", "left by a kill", 14);
	assert_int_equal(disk_image_make(&im, &e), 0);
	assert_int_equal(faccessat(store, "disk.new", F_OK, 0), -1);
	assert_int_equal(fstatat(store, DISK_IMAGE, &st, 0), 0);
	assert_int_equal(st.st_size, 64 * MIB);
	assert_true((uint64_t)st.st_blocks * 512 >= 64 * MIB);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, rec.id_base);
	im.size = 32 * MIB;
	assert_int_equal(disk_image_mount(&im, &dev, &e), -EFBIG);
	assert_non_null(strstr(e.text, "disk = 32M: its file system has 64M"));
	assert_int_equal(fstatat(store, DISK_IMAGE, &st, 0), 0);
	assert_int_equal(st.st_size, 64 * MIB);
	assert_int_equal(disk_image_wait(store, 0, &e), 0);
}

static void refused_image(const char *what)
{
	struct disk_image im = image(64 * MIB, false);
	struct disk_device dev;

	assert_int_equal(disk_image_mount(&im, &dev, &e), -EUCLEAN);
	assert_non_null(strstr(e.text, what));
}

static void test_strange_images(void **state)
{
	static char zeros[4096];

	(void)state;
	put(plan.store, DISK_IMAGE, zeros, sizeof(zeros));
	refused_image("no file system of ours");
	put(plan.store, DISK_IMAGE, "", 0);
	refused_image("no file system of ours");
	assert_int_equal(unlinkat(store, DISK_IMAGE, 0), 0);
	assert_int_equal(mkfifoat(store, DISK_IMAGE, 0600), 0);
	refused_image("not a regular file");
}

static void test_owner(void **state)
{
	auto_fd int stores = open(plan.store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uid_t owner = 1;

	(void)state;
	assert_int_equal(mkdirat(store, "bob", 0700), 0);
	assert_false(disk_owner(stores, "bob", &owner));
	assert_false(disk_owner(stores, "nobody", &owner));
	assert_int_equal(mkdirat(store, "bob/disk", 0700), 0);
	assert_true(disk_owner(stores, "bob", &owner));
	assert_int_equal(owner, getuid());
}

static void test_use(void **state)
{
	static const char *const bad[] = { "", "7 3 5", "x\n", "7 3 5 6 \n" };
	struct disk_use u;

	(void)state;
	disk_use(&settings, &rec, &u);
	assert_null(u.way);
	assert_true(u.size == UINT64_MAX && u.used == UINT64_MAX && u.inodes_used == UINT64_MAX);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(plan.dir, "disk", bad[i], strlen(bad[i]));
		disk_use(&settings, &rec, &u);
		assert_null(u.way);
	}
	put(plan.dir, "disk", "7 3 67108864 14000 16384\n", 25);
	disk_use(&settings, &rec, &u);
	assert_string_equal(u.way, "image");
	assert_int_equal(u.device, 0x703);
	assert_true(u.size == 64 * MIB && u.blocks == 14000 && u.inodes == 16384);
	assert_true(u.used == UINT64_MAX);
	rec.state = RECORD_STOPPED;
	disk_use(&settings, &rec, &u);
	assert_null(u.way);
	/* The note goes with the workspace. */
	assert_int_equal(disk_down(&plan, &e), 0);
	rec.state = RECORD_RUNNING;
	disk_use(&settings, &rec, &u);
	assert_null(u.way);
	assert_int_equal(disk_forget(&settings, rec.id_base, &e), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_inodes),   T(test_device_code), T(test_unlimited),
		T(test_no_space), T(test_make),        T(test_files_that_are_there),
		T(test_owner),    T(test_use),         T(test_strange_images),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
