/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.c: round trips, and every kind of damage: flipped bytes, any truncation, zeroed files, swapped and missing
 * generations.  Whatever happens, what is loaded is a generation that was once saved, whole, and nothing is deleted.
 */
#include "record.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"

static char dir[] = "/tmp/sshbay-record-XXXXXX";
static int dirfd_ = -1;

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0 ? -1 : 0;
}

static int clean(void **state)
{
	struct dirent *d;
	auto_dir DIR *list = opendir(dir);

	while (list && (d = readdir(list))) {
		if (d->d_name[0] != '.' || d->d_name[1] != '.')
			unlinkat(dirfd_, d->d_name, 0);
	}
	return 0;
}

static int teardown(void **state)
{
	clean(state);
	fd_close(&dirfd_);
	return rmdir(dir);
}

static struct record sample(const char *name)
{
	struct record r = { .state = RECORD_RUNNING,
			    .slot = 7,
			    .id_base = UINT64_C(1000000) + 7 * 262144,
			    .id_count = 262144,
			    .created = 1700000000,
			    .started = 1700000001,
			    .init_pid = 4242,
			    .init_start = UINT64_MAX,
			    .ns_user = 4026531837,
			    .ns_net = 4026531840,
			    .ns_mnt = 4026531841,
			    .gpus = "GPU-5f3a0000-0000-0000-0000-000000000000,0000:41:00.0",
			    .rdma = "mlx5_0",
			    .cpus = "40-55,152-167",
			    .vfio = "0000:29:00.1",
			    .nic = { .name = "enp41s0f0",
				     .id = "pci:0000:29:00.0",
				     .asked = "auto",
				     .speed = 25000,
				     .driver = "mlx5_core",
				     .firmware = "16.35.1012 (MT_0000000008)",
				     .mac = { 2, 0, 0xab, 0, 0, 0xff },
				     .mtu = 9000,
				     .flags = 0x1003,
				     .ifindex = 12 } };

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.step, sizeof(r.step), "rootfs");
	snprintf(r.image, sizeof(r.image), "bookworm");
	snprintf(r.boot_id, sizeof(r.boot_id), "01234567-89ab-cdef-0123-456789abcdef");
	snprintf(r.note, sizeof(r.note), "move 'a' to \"b\": \\ ; # \x1b[2J \xff failed");
	assert_int_equal(ip_parse("172.31.199.3", &r.control_ip, NULL), 0);
	assert_int_equal(ip_parse("fd00::3", &r.control_ip6, NULL), 0);
	return r;
}

static void save(struct record *r)
{
	struct err e = { 0 };

	if (record_save(dirfd_, r, &e) != 0)
		fail_msg("%s", e.text);
}

static int load(const char *name, struct record *r, int *fell_back)
{
	struct err e = { 0 };
	int ret = record_load(dirfd_, name, r, fell_back, &e);

	assert_true((ret == 0) == (e.code == 0 || *fell_back));
	if (ret < 0)
		assert_non_null(strstr(e.text, *name ? name : "record"));
	return ret;
}

static size_t slurp(const char *file, char *buf, size_t cap)
{
	size_t n = 0;

	assert_int_equal(path_read(dirfd_, file, buf, cap, &n, NULL), 0);
	return n;
}

static void put(const char *file, const char *buf, size_t n)
{
	assert_int_equal(path_write_atomic(dirfd_, file,
					   &(struct path_content){ buf, n, 0600, false }, NULL),
			 0);
}

