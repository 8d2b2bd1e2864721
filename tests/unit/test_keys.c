/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keys.c: which lines of an authorized_keys file list a key, with keys that ssh-keygen makes here; which files and
 * directories are trusted.
 */
#include "keys.h"

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

#include "auth.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define NTYPES 5
static const struct {
	const char *arg, *type;
} kinds[NTYPES] = {
	{ "-t ed25519", "ssh-ed25519" },
	{ "-t ecdsa -b 256", "ecdsa-sha2-nistp256" },
	{ "-t ecdsa -b 384", "ecdsa-sha2-nistp384" },
	{ "-t ecdsa -b 521", "ecdsa-sha2-nistp521" },
	{ "-t rsa -b 2048", "ssh-rsa" },
};
static char dir[] = "/tmp/sshbay-keys-XXXXXX";
static char lines[NTYPES][2048]; /* "TYPE BASE64 comment" */
static uint8_t blobs[NTYPES][1024];
static size_t lens[NTYPES];
static char pattern[64], alice[64];

static size_t decode(const char *b64, uint8_t *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned int bits = 0, have = 0;
	size_t n = 0;

	for (; *b64 && *b64 != '='; b64++) {
		bits = bits << 6 | (unsigned int)(strchr(digits, *b64) - digits);
		have += 6;
		if (have >= 8)
			out[n++] = (uint8_t)(bits >> (have -= 8));
	}
	return n;
}

