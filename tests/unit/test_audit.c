/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * audit.c: one valid JSON line per event whatever the values are (THREATS S29, D42), the limits of a line, and a log that
 * cannot be written, was removed, or ends in a torn line.
 */
#include "audit.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"

static char dir[] = "/tmp/sshbay-audit-XXXXXX";
static char file[64];
static char heard[8192];

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/audit.log", dir);
	return 0;
}

static int clean(void **state)
{
	audit_subscribe(NULL, NULL);
	(void)audit_open("", NULL);
	unlink(file);
	return 0;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

static size_t slurp(char *buf, size_t cap)
{
	size_t n = 0;

	assert_int_equal(path_read(AT_FDCWD, file, buf, cap, &n, NULL), 0);
	return n;
}

/* The n-th line (from 0) as an object. It must be one line of printable ASCII. */
static struct json_object *line_at(unsigned int n)
{
	static char buf[262144];
	char *p, *line = buf, *rest;
	struct json_object *o;

	slurp(buf, sizeof(buf));
	for (line = strtok_r(buf, "\n", &rest); line && n; n--)
		line = strtok_r(NULL, "\n", &rest);
	assert_non_null(line);
	assert_true(strlen(line) < 4096);
	for (p = line; *p; p++)
		assert_true(*p >= ' ' && *p <= '~');
	o = json_tokener_parse(line);
	if (!o)
		fail_msg("no JSON: %s", line);
	return o;
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, key, &v));
	return json_object_get_string(v);
}

static int64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, key, &v));
	assert_int_equal(json_object_get_type(v), json_type_int);
	return json_object_get_int64(v);
}