static void test_round_trip(void **state)
{
	struct record r = sample("alice"), got;
	struct stat st;
	int fell_back;

	save(&r);
	assert_int_equal(r.generation, 1);
	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_int_equal(fell_back, 0);
	assert_memory_equal(&r, &got, sizeof(r));
	assert_int_equal(fstatat(dirfd_, "alice.ini", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_every_state(void **state)
{
	struct record r = sample("alice"), got;
	int fell_back, i;

	for (i = 0; i < RECORD_NSTATES; i++) {
		r.state = (enum record_state)i;
		save(&r);
		assert_int_equal(load("alice", &got, &fell_back), 0);
		assert_int_equal(got.state, i);
		assert_string_not_equal(record_state_text(got.state), "unknown");
	}
	assert_string_equal(record_state_text(RECORD_NSTATES), "unknown");
}

static void test_empty_fields(void **state)
{
	struct record r = { .generation = 0 }, got;
	int fell_back;

	snprintf(r.name, sizeof(r.name), "x");
	save(&r);
	assert_int_equal(load("x", &got, &fell_back), 0);
	assert_memory_equal(&r, &got, sizeof(r));
}

/* A note full of bytes that need escapes is cut, not refused. */
static void test_long_note(void **state)
{
	struct record r = sample("alice"), got;
	int fell_back;

	memset(r.note, '\n', sizeof(r.note) - 1);
	save(&r);
	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_true(strlen(got.note) > 200);
	assert_memory_equal(got.note, r.note, strlen(got.note));
	memset(r.note, 'x', sizeof(r.note) - 1);
	save(&r);
	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_string_equal(got.note, r.note);
}

static void test_none(void **state)
{
	struct record r;
	int fell_back;

	assert_int_equal(load("nobody", &r, &fell_back), -ENOENT);
	assert_int_equal(load("../passwd", &r, &fell_back), -EINVAL);
	assert_int_equal(load("", &r, &fell_back), -EINVAL);
	snprintf(r.name, sizeof(r.name), "../x");
	assert_int_equal(record_save(dirfd_, &r, NULL), -EINVAL);
	assert_int_equal(record_remove(dirfd_, "a/b", NULL), -EINVAL);
}

/* Two generations; `file` holds the newer one. */
static size_t two(struct record *first, struct record *second, char *buf, size_t cap)
{
	*first = sample("alice");
	save(first);
	*second = *first;
	second->state = RECORD_STOPPED;
	save(second);
	return slurp("alice.ini", buf, cap);
}

static void falls_back(const struct record *first)
{
	struct record got;
	int fell_back = 0;

	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_int_equal(fell_back, 1);
	assert_memory_equal(&got, first, sizeof(got));
}

static void test_flips(void **state)
{
	struct record first, second;
	char buf[8192];
	size_t n = two(&first, &second, buf, sizeof(buf)), i;
	unsigned int bit;

	/* Every byte once, with a bit that walks; and 256 random ones on top. */
	srandom(1);
	for (i = 0; i < n + 256; i++) {
		size_t at = i < n ? i : (size_t)random() % n;
		char kept = buf[at];

		bit = i < n ? i % 8 : (unsigned int)random() % 8;
		buf[at] = (char)(buf[at] ^ (1 << bit));
		put("alice.ini", buf, n);
		falls_back(&first);
		buf[at] = kept;
	}
}

static void test_truncations(void **state)
{
	struct record first, second;
	char buf[8192];
	size_t n = two(&first, &second, buf, sizeof(buf)), i;

	for (i = 0; i < n; i++) {
		put("alice.ini", buf, i);
		falls_back(&first);
	}
	buf[n] = '\n';
	put("alice.ini", buf, n + 1);
	falls_back(&first);
}

static void test_zero_filled(void **state)
{
	struct record first, second;
	char buf[8192];
	size_t n = two(&first, &second, buf, sizeof(buf));

	memset(buf, 0, sizeof(buf));
	put("alice.ini", buf, n);
	falls_back(&first);
	put("alice.ini", buf, sizeof(buf));
	falls_back(&first);
}

static void test_missing_current(void **state)
{
	struct record first, second;
	char buf[8192];

	two(&first, &second, buf, sizeof(buf));
	assert_int_equal(unlinkat(dirfd_, "alice.ini", 0), 0);
	falls_back(&first);
}

static void test_swapped(void **state)
{
	struct record first, second, got;
	char buf[8192];
	int fell_back;

	two(&first, &second, buf, sizeof(buf));
	assert_int_equal(renameat(dirfd_, "alice.ini", dirfd_, "t"), 0);
	assert_int_equal(renameat(dirfd_, "alice.ini.prev", dirfd_, "alice.ini"), 0);
	assert_int_equal(renameat(dirfd_, "t", dirfd_, "alice.ini.prev"), 0);
	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_memory_equal(&got, &second, sizeof(got));
}

static void test_both_damaged(void **state)
{
	struct record first, second, got;
	char buf[8192], again[8192];
	size_t n = two(&first, &second, buf, sizeof(buf));
	int fell_back;

	buf[n / 2] ^= 1;
	put("alice.ini", buf, n);
	put("alice.ini.prev", buf, n - 1);
	assert_int_equal(load("alice", &got, &fell_back), -EUCLEAN);
	assert_int_equal(fell_back, 0);
	assert_int_equal(slurp("alice.ini", again, sizeof(again)), n);
	assert_memory_equal(buf, again, n);
	assert_int_equal(slurp("alice.ini.prev", again, sizeof(again)), n - 1);
	unlinkat(dirfd_, "alice.ini.prev", 0);
	assert_int_equal(load("alice", &got, &fell_back), -EUCLEAN);
}

/* A whole file in the wrong place, or of another format, is not taken. */
static void test_foreign(void **state)
{
	struct record r = sample("alice"), got;
	char buf[8192];
	size_t n;
	int fell_back;

	save(&r);
	n = slurp("alice.ini", buf, sizeof(buf));
	put("bob.ini", buf, n);
	assert_int_equal(load("bob", &got, &fell_back), -EUCLEAN);
	unlinkat(dirfd_, "bob.ini", 0);
	assert_int_equal(mkdirat(dirfd_, "bob.ini", 0700), 0);
	assert_int_equal(load("bob", &got, &fell_back), -EUCLEAN);
	assert_int_equal(unlinkat(dirfd_, "bob.ini", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("alice.ini", dirfd_, "bob.ini"), 0);
	assert_int_equal(load("bob", &got, &fell_back), -EUCLEAN);
}

/* Saving over a damaged generation keeps the good one and the damaged one. */
static void test_save_over_damage(void **state)
{
	struct record first, second, got;
	char buf[8192];
	size_t n = two(&first, &second, buf, sizeof(buf));
	int fell_back;

	put("alice.ini", buf, n - 1);
	got = first;
	save(&got);
	assert_int_equal(got.generation, 2);
	assert_int_equal(slurp("alice.ini.damaged", buf, sizeof(buf)), n - 1);
	unlinkat(dirfd_, "alice.ini", 0);
	falls_back(&first);
	/* A record that starts anew goes on from what is on disk. */
	second = sample("alice");
	save(&second);
	assert_int_equal(second.generation, 2);
	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_int_equal(fell_back, 0);
}

/* The states between the steps of a save: each leaves one generation that loads. */
static void test_interrupted_save(void **state)
{
	struct record first, second, got;
	char buf[8192];
	int fell_back;

	two(&first, &second, buf, sizeof(buf));
	/* After the link, before the rename. */
	assert_int_equal(linkat(dirfd_, "alice.ini", dirfd_, ".alice.ini.prev.new", 0), 0);
	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_int_equal(got.generation, 2);
	/* After the rename, before the new text. */
	assert_int_equal(renameat(dirfd_, ".alice.ini.prev.new", dirfd_, "alice.ini.prev"), 0);
	put(".alice.ini.new", buf, 10);
	assert_int_equal(load("alice", &got, &fell_back), 0);
	assert_int_equal(fell_back, 0);
	save(&got);
	assert_int_equal(got.generation, 3);
	assert_int_equal(faccessat(dirfd_, ".alice.ini.new", F_OK, 0), -1);
	assert_int_equal(faccessat(dirfd_, ".alice.ini.prev.new", F_OK, 0), -1);
	unlinkat(dirfd_, "alice.ini", 0);
	falls_back(&second);
}

static int count_name(void *ctx, const char *name)
{
	char *all = ctx;

	strcat(all, name);
	strcat(all, " ");
	return 0;
}

static int stop_there(void *ctx, const char *name)
{
	++*(int *)ctx;
	return -EINTR;
}

static void test_each_and_remove(void **state)
{
	struct record r = sample("alice"), b = sample("bob"), c = sample("carol");
	char all[256] = "";
	int fell_back, calls = 0;

	save(&r);
	save(&r);
	save(&b);
	save(&b);
	save(&c);
	unlinkat(dirfd_, "bob.ini", 0);
	put("Upper.ini", "x", 1);
	put("note.txt", "x", 1);
	put("dave.ini.damaged", "x", 1);
	assert_int_equal(record_each(dirfd_, count_name, all, NULL), 0);
	assert_int_equal(strlen(all), strlen("alice bob carol "));
	assert_true(strstr(all, "alice ") && strstr(all, "bob ") && strstr(all, "carol "));
	assert_int_equal(record_each(dirfd_, stop_there, &calls, NULL), -EINTR);
	assert_int_equal(calls, 1);
	assert_int_equal(record_remove(dirfd_, "alice", NULL), 0);
	assert_int_equal(record_remove(dirfd_, "alice", NULL), 0);
	assert_int_equal(load("alice", &r, &fell_back), -ENOENT);
	assert_int_equal(load("bob", &r, &fell_back), 0);
	assert_int_equal(record_each(-1, count_name, all, NULL), -EBADF);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean)
	const struct CMUnitTest tests[] = {
		T(test_round_trip),
		T(test_every_state),
		T(test_empty_fields),
		T(test_long_note),
		T(test_none),
		T(test_flips),
		T(test_truncations),
		T(test_zero_filled),
		T(test_missing_current),
		T(test_swapped),
		T(test_both_damaged),
		T(test_foreign),
		T(test_save_over_damage),
		T(test_interrupted_save),
		T(test_each_and_remove),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
