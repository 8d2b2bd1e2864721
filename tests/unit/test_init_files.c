/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding and making users, homes and the files of a start, in a temporary directory that stands for the root.  Runs
 * without root: the "new" user then has to own what it owns already, so ownership is only tested as root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "init/etc.h"
#include "init/setup.h"
#include "init/user.h"

static char dir[64];
static int root = -1;
static struct err e;

static void put(const char *name, const char *text)
{
	if (path_write_atomic(root, name, &(struct path_content){ text, strlen(text), 0644, false },
			      &e) < 0)
		fail_msg("%s", e.text);
}

static const char *get(const char *name)
{
	static char buf[8192];
	size_t n;

	return path_read(root, name, buf, sizeof(buf), &n, NULL) == 0 ? buf : "(none)";
}

static int make_root(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/sshbay-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(root, "etc", 0755);
	mkdirat(root, "run", 0755);
	put("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
	put("etc/group", "root:x:0:\nsudo:x:27:\n");
	e = (struct err){ 0 };
	return 0;
}

static int drop_root(void **state)
{
	auto_fd int tmp = -1;

	etc_sync();
	fd_close(&root);
	tmp = path_open_dir("/tmp", NULL);
	return path_remove_tree(tmp, dir + strlen("/tmp/"), NULL);
}

static void makes_a_user(void **state)
{
	struct account a;
	char before[4096];

	if (geteuid() != 0)
		skip();
	assert_int_equal(user_bind(root, "alice", true, &a, &e), 0);
	assert_int_equal(a.uid, 1000);
	assert_string_equal(a.shell, "/bin/sh");
	/* Without a shadow file the password field itself is the lock. */
	assert_string_equal(
		get("etc/passwd"),
		"root:x:0:0:root:/root:/bin/bash\nalice:*:1000:1000:,,,:/home/alice:/bin/sh\n");
	assert_string_equal(get("etc/sudoers.d/sshbay-alice"),
			    "alice ALL=(ALL:ALL) NOPASSWD: ALL\n");
	assert_string_equal(get("etc/shadow"), "(none)");
	assert_int_equal(a.ngroups, 2);
	assert_int_equal(a.groups[1], 27);
	strcpy(before, get("etc/group"));
	assert_int_equal(user_bind(root, "alice", true, &a, &e), 0);
	assert_string_equal(get("etc/group"), before);
	assert_int_equal(user_bind(root, "bob", false, &a, &e), 0);
	assert_int_equal(a.uid, 1001);
}

/* Each in a process of its own, as ws-init does it. */
static void logins_at_once(void **state)
{
	enum { LOGINS = 8, ROUNDS = 40 };
	pid_t pids[LOGINS];
	struct account a;

	if (geteuid() != 0)
		skip();
	for (int round = 0; round < ROUNDS; round++) {
		char name[16];

		snprintf(name, sizeof(name), "user%d", round);
		for (int i = 0; i < LOGINS; i++) {
			pids[i] = fork();
			if (pids[i] > 0)
				continue;
			if (user_bind(root, name, true, &a, &e) == 0)
				_exit(0);
			print_message("%s: %s\n", name, e.text);
			_exit(1);
		}
		for (int i = 0; i < LOGINS; i++) {
			int status = -1;

			waitpid(pids[i], &status, 0);
			assert_int_equal(status, 0);
		}
		assert_int_equal(user_bind(root, name, true, &a, &e), 0);
		assert_int_equal(a.uid, 1000 + round);
	}
}

/* Whatever an interrupted creation left is completed by the next login. */
static void completes_a_half_made_user(void **state)
{
	struct account a;
	struct stat st;

	if (geteuid() != 0)
		skip();
	put("etc/group", "root:x:0:\nsudo:x:27:\nalice:x:1000:\n");
	put("etc/shadow", "alice:*:1:0:99999:7:::\n");
	put("etc/.passwd.sshbay", "half");
	mkdirat(root, "home", 0755);
	mkdirat(root, "home/.sshbay-new-alice", 0700);
	assert_int_equal(user_bind(root, "alice", false, &a, &e), 0);
	assert_int_equal(a.gid, 1000);
	assert_string_equal(get("etc/group"), "root:x:0:\nsudo:x:27:\nalice:x:1000:\n");
	assert_string_equal(get("etc/shadow"), "alice:*:1:0:99999:7:::\n");
	assert_int_equal(fstatat(root, "home/alice", &st, 0), 0);
	assert_int_equal(st.st_uid, a.uid);
	assert_int_equal(fstatat(root, "home/.sshbay-new-alice", &st, 0), -1);
	assert_int_equal(fstatat(root, "etc/.passwd.sshbay", &st, 0), -1);
}

static void always_knows_root(void **state)
{
	struct account a;

	unlinkat(root, "etc/passwd", 0);
	assert_int_equal(user_bind(root, "root", true, &a, &e), 0);
	assert_string_equal(a.home, "/root");
	assert_int_equal(mkfifoat(root, "etc/passwd", 0600), 0);
	assert_int_equal(user_bind(root, "root", true, &a, &e), 0);
	assert_int_equal(a.uid, 0);
	assert_int_equal(user_bind(root, "alice", true, &a, &e), -EINVAL);
	assert_non_null(strstr(e.text, "not a regular file"));
}

static void leaves_no_trace_of_a_failure(void **state)
{
	struct account a;
	struct stat st;

	put("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
	mkdirat(root, "etc/.group.sshbay", 0755); /* the temporary name cannot be used */
	assert_true(user_bind(root, "alice", true, &a, &e) < 0);
	assert_non_null(strstr(e.text, "write '/etc/group'"));
	assert_null(strstr(get("etc/passwd"), "alice"));
	assert_int_equal(fstatat(root, "home/alice", &st, 0), -1);
}

static void setup_respects_files(void **state)
{
	struct init_setup s = { .hostname = "box", .resolv_conf = "nameserver 192.0.2.1\n" };
	char id[64];

	setup_files(root, &s);
	assert_string_equal(get("etc/resolv.conf"), "# sshbay\nnameserver 192.0.2.1\n");
	assert_string_equal(get("etc/hostname"), "box\n");
	strcpy(id, get("etc/machine-id"));
	assert_int_equal(strlen(id), 33);
	strcpy(s.resolv_conf, "# sshbay\nnameserver 192.0.2.2\n");
	setup_files(root, &s);
	assert_string_equal(get("etc/resolv.conf"), "# sshbay\nnameserver 192.0.2.2\n");
	assert_string_equal(get("etc/machine-id"), id);
	put("etc/resolv.conf", "# sshbayou\nnameserver 9.9.9.9\n");
	setup_files(root, &s);
	assert_string_equal(get("etc/resolv.conf"), "# sshbayou\nnameserver 9.9.9.9\n");
	put("etc/resolv.conf", "");
	setup_files(root, &s);
	assert_string_equal(get("etc/resolv.conf"), "# sshbay\nnameserver 192.0.2.2\n");
	unlinkat(root, "etc/resolv.conf", 0);
	assert_int_equal(
		symlinkat("../run/systemd/resolve/stub-resolv.conf", root, "etc/resolv.conf"), 0);
	setup_files(root, &s);
	assert_string_equal(get("etc/resolv.conf"), "# sshbay\nnameserver 192.0.2.2\n");
	unlinkat(root, "etc/resolv.conf", 0);
	put("run/own", "mine\n");
	assert_int_equal(symlinkat("../run/own", root, "etc/resolv.conf"), 0);
	s.resolv_conf[0] = '\0';
	setup_files(root, &s);
	strcpy(s.resolv_conf, "nameserver 192.0.2.2\n");
	setup_files(root, &s);
	assert_string_equal(get("run/own"), "mine\n");
	assert_string_equal(get("etc/resolv.conf"), "(none)"); /* still a link */
	put("etc/machine-id", "uninitialized\n");
	setup_files(root, &s);
	assert_int_equal(strlen(get("etc/machine-id")), 33);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(makes_a_user, make_root, drop_root),
		cmocka_unit_test_setup_teardown(logins_at_once, make_root, drop_root),
		cmocka_unit_test_setup_teardown(completes_a_half_made_user, make_root, drop_root),
		cmocka_unit_test_setup_teardown(always_knows_root, make_root, drop_root),
		cmocka_unit_test_setup_teardown(leaves_no_trace_of_a_failure, make_root, drop_root),
		cmocka_unit_test_setup_teardown(setup_respects_files, make_root, drop_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
