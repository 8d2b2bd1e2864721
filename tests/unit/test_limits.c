/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU lists against what is online, the list of groups, and the ends of a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits_cpu.h"
#include "limits_group.h"

static void good(const char *text, const char *online, unsigned int count, const char *list)
{
	struct limits_cpu c;
	struct err e = { 0 };

	assert_int_equal(limits_cpu_parse_against(text, online, &c, &e), 0);
	assert_int_equal(c.count, count);
	assert_string_equal(c.list, list);
}

static void bad(const char *text, const char *online, const char *why)
{
	struct limits_cpu c;
	struct err e = { 0 };

	assert_true(limits_cpu_parse_against(text, online, &c, &e) < 0);
	assert_non_null(strstr(e.text, why));
}

static void test_cpus_accepted(void **state)
{
	(void)state;
	good("", "0-1", 0, "");
	good("2", "0-1", 2, "");
	good("1", "5", 1, "");
	good("6", "0-2,8-10", 6, "");
	good("0-1", "0-1", 0, "0-1");
	good("40-55,152-167", "0-191", 0, "40-55,152-167");
	good("0,2", "0,2", 0, "0,2");
}

static void test_cpus_refused(void **state)
{
	(void)state;
	bad("7-7", "0-1", "7 is not online (online: 0-1)");
	bad("0,7", "0-1", "7 is not online");
	bad("0-7", "0-3,5-7", "4 is not online");
	bad("3", "0-1", "3 is more than there are (online: 0-1)");
	bad("0", "0-1", "'0'");
	bad("3-1", "0-7", "runs backwards");
	bad("1,", "0-7", "ends with a comma");
	bad(",1", "0-7", "not a list");
	bad("1,,2", "0-7", "not a list");
	bad("-1", "0-7", "''");
	bad("1-", "0-7", "''");
	bad("1-2-3", "0-7", "'2-3'");
	bad("a-b", "0-7", "'a'");
	bad("0-99999999999999999999", "0-7", "99999999999999999999");
	bad("auto:nic", "0-7", "'auto:nic'");
}

static void test_words(void **state)
{
	(void)state;
	assert_true(limits_cpu_word("cpuset cpu io memory\n", "cpu"));
	assert_true(limits_cpu_word("cpuset cpu io memory\n", "memory"));
	assert_false(limits_cpu_word("cpuset io memory\n", "cpu"));
	assert_false(limits_cpu_word("", "cpu"));
	assert_false(limits_cpu_word("memory_x\n", "memory"));
}

static void test_list_round_trip(void **state)
{
	struct limits_groups in = { .n = 2 }, out;
	char dir[] = "/tmp/sbgroups.XXXXXX", path[64];
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(limits_group_load(dir, &out, &e), -ENOENT);
	assert_int_equal(out.n, 0);
	strcpy(in.g[0].controller, "memory");
	strcpy(in.g[0].path, "/sys/fs/cgroup/memory/sshbay/alice");
	strcpy(in.g[1].controller, LIMITS_UNIFIED);
	strcpy(in.g[1].path, "/sys/fs/cgroup/unified/sshbay/alice");
	assert_int_equal(limits_group_save(dir, &in, &e), 0);
	assert_int_equal(limits_group_load(dir, &out, &e), 0);
	assert_int_equal(out.n, 2);
	assert_string_equal(limits_group_find(&out, LIMITS_UNIFIED)->path, in.g[1].path);
	assert_null(limits_group_find(&out, "pids"));
	snprintf(path, sizeof(path), "%s/groups", dir);
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "memory ../etc\n", 14), 14);
	close(fd);
	assert_int_equal(limits_group_load(dir, &out, &e), -EBADMSG);
	unlink(path);
	rmdir(dir);
}

static void test_missing_groups(void **state)
{
	struct limits_groups none = { .n = 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(limits_group_kill(&none, &e), 0);
	assert_int_equal(limits_group_remove("/tmp/sb-no-such-group", 10, &e), 0);
}

static void test_counter(void **state)
{
	char dir[] = "/tmp/sbcount.XXXXXX", path[64];
	unsigned long long v = 0;
	struct err e = { 0 };
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/memory.events", dir);
	f = fopen(path, "w");
	fputs("oom 3\noom_kill 7\noom_kill_disable x\n", f);
	fclose(f);
	assert_int_equal(limits_group_counter(dir, "memory.events", "oom_kill", &v, &e), 0);
	assert_int_equal(v, 7);
	assert_int_equal(limits_group_counter(dir, "memory.events", "oom_kil", &v, &e), -EBADMSG);
	assert_int_equal(limits_group_counter(dir, "memory.events", "oom_kill_disable", &v, &e),
			 -EBADMSG);
	assert_int_equal(limits_group_counter(dir, "nothing", "oom", &v, &e), -ENOENT);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpus_accepted),  cmocka_unit_test(test_cpus_refused),
		cmocka_unit_test(test_words),          cmocka_unit_test(test_list_round_trip),
		cmocka_unit_test(test_missing_groups), cmocka_unit_test(test_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
