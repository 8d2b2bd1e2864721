/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host_user.c: what is in /etc/passwd, and a directory service that knows more, dies, or never answers. */
#include "host_user.h"

#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clk.h"

/* In place of the C library's: the services of this host. */
struct passwd *getpwnam(const char *name)
{
	static struct passwd far = { .pw_uid = 4711, .pw_gid = 4712 };

	if (strcmp(name, "far-away") == 0)
		return &far;
	if (strcmp(name, "hangs") == 0)
		for (;;)
			pause();
	if (strcmp(name, "dies") == 0)
		(void)raise(SIGKILL);
	return NULL;
}

static void in_the_file(void **state)
{
	uint32_t uid = 1, gid = 1;

	assert_int_equal(host_user_find("root", &uid, &gid, NULL), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 0);
	/* Debian's base-passwd, on every host. */
	assert_int_equal(host_user_find("man", &uid, &gid, NULL), 0);
	assert_int_equal(uid, 6);
	assert_int_equal(gid, 12);
	assert_int_equal(host_user_find("6", &uid, &gid, NULL), 0);
	assert_int_equal(gid, 12);
	assert_int_equal(host_user_find("61234567", &uid, &gid, NULL), 0);
	assert_int_equal(uid, 61234567);
	assert_int_equal(gid, 61234567);
}

static void in_a_service(void **state)
{
	uint32_t uid = 1, gid = 1;
	struct err e = { 0 };

	assert_int_equal(host_user_find("far-away", &uid, &gid, NULL), 0);
	assert_int_equal(uid, 4711);
	assert_int_equal(gid, 4712);
	assert_int_equal(host_user_find("no-such-user-xyz", &uid, &gid, &e), -ENOENT);
	assert_string_equal(e.text, "there is no user 'no-such-user-xyz'");
	assert_int_equal(host_user_find("dies", &uid, &gid, &e), -ECHILD);
	assert_int_equal(uid, 4711);
}

static void a_service_that_does_not_answer(void **state)
{
	uint64_t start = clk_now_us();
	uint32_t uid = 1, gid = 1;
	struct err e = { 0 };

	assert_int_equal(host_user_find("hangs", &uid, &gid, &e), -ETIMEDOUT);
	assert_true(clk_now_us() - start >= 1900000);
	assert_non_null(strstr(e.text, "does not answer"));
	/* No process is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_file),
		cmocka_unit_test(in_a_service),
		cmocka_unit_test(a_service_that_does_not_answer),
	};

	alarm(60);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("host_user", tests, NULL, NULL);
}
