/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The note of what a workspace was given: after starts that failed, or were killed, at any point, nothing is forgotten. */
#include "given_left.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

static struct record rec = { .name = "alice" };
static struct plan p;
static char dir[PATH_MAX], root[PATH_MAX];
static struct err e;

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	memset(&p, 0, sizeof(p));
	str_format(dir, sizeof(dir), "%s/sshbay-left.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	str_format(root, sizeof(root), "%s/root", dir);
	assert_int_equal(mkdir(root, 0755), 0);
	str_format(p.store, sizeof(p.store), "%s", dir);
	p.rec = &rec;
	p.rootfd = path_open_dir(root, &e);
	assert_true(p.rootfd >= 0);
	return 0;
}

static int teardown(void **state)
{
	auto_fd int up = -1;

	fd_close(&p.rootfd);
	free(p.given);
	str_format(root, sizeof(root), "%s", dir);
	up = open(dirname(root), O_PATH | O_DIRECTORY | O_CLOEXEC);
	return path_remove_tree(up, strrchr(dir, '/') + 1, &e);
}

/* What the plan's steps give now: one library, and its link. */
static void give(const char *version)
{
	char path[GIVEN_PATH_MAX];

	free(p.given);
	p.given = NULL;
	if (!version)
		return;
	str_format(path, sizeof(path), "/lib.so.%s", version);
	assert_int_equal(given_add_mount(&p, "/etc/hostname", path, &e), 0);
	assert_int_equal(given_add_link(&p, path + 1, "/lib.so", &e), 0);
}

static const char *inside(const char *name)
{
	static char path[2 * PATH_MAX];

	str_format(path, sizeof(path), "%s/%s", root, name);
	return path;
}

/* As given_enter.c does it. */
static void place(void)
{
	const struct given_link *l = p.given->links;
	int fd = open(inside(p.given->mounts[0].path), O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	fd_close(&fd);
	assert_true(symlink(l->target, inside(l->path)) == 0 || errno == EEXIST);
}

/* A start up to its end: the point at which it fails. */
enum point { STAGED, REMOVED, PLACED, COMPLETE };

static void start(const char *version, enum point end)
{
	auto_free char *old = NULL;

	give(version);
	assert_int_equal(given_left_note(&p, &old, &e), 0);
	if (end >= REMOVED)
		given_left_remove(&p, old);
	if (end >= PLACED && p.given)
		place();
	if (end == COMPLETE)
		assert_int_equal(given_left_settle(&p, &e), 0);
}

static bool there(const char *name)
{
	struct stat st;

	return lstat(inside(name), &st) == 0;
}

static const char *note(void)
{
	static char text[65536];
	char path[PATH_MAX + 8];
	size_t len;

	str_format(path, sizeof(path), "%s/given", dir);
	return path_read(AT_FDCWD, path, text, sizeof(text), &len, NULL) == 0 ? text : "";
}

static void an_upgrade_removes_what_was_before(void **state)
{
	start("1", COMPLETE);
	assert_true(there("lib.so.1"));
	assert_string_equal(note(), "file /lib.so.1\nlink /lib.so\nto lib.so.1\n");
	start("2", COMPLETE);
	assert_false(there("lib.so.1"));
	assert_true(there("lib.so.2"));
	assert_string_equal(note(), "file /lib.so.2\nlink /lib.so\nto lib.so.2\n");
	start(NULL, COMPLETE);
	assert_false(there("lib.so.2"));
	assert_false(there("lib.so"));
	assert_string_equal(note(), "");
}

static void a_start_that_fails_forgets_nothing(void **state)
{
	for (enum point end = STAGED; end < COMPLETE; end++) {
		start("1", COMPLETE);
		start("2", end);
		start("3", end);
		start(NULL, end);
		start("4", COMPLETE);
		for (const char *const *n =
			     (const char *const[]){ "lib.so.1", "lib.so.2", "lib.so.3", NULL };
		     *n; n++)
			assert_false(there(*n));
		assert_true(there("lib.so.4"));
		assert_string_equal(note(), "file /lib.so.4\nlink /lib.so\nto lib.so.4\n");
		start(NULL, COMPLETE);
		assert_string_equal(note(), "");
	}
}

static void what_is_the_tenants_stays(void **state)
{
	int fd;

	start("1", COMPLETE);
	fd = open(inside("lib.so.1"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	fd_close(&fd);
	assert_int_equal(unlink(inside("lib.so")), 0);
	assert_int_equal(symlink("/etc/passwd", inside("lib.so")), 0);
	start(NULL, COMPLETE);
	assert_true(there("lib.so.1"));
	assert_true(there("lib.so"));
}

static void the_same_again_writes_nothing(void **state)
{
	struct stat before, after;
	char path[PATH_MAX + 8];

	start("1", COMPLETE);
	str_format(path, sizeof(path), "%s/given", dir);
	assert_int_equal(stat(path, &before), 0);
	start("1", COMPLETE);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(there("lib.so.1"));
}

/* Starts that fail for ever, each time with another driver: the note has a bound, and says so. */
static void too_much_is_refused(void **state)
{
	char path[GIVEN_PATH_MAX], *old = NULL;
	int r = 0;

	for (unsigned int i = 0; i < 16 && r == 0; i++) {
		give(NULL);
		for (unsigned int k = 0; k < GIVEN_MOUNTS_MAX; k++) {
			(void)snprintf(path, sizeof(path), "/%u-%u-%0240u", i, k, 0U);
			assert_int_equal(given_add_mount(&p, "/etc/hostname", path, &e), 0);
		}
		r = given_left_note(&p, &old, &e);
		free(old);
		old = NULL;
	}
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(e.text, "note what 'alice' is given: starts that failed have left"));
}

static void a_note_that_cannot_be_read_is_no_empty_one(void **state)
{
	char path[PATH_MAX + 8], *old = NULL;

	str_format(path, sizeof(path), "%s/given", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	give("1");
	assert_true(given_left_note(&p, &old, &e) < 0);
	assert_null(old);
	assert_non_null(strstr(e.text, "note what 'alice' is given"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_upgrade_removes_what_was_before),
		T(a_start_that_fails_forgets_nothing),
		T(what_is_the_tenants_stays),
		T(the_same_again_writes_nothing),
		T(too_much_is_refused),
		T(a_note_that_cannot_be_read_is_no_empty_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