static int setup(void **state)
{
	char cmd[256], path[128], b64[2048];
	int i;

	if (!mkdtemp(dir))
		return -1;
	snprintf(pattern, sizeof(pattern), "%s/keys/%%u", dir);
	snprintf(alice, sizeof(alice), "%s/keys/alice", dir);
	snprintf(path, sizeof(path), "%s/keys", dir);
	if (mkdir(path, 0755) < 0)
		return -1;
	for (i = 0; i < NTYPES; i++) {
		size_t n = 0;

		snprintf(cmd, sizeof(cmd), "ssh-keygen -q %s -N '' -C 'me@home' -f %s/k%d",
			 kinds[i].arg, dir, i);
		snprintf(path, sizeof(path), "%s/k%d.pub", dir, i);
		if (system(cmd) != 0 ||
		    path_read(AT_FDCWD, path, lines[i], sizeof(lines[i]), &n, NULL) < 0)
			return -1;
		lines[i][strcspn(lines[i], "\n")] = '\0';
		sscanf(lines[i], "%*s %2047s", b64);
		lens[i] = decode(b64, blobs[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

struct found {
	unsigned int line;    /* the first without options that has the key */
	unsigned int options; /* the first with options that has it */
	unsigned int bad, first_bad;
};

static unsigned int find(const char *text, int key, struct found *f)
{
	static struct keys_reader r;

	memset(&r, 0, sizeof(r));
	memset(f, 0, sizeof(*f));
	r.p = text;
	r.end = text + strlen(text);
	while (keys_next(&r)) {
		bool has = r.len == lens[key] && memcmp(r.blob, blobs[key], r.len) == 0;

		if (has && !r.options && !f->line)
			f->line = r.line;
		if (has && r.options && !f->options)
			f->options = r.line;
	}
	f->bad = r.bad;
	f->first_bad = r.first_bad;
	return f->line;
}

static void test_every_type(void **state)
{
	struct found f;
	char text[16384] = "";
	int i;

	for (i = 0; i < NTYPES; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", lines[i]);
	for (i = 0; i < NTYPES; i++) {
		assert_int_equal(find(text, i, &f), i + 1);
		assert_int_equal(f.bad, 0);
		assert_int_equal(f.options, 0);
	}
}

static void test_forms(void **state)
{
	static const char *const good[] = {
		"%s",
		"%s\n",
		"\n\n%s\n",
		"# comment\n%s\n",
		"  \t%s\n",
		"%s\r\n",
		"garbage\n%s\n",
		"ssh-rsa x\n%s",
		"%s\ngarbage",
		"# a\r\n\r\n%s\r\n",
		"restrict\n%s",
		"\x01\n%s",
		"ssh-ed25519\n%s",
	};
	struct found f;
	char text[8192], bare[2048];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *at = strstr(good[i], "%s");

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good[i]), good[i], lines[0],
			 at + 2);
		if (find(text, 0, &f) == 0)
			fail_msg("form %zu", i);
	}
	/* Without a comment, and with blanks. */
	snprintf(bare, sizeof(bare), "%s", lines[0]);
	*strrchr(bare, ' ') = '\0';
	assert_int_equal(find(bare, 0, &f), 1);
	snprintf(text, sizeof(text), "ssh-ed25519 \t %s  \t", strchr(bare, ' ') + 1);
	assert_int_equal(find(text, 0, &f), 1);
}

static void test_not_listed(void **state)
{
	struct found f;
	char text[8192], b64[2048];

	assert_int_equal(find("", 0, &f), 0);
	snprintf(text, sizeof(text), "#%s\n", lines[0]);
	assert_int_equal(find(text, 0, &f), 0);
	assert_int_equal(f.bad, 0);
	/* The type of the line is not the type in the blob. */
	sscanf(lines[0], "%*s %2047s", b64);
	snprintf(text, sizeof(text), "ecdsa-sha2-nistp256 %s\n", b64);
	assert_int_equal(find(text, 0, &f), 0);
	assert_int_equal(find(text, 0, &f), 0);
	assert_int_equal(f.first_bad, 1);
	/* Cut, and with a byte too many. */
	snprintf(text, sizeof(text), "ssh-ed25519 %.*s\n", (int)strlen(b64) - 4, b64);
	assert_int_equal(find(text, 0, &f), 0);
	snprintf(text, sizeof(text), "ssh-ed25519 %sAAAA\n", b64);
	assert_int_equal(find(text, 0, &f), 0);
	/* A NUL or another control byte hides nothing. */
	snprintf(text, sizeof(text), "ssh-ed25519 %s \x1b[2J\n", b64);
	assert_int_equal(find(text, 0, &f), 0);
	assert_int_equal(f.bad, 1);
}

/* Options are cut off as a whole; what they say is key_options.c's. */
static void test_options(void **state)
{
	static const char *const options[] = {
		"restrict",  "command=\"echo \\\"hi, you\\\" # x\"", "a=\"x y\",b",
		"=\"x\"",    "from=\"10.0.0.0/8,!10.1.2.3\",no-pty", "ssh-ed25519x",
		"x\"y\tz\"",
	};
	struct found f;
	char text[8192];
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(text, sizeof(text), "\n%s \t%s\n", options[i], lines[0]);
		assert_int_equal(find(text, 0, &f), 0);
		assert_int_equal(f.options, 2);
		assert_int_equal(f.bad, 0);
	}
	/* The quote that is never closed swallows the key. */
	snprintf(text, sizeof(text), "command=\"open %s\n", lines[0]);
	assert_int_equal(find(text, 0, &f), 0);
	assert_int_equal(f.options, 0);
	assert_int_equal(f.bad, 1);
	/* Listed plainly as well. */
	snprintf(text, sizeof(text), "restrict %s\n%s\n", lines[0], lines[0]);
	assert_int_equal(find(text, 0, &f), 2);
}

static void test_names(void **state)
{
	static const struct {
		const char *line, *name, *options;
	} cases[] = {
		{ "alice", "alice", NULL },
		{ "  alice \t", "alice", NULL },
		{ "alice # the boss", "alice", NULL },
		{ "alice@example.org\r", "alice@example.org", NULL },
		{ "restrict alice", "alice", "restrict" },
		{ "from=\"1.2.3.4\",command=\"a b\" ops # x", "ops",
		  "from=\"1.2.3.4\",command=\"a b\"" },
		{ "# alice", NULL, NULL },
		{ "alice#x", NULL, NULL },
		{ "a b c", NULL, NULL },
		{ "command=\"x alice", NULL, NULL },
		{ "al\x01ice", NULL, NULL },
	};
	static struct keys_reader r;
	char text[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool got;

		snprintf(text, sizeof(text), "%s\n", cases[i].line);
		r = (struct keys_reader){ .p = text, .end = text + strlen(text) };
		got = keys_next_name(&r);
		if (got != (cases[i].name != NULL))
			fail_msg("'%s'", cases[i].line);
		if (!got)
			continue;
		assert_string_equal(r.name, cases[i].name);
		assert_int_equal(r.options != NULL, cases[i].options != NULL);
		if (r.options)
			assert_int_equal(r.options_len, strlen(cases[i].options));
	}
}

static void test_long_line(void **state)
{
	struct found f;
	char *text = malloc(70000);
	size_t n;

	n = (size_t)snprintf(text, 70000, "%s ", lines[0]);
	memset(text + n, 'c', 60000);
	strcpy(text + n + 60000, "\n");
	assert_int_equal(find(text, 0, &f), 0);
	assert_int_equal(f.bad, 1);
	strcat(text, lines[0]);
	assert_int_equal(find(text, 0, &f), 2);
	free(text);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
	assert_int_equal(
		path_write_atomic(AT_FDCWD, path,
				  &(struct path_content){ text, strlen(text), 0644, false }, NULL),
		0);
}

static int listed(const char *user, struct err *e)
{
	static struct settings settings;
	static struct auth_grant grant;
	const struct ip peer = { AF_INET, { 192, 0, 2, 1 } };
	const struct auth_query q = { .settings = &settings,
				      .user = user,
				      .exists = true,
				      .alg = "ssh-ed25519",
				      .key = blobs[0],
				      .len = lens[0],
				      .peer = &peer,
				      .now = 1000 };

	(void)str_copy(settings.gate.authorized_keys, sizeof(settings.gate.authorized_keys),
		       pattern);
	memset(e, 0xff, sizeof(*e));
	return auth_key_accept(&q, &grant, e);
}

static void not_trusted(const char *word)
{
	struct err e;
	int ret = listed("alice", &e);

	if (ret >= 0 || !strstr(e.text, word) || !strstr(e.text, "alice"))
		fail_msg("%d: %s", ret, ret < 0 ? e.text : "");
}

static void test_file(void **state)
{
	struct err e;
	char text[4096], again[64];

	assert_int_equal(listed("alice", &e), 0);
	assert_int_equal(e.code, ENOKEY);
	put(alice, lines[0]);
	assert_int_equal(listed("alice", &e), 1);
	assert_int_equal(e.code, 0);
	assert_int_equal(listed("bob", &e), 0);
	/* No name of a user: nothing is opened by it. */
	assert_int_equal(listed("../keys/alice", &e), 0);
	assert_int_equal(listed("", &e), 0);
	assert_int_equal(listed("Alice", &e), 0);
	snprintf(text, sizeof(text), "restrict,frob %s\n", lines[0]);
	put(alice, text);
	assert_int_equal(listed("alice", &e), 0);
	assert_non_null(strstr(e.text, "alice:1': option 'frob': not known"));
	put(alice, "x\ny\n");
	assert_int_equal(listed("alice", &e), 0);
	assert_non_null(strstr(e.text, "alice:1': not a key (2 such lines)"));
	memcpy(again, pattern, sizeof(again));
	(void)str_copy(pattern, sizeof(pattern), "keys/%u");
	assert_int_equal(listed("alice", &e), -EINVAL);
	memcpy(pattern, again, sizeof(pattern));
}

static void test_trust(void **state)
{
	struct err e;
	char path[128], link[128];

	put(alice, lines[0]);
	assert_int_equal(chmod(alice, 0664), 0);
	not_trusted("writable by group or others");
	assert_int_equal(chmod(alice, 0644), 0);
	snprintf(path, sizeof(path), "%s/keys", dir);
	assert_int_equal(chmod(path, 0777), 0);
	not_trusted("writable by group or others");
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(dir, 0770), 0);
	not_trusted("writable by group or others");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(listed("alice", &e), 1);
	if (geteuid() == 0) {
		assert_int_equal(chmod(path, 01777), 0);
		assert_int_equal(listed("alice", &e), 1);
		assert_int_equal(chown(alice, 12345, 0), 0);
		not_trusted("not owned by root");
		assert_int_equal(chown(alice, 0, 0), 0);
		assert_int_equal(chown(path, 12345, 0), 0);
		not_trusted("not owned by root");
		assert_int_equal(chown(path, 0, 0), 0);
		assert_int_equal(chmod(path, 0755), 0);
		/* A link of somebody else chooses somebody else's file. */
		snprintf(link, sizeof(link), "%s/keys/bob", dir);
		assert_int_equal(symlink("alice", link), 0);
		assert_int_equal(listed("bob", &e), 1);
		assert_int_equal(lchown(link, 12345, 0), 0);
		assert_int_equal(listed("bob", &e), -EPERM);
		unlink(link);
	}
}

