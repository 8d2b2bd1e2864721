/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf.c: what the strict layer accepts, what it refuses and at which line, agreement with iniparser, and which files
 * it trusts.  The corpus of bad configurations is run by test_settings.c.
 */
#include "conf.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

/* The reading of iniparser, made to differ from ours on demand. */
static bool other_reading;
const char *iniparser_getstring(const void *d, const char *key, const char *def);
const char *iniparser_getstring(const void *d, const char *key, const char *def)
{
	static const char *(*real)(const void *, const char *, const char *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "iniparser_getstring");
	return other_reading ? "something else" : real(d, key, def);
}

struct seen {
	unsigned int n, line;
	char text[256];
};

static void on_problem(void *ctx, unsigned int line, const char *section, const char *key,
		       const char *reason)
{
	struct seen *s = ctx;

	s->n++;
	s->line = line;
	snprintf(s->text, sizeof(s->text), "[%s] %s: %s", section, key, reason);
}

static struct conf *accepted(const char *text, size_t len)
{
	struct seen s = { 0 };
	struct conf *c;
	int ret = conf_parse(text, len, &c, on_problem, &s);

	if (ret != 0 || s.n)
		fail_msg("refused (%d) at line %u: %s", ret, s.line, s.text);
	return c;
}

static void refused(const char *text, size_t len, unsigned int line, const char *word)
{
	struct seen s = { 0 };
	struct conf *c;

	assert_int_equal(conf_parse(text, len, &c, on_problem, &s), -EINVAL);
	assert_int_equal(s.n, 1);
	if (s.line != line || !strstr(s.text, word))
		fail_msg("line %u: %s", s.line, s.text);
	conf_free(c);
}

static void value_is(const struct conf *c, const char *section, const char *key, const char *value)
{
	const struct conf_entry *entry = conf_find(c, section, key);

	assert_non_null(entry);
	assert_string_equal(entry->value, value);
}

static void test_values(void **state)
{
	static const char text[] = "# comment with \xe2\x80\xa6 and \"quotes' and key = value\n"
				   "  [gate]  # of \xe2\x80\xa6 [x] = y\n"
				   "\tplain =  a b=c  \n"
				   "empty=\n"
				   "commented = x ; y # z\n"
				   "only_comment = ; y\n"
				   "hash = # y\n"
				   "double = \"a;b'c \" ; y\n"
				   "single = ' #\"x'\n"
				   "nothing = \"\"\n"
				   "nothing2 = '' # x\n"
				   "k2_3 =1\n"
				   "\n"
				   "[workspace a-b_c]\n"
				   "plain = other\n"
				   "[void]\t;\n"
				   "; end without newline";
	struct conf *c = accepted(text, sizeof(text) - 1);

	assert_int_equal(c->nentries, 11);
	assert_int_equal(c->nsections, 3);
	value_is(c, "gate", "plain", "a b=c");
	value_is(c, "gate", "empty", "");
	value_is(c, "gate", "commented", "x");
	value_is(c, "gate", "only_comment", "");
	value_is(c, "gate", "hash", "");
	value_is(c, "gate", "double", "a;b'c ");
	value_is(c, "gate", "single", " #\"x");
	value_is(c, "gate", "nothing", "");
	value_is(c, "gate", "nothing2", "");
	value_is(c, "gate", "k2_3", "1");
	value_is(c, "workspace a-b_c", "plain", "other");
	assert_int_equal(conf_find(c, "workspace a-b_c", "plain")->line, 15);
	assert_null(conf_find(c, "void", "plain"));
	conf_free(c);
}

static void test_empty(void **state)
{
	conf_free(accepted("", 0));
	conf_free(accepted("\n\n", 2));
	conf_free(accepted("# nothing", 9));
}