static void test_fields(void **state)
{
	const struct audit_field fields[] = { AUDIT_TEXT("user", "alice"),
					      AUDIT_NUM("sport", 50022) };
	struct json_object *first, *second;
	struct stat st;

	assert_int_equal(audit_open(file, NULL), 0);
	audit_write("auth.ok", fields, 2);
	audit_write("conn.close", NULL, 0);
	first = line_at(0);
	second = line_at(1);
	assert_string_equal(text_of(first, "ev"), "auth.ok");
	assert_string_equal(text_of(first, "user"), "alice");
	assert_int_equal(number_of(first, "sport"), 50022);
	assert_int_equal(number_of(first, "pid"), getpid());
	assert_int_equal(strlen(text_of(first, "boot_id")), 36);
	assert_int_equal(strlen(text_of(first, "ts")), strlen("2026-01-31T10:02:03.000000000Z"));
	assert_int_equal(number_of(second, "seq"), number_of(first, "seq") + 1);
	assert_true(number_of(second, "mono") >= number_of(first, "mono"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
	json_object_put(first);
	json_object_put(second);
}

static void test_injection(void **state)
{
	static const char *const hostile[] = {
		"alice\nforged",
		"a\",\"result\":\"ok",
		"a\\",
		"a\\\"",
		"\x1b]0;title\x07\x1b[2J",
		"\xe2\x80\xae"
		"evil",
		"\xff\xfe\x80",
		"\x7f\x01\r\n",
		"}\n{\"ev\":\"auth.ok\"}",
		"",
		"%s%n%999999d",
	};
	unsigned int i, n = sizeof(hostile) / sizeof(hostile[0]);

	assert_int_equal(audit_open(file, NULL), 0);
	for (i = 0; i < n; i++) {
		const struct audit_field fields[] = { AUDIT_TEXT("user", hostile[i]),
						      AUDIT_TEXT("result", "refused") };

		audit_write("auth.fail", fields, 2);
	}
	for (i = 0; i < n; i++) {
		struct json_object *o = line_at(i);
		char want[1024];
		const char *p;

		want[0] = '\0';
		for (p = hostile[i]; *p; p++)
			snprintf(want + strlen(want), 8,
				 *p >= ' ' && *p <= '~' && *p != '\\' ? "%c" : "\\x%02x",
				 (unsigned char)*p);
		assert_string_equal(text_of(o, "user"), want);
		assert_string_equal(text_of(o, "result"), "refused");
		json_object_put(o);
	}
}

static void test_limits(void **state)
{
	char *big = malloc(200001), *quotes = malloc(300);
	struct audit_field many[40];
	struct json_object *o;
	unsigned int i;

	memset(big, 'x', 200000);
	big[200000] = '\0';
	memset(quotes, '"', 299);
	quotes[299] = '\0';
	assert_int_equal(audit_open(file, NULL), 0);
	many[0] = (struct audit_field)AUDIT_TEXT("user", big);
	many[1] = (struct audit_field)AUDIT_TEXT("reason", big);
	audit_write("auth.fail", many, 2);
	o = line_at(0);
	assert_int_equal(strlen(text_of(o, "user")), 64);
	assert_int_equal(strlen(text_of(o, "reason")), 256);
	json_object_put(o);
	for (i = 0; i < 40; i++)
		many[i] = (struct audit_field)AUDIT_TEXT("field", quotes);
	many[39] = (struct audit_field)AUDIT_NUM("last", 1);
	audit_write("auth.fail", many, 40);
	o = line_at(1);
	assert_string_equal(text_of(o, "cut"), "true");
	assert_int_equal(strlen(text_of(o, "field")), 256);
	assert_false(json_object_object_get_ex(o, "last", NULL));
	json_object_put(o);
	free(big);
	free(quotes);
}

static void hear(void *ctx, const char *line)
{
	assert_ptr_equal(ctx, heard);
	snprintf(heard, sizeof(heard), "%s", line);
}

static void test_subscriber(void **state)
{
	struct json_object *o;

	assert_int_equal(audit_open("", NULL), 0);
	audit_subscribe(hear, heard);
	audit_write("ws.start", NULL, 0);
	assert_null(strchr(heard, '\n'));
	o = json_tokener_parse(heard);
	assert_non_null(o);
	assert_string_equal(text_of(o, "ev"), "ws.start");
	json_object_put(o);
	heard[0] = '\0';
	audit_subscribe(NULL, NULL);
	audit_write("ws.stop", NULL, 0);
	assert_string_equal(heard, "");
}

static void test_open_errors(void **state)
{
	char path[96];
	struct err e;

	snprintf(path, sizeof(path), "%s/none/audit.log", dir);
	assert_int_equal(audit_open(path, &e), -ENOENT);
	assert_non_null(strstr(e.text, "open audit log '"));
	assert_int_equal(symlink("/etc/passwd", file), 0);
	assert_int_equal(audit_open(file, &e), -ELOOP);
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_int_equal(audit_open(file, &e), -EINVAL);
	unlink(file);
	/* The log that was there stays in use. */
	assert_int_equal(audit_open(file, NULL), 0);
	assert_int_equal(audit_open(path, &e), -ENOENT);
	audit_write("conf.reject", NULL, 0);
	json_object_put(line_at(0));
}

static void test_removed_and_rotated(void **state)
{
	char old[96];

	assert_int_equal(audit_open(file, NULL), 0);
	audit_write("a", NULL, 0);
	unlink(file);
	audit_write("b", NULL, 0);
	json_object_put(line_at(0));
	snprintf(old, sizeof(old), "%s.1", file);
	assert_int_equal(rename(file, old), 0);
	assert_int_equal(audit_open(file, NULL), 0);
	audit_write("c", NULL, 0);
	json_object_put(line_at(0));
	unlink(old);
}

/* A full disk: the error is reported once, the service goes on, and the line after it stands on its own. */
static void test_full_disk(void **state)
{
	char report[4096] = "";
	struct rlimit old, small;
	struct json_object *o;
	struct stat st;
	int sv[2];
	ssize_t n;

	assert_int_equal(pipe(sv), 0);
	log_to_fd(sv[1]);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(audit_open(file, NULL), 0);
	audit_write("first", NULL, 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = (rlim_t)st.st_size + 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	audit_write("lost", NULL, 0);
	audit_write("lost", NULL, 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	audit_write("again", NULL, 0);
	log_to_fd(2);
	close(sv[1]);
	n = read(sv[0], report, sizeof(report) - 1);
	close(sv[0]);
	assert_true(n > 0);
	assert_non_null(strstr(report, "write audit log"));
	assert_null(strstr(strstr(report, "write audit log") + 1, "write audit log"));
	assert_non_null(strstr(report, "can be written again"));
	/* Line 1 is the torn one. */
	o = line_at(2);
	assert_string_equal(text_of(o, "ev"), "again");
	json_object_put(o);
}

static void test_torn_end(void **state)
{
	assert_int_equal(path_write_atomic(AT_FDCWD, file,
					   &(struct path_content){ "{\"ev\":", 6, 0640, false },
					   NULL),
			 0);
	assert_int_equal(audit_open(file, NULL), 0);
	audit_write("after", NULL, 0);
	json_object_put(line_at(1));
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clean)
	const struct CMUnitTest tests[] = {
		T(test_fields),     T(test_injection),   T(test_limits),
		T(test_subscriber), T(test_open_errors), T(test_removed_and_rotated),
		T(test_full_disk),  T(test_torn_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