static void test_links(void **state)
{
	struct err e;
	char path[128], link[128], open_dir[128];

	put(alice, lines[0]);
	snprintf(link, sizeof(link), "%s/keys/bob", dir);
	snprintf(open_dir, sizeof(open_dir), "%s/open", dir);
	snprintf(path, sizeof(path), "%s/open/file", dir);
	assert_int_equal(symlink("../keys/./alice", link), 0);
	assert_int_equal(listed("bob", &e), 1);
	unlink(link);
	assert_int_equal(symlink(alice, link), 0);
	assert_int_equal(listed("bob", &e), 1);
	unlink(link);
	assert_int_equal(symlink("bob", link), 0);
	assert_int_equal(listed("bob", &e), -ELOOP);
	unlink(link);
	assert_int_equal(symlink("nowhere", link), 0);
	assert_int_equal(listed("bob", &e), 0);
	unlink(link);
	/* Where a link leads is checked like the way there. */
	assert_int_equal(mkdir(open_dir, 0755), 0);
	put(path, lines[0]);
	assert_int_equal(symlink("../open/file", link), 0);
	assert_int_equal(listed("bob", &e), 1);
	assert_int_equal(chmod(open_dir, 0777), 0);
	assert_int_equal(listed("bob", &e), -EPERM);
	unlink(path);
	unlink(link);
	rmdir(open_dir);
}

static void test_not_a_file(void **state)
{
	struct err e;

	unlink(alice);
	assert_int_equal(mkdir(alice, 0755), 0);
	not_trusted("not a regular file");
	rmdir(alice);
	assert_int_equal(mkfifo(alice, 0600), 0);
	not_trusted("not a regular file");
	unlink(alice);
	put(alice, "");
	assert_int_equal(truncate(alice, 1024 * 1024), 0);
	assert_int_equal(listed("alice", &e), 0);
	assert_int_equal(truncate(alice, 1024 * 1024 + 1), 0);
	not_trusted("larger than 1 MiB");
	unlink(alice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type), cmocka_unit_test(test_forms),
		cmocka_unit_test(test_not_listed), cmocka_unit_test(test_names),
		cmocka_unit_test(test_options),    cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_file),       cmocka_unit_test(test_trust),
		cmocka_unit_test(test_links),      cmocka_unit_test(test_not_a_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