static void test_limits(void **state)
{
	char line[CONF_LINE_MAX + 32];
	char *text = malloc(CONF_BYTES_MAX + 2);
	size_t n = 0;
	int i;

	n = (size_t)snprintf(line, sizeof(line), "[a]\nk = ");
	memset(line + n, 'x', CONF_LINE_MAX - 4);
	conf_free(accepted(line, n + CONF_LINE_MAX - 4));
	memset(line + n, 'x', CONF_LINE_MAX - 3);
	refused(line, n + CONF_LINE_MAX - 3, 2, "line of 1001 bytes");

	assert_non_null(text);
	memset(text, '\n', CONF_BYTES_MAX + 1);
	conf_free(accepted(text, CONF_BYTES_MAX));
	refused(text, CONF_BYTES_MAX + 1, 0, "262145 bytes");

	n = (size_t)snprintf(text, CONF_BYTES_MAX, "[a]\n");
	for (i = 0; i < CONF_ENTRIES_MAX - 1; i++)
		n += (size_t)snprintf(text + n, CONF_BYTES_MAX - n, "k%d = %d\n", i, i);
	conf_free(accepted(text, n));
	n += (size_t)snprintf(text + n, CONF_BYTES_MAX - n, "last = 1\nlast2 = 2\n");
	refused(text, n, CONF_ENTRIES_MAX + 1, "more than 2048 keys");
	free(text);
}

static void test_control_characters(void **state)
{
	unsigned int c;

	for (c = 0; c < 256; c++) {
		char text[] = "[a]\nk = xYz\n", comment[] = "[a]\n# xYz\n";

		*strchr(text, 'Y') = (char)c;
		*strchr(comment, 'Y') = (char)c;
		if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f) {
			refused(text, sizeof(text) - 1, 2, "control character");
			refused(comment, sizeof(comment) - 1, 2, "control character");
		} else if (c >= 0x80) {
			refused(text, sizeof(text) - 1, 2, "not ASCII");
			conf_free(accepted(comment, sizeof(comment) - 1));
		}
	}
}

/* Keys below a header that was refused are not blamed for it, and lines after a bad one are still read. */
static void test_goes_on(void **state)
{
	static const char text[] = "[a] b\nk = 1\n[c]\nk = 1\nnonsense\nl = 2\nl = 3\n";
	struct seen s = { 0 };
	struct conf *c;

	assert_int_equal(conf_parse(text, sizeof(text) - 1, &c, on_problem, &s), -EINVAL);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.line, 7);
	assert_int_equal(c->problems, 3);
	assert_null(conf_find(c, "a", "k"));
	value_is(c, "c", "k", "1");
	value_is(c, "c", "l", "2");
	conf_free(c);
}

static void test_two_readings(void **state)
{
	static const char text[] = "[a]\n\nk = 1\n";

	other_reading = true;
	refused(text, sizeof(text) - 1, 3, "two ways");
	other_reading = false;
	conf_free(accepted(text, sizeof(text) - 1));
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/sshbay-conf-XXXXXX";
static char path[64];

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.ini", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void put(mode_t mode)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, "[a]\nk = 1\n", 10), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static void load_refused(const char *word)
{
	struct seen s = { 0 };
	struct conf *c;

	assert_int_equal(conf_load(path, &c, on_problem, &s), -EINVAL);
	assert_null(c);
	assert_int_equal(s.n, 1);
	if (!strstr(s.text, word))
		fail_msg("%s", s.text);
}

static void test_load(void **state)
{
	struct seen s = { 0 };
	struct conf *c;

	load_refused("No such file");
	put(0644);
	assert_int_equal(conf_load(path, &c, on_problem, &s), 0);
	value_is(c, "a", "k", "1");
	conf_free(c);
}

static void test_trust(void **state)
{
	put(0664);
	load_refused("writable by group or others");
	put(0646);
	load_refused("writable by group or others");
	put(0644);
	assert_int_equal(chmod(dir, 0777), 0);
	load_refused("its directory: writable by group or others");
	assert_int_equal(chmod(dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		load_refused("not owned by root");
	}
	unlink(path);
}

static void test_not_regular(void **state)
{
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	load_refused("not a regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	load_refused("not a regular file");
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),      cmocka_unit_test(test_empty),
		cmocka_unit_test(test_limits),      cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_goes_on),     cmocka_unit_test(test_two_readings),
		cmocka_unit_test(test_load),        cmocka_unit_test(test_trust),
		cmocka_unit_test(test_not_regular),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
