/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The account files of a workspace: parsing, composing, environment and terminal modes of a login. Pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#include <cmocka.h>

#include "init/env.h"
#include "init/modes.h"
#include "init/passwd.h"
#include "init/resolve.h"

static char space[4096];
static struct passwd_out out = { .data = space, .cap = sizeof(space) };

static struct passwd_text text(const char *s)
{
	return (struct passwd_text){ s, strlen(s) };
}

static struct passwd_text composed(void)
{
	return (struct passwd_text){ out.data, out.len };
}

static void assert_composed(const char *want)
{
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.data, want, out.len);
}

static void finds_users(void **state)
{
	struct passwd_text t = text("root:x:0:0:root:/root:/bin/bash\n"
				    "al:x:5:6::/x:/y\n"
				    "alice:x:1000:1001:Alice,,:/home/alice:/bin/zsh\n"
				    "alice:x:7:7::/second:/bin/sh\n"
				    "min:x:1:2:::");
	struct account a = { 0 };

	assert_true(passwd_find(t, "alice", &a));
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.gid, 1001);
	assert_string_equal(a.home, "/home/alice");
	assert_string_equal(a.shell, "/bin/zsh");
	assert_true(passwd_find(t, "min", &a));
	assert_string_equal(a.home, "/");
	assert_string_equal(a.shell, "/bin/sh");
	assert_false(passwd_find(t, "alic", &a));
	assert_false(passwd_find(t, "", &a));
	assert_false(passwd_find(text(""), "alice", &a));
}

static void refuses_bad_lines(void **state)
{
	static const char *const bad[] = {
		"alice:x:1000:1000:::x:y",
		"alice:x:1000:1000::/home/alice",
		"alice:x:-1:1::/:/bin/sh",
		"alice:x:+1:1::/:/bin/sh",
		"alice:x: 1:1::/:/bin/sh",
		"alice:x:4294967295:1::/:/bin/sh",
		"alice:x:4294967296:1::/:/bin/sh",
		"alice:x:99999999999999999999:1::/:/bin/sh",
		"alice:x:1:4294967295::/:/bin/sh",
		"alice:x::1::/:/bin/sh",
		"alice:x:0x10:1::/:/bin/sh",
		"alice:x:1:1::relative:/bin/sh",
		"alice:x:1:1::/:sh",
		" alice:x:1:1::/:/bin/sh",
		"alice",
		":::::::",
	};
	char wide[INIT_PATH_MAX + 64] = "alice:x:1:1::/";
	struct account a;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (passwd_find(text(bad[i]), "alice", &a))
			fail_msg("taken: %s", bad[i]);
	memset(wide + strlen(wide), 'h', INIT_PATH_MAX);
	strcat(wide, ":/bin/sh");
	assert_false(passwd_find(text(wide), "alice", &a));
	assert_false(
		passwd_find((struct passwd_text){ "alice:x:1:1::/a\0b:/bin/sh", 25 }, "alice", &a));
	/* A usable line behind a bad one counts. */
	assert_true(
		passwd_find(text("alice:x:x:1::/:/bin/sh\nalice:x:9:9::/:/bin/sh"), "alice", &a));
	assert_int_equal(a.uid, 9);
}

static void reads_groups(void **state)
{
	struct passwd_text t =
		text("sudo:x:27:bob,alice\nbad:x:y:alice\nalice:x:1000:\nalicex:x:5:alicex\n"
		     "again:x:27:alice\ndocker:x:998:alice");
	struct account a = { .name = "alice", .gid = 1000 };
	uint32_t gid = 0;

	passwd_groups(t, &a);
	assert_int_equal(a.ngroups, 3);
	assert_int_equal(a.groups[0], 1000);
	assert_int_equal(a.groups[1], 27);
	assert_int_equal(a.groups[2], 998);
	assert_true(passwd_find_group(t, "sudo", &gid));
	assert_int_equal(gid, 27);
	assert_false(passwd_find_group(t, "bad", &gid));
	assert_true(passwd_is_member(t, "sudo", "alice"));
	assert_false(passwd_is_member(t, "sudo", "al"));
	assert_false(passwd_is_member(t, "alice", "alice"));
}

static void bounds_groups(void **state)
{
	static char many[8192];
	struct account a = { .name = "u", .gid = 1 };
	size_t n = 0;

	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n, "g%d:x:%d:u\n", i, 100 + i);
	passwd_groups(text(many), &a);
	assert_int_equal(a.ngroups, PASSWD_GROUPS_MAX);
	assert_int_equal(a.groups[PASSWD_GROUPS_MAX - 1], 100 + PASSWD_GROUPS_MAX - 2);
}

static void picks_free_ids(void **state)
{
	static char full[1 << 21];
	size_t n = 0;

	assert_int_equal(passwd_free_id(text(""), text("")), 1000);
	assert_int_equal(
		passwd_free_id(text("a:x:1000:5::/:/s\nb:x:1:1001::/:/s"), text("g:x:1002:\n")),
		1003);
	assert_int_equal(passwd_free_id(text("n:x:65534:65534::/:/s\n"), text("x:x:1001:\n")),
			 1000);
	for (int i = PASSWD_ID_FIRST; i <= PASSWD_ID_LAST; i++)
		n += (size_t)snprintf(full + n, sizeof(full) - n, "u:x:%d:1::/:/s\n", i);
	assert_int_equal(passwd_free_id(text(full), text("")), 0);
}

static void composes_lines(void **state)
{
	struct passwd_out small = { .data = space, .cap = 8 };

	assert_int_equal(passwd_append(text("a:b"), "c:d", &out), 0);
	assert_composed("a:b\nc:d\n");
	assert_int_equal(passwd_append(text("a:b\n"), "c:d", &out), 0);
	assert_composed("a:b\nc:d\n");
	assert_int_equal(passwd_append(text(""), "c:d", &out), 0);
	assert_composed("c:d\n");
	assert_int_equal(passwd_append(text("a:b"), "c:d", &small), 0);
	small.cap = 7;
	assert_int_equal(passwd_append(text("a:b"), "c:d", &small), -EFBIG);
}

static void edits_members(void **state)
{
	struct passwd_text t = text("root:x:0:\nsudo:x:27:bob\nx:x:1:alice");

	assert_int_equal(passwd_edit_member(t, "sudo", "alice", true, &out), 0);
	assert_composed("root:x:0:\nsudo:x:27:bob,alice\nx:x:1:alice\n");
	assert_true(passwd_is_member(composed(), "sudo", "alice"));
	assert_int_equal(passwd_edit_member(text("sudo:*::\n"), "sudo", "al", true, &out), 0);
	assert_composed("sudo:*::al\n");
	assert_int_equal(passwd_edit_member(text("sudo:x:27:a,b,a\n"), "sudo", "a", false, &out),
			 0);
	assert_composed("sudo:x:27:b\n");
	assert_int_equal(passwd_edit_member(text("sudo:x:27:a\n"), "sudo", "a", false, &out), 0);
	assert_composed("sudo:x:27:\n");
	assert_int_equal(passwd_edit_member(t, "sudo", "bob", true, &out), -ENOENT);
	assert_int_equal(passwd_edit_member(t, "none", "bob", true, &out), -ENOENT);
	assert_int_equal(passwd_edit_member(text("sudo:x:27"), "sudo", "bob", true, &out), -ENOENT);
}

static void builds_environments(void **state)
{
	static struct env v;
	static const char block[] =
		"A=1\0LD_PRELOAD=x\0B\0=y\0C D=1\0A=2\0LANG=de=1\0_x9=\0E=no-nul";

	static const char lines[] = "# c\n  export\tX=\"q r\"  \nY='z'# t\nZ=\"open\n"
				    "bad-name=1\nLD_X=1\nA=3";

	env_add_block(&v, (const uint8_t *)block, sizeof(block) - 1);
	assert_string_equal(env_get(&v, "A"), "2");
	assert_string_equal(env_get(&v, "LANG"), "de=1");
	assert_string_equal(env_get(&v, "_x9"), "");
	assert_string_equal(env_get(&v, "E"), "no-nul");
	assert_null(env_get(&v, "LD_PRELOAD"));
	assert_int_equal(v.nvars, 4);
	assert_null(v.vars[4]);
	env_add_lines(&v, lines, strlen(lines));
	assert_string_equal(env_get(&v, "X"), "q r");
	assert_string_equal(env_get(&v, "Y"), "z");
	assert_string_equal(env_get(&v, "Z"), "open");
	assert_string_equal(env_get(&v, "A"), "3");
	assert_null(env_get(&v, "LD_X"));
}

static void bounds_environments(void **state)
{
	static struct env v;
	static char big[ENV_BYTES_MAX];
	char name[16];

	memset(big, 'x', sizeof(big) - 1);
	env_set(&v, "BIG", big);
	assert_null(env_get(&v, "BIG"));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		env_set(&v, name, "1");
	}
	assert_int_equal(v.nvars, ENV_VARS_MAX);
	assert_null(v.vars[ENV_VARS_MAX]);
	env_set(&v, "V0", "again");
	assert_string_equal(env_get(&v, "V0"), "again");
}

static void decodes_modes(void **state)
{
	static const uint8_t blob[] = { 1, 0,  0,  0, 24, 3, 0,   0,  0, 255,  53, 0,   0,
					0, 0,  42, 0, 0,  0, 0,   70, 0, 0,    0,  1,   90,
					0, 0,  0,  1, 91, 0, 0,   0,  1, 92,   0,  0,   0,
					1, 11, 0,  0, 0,  9, 129, 0,  0, 0x96, 0,  128, 0,
					0, 0,  77, 0, 36, 0, 0,   0,  0 };
	struct termios t = { .c_lflag = ECHO, .c_iflag = ICRNL, .c_cflag = CS7 };

	modes_apply(blob, sizeof(blob), &t);
	assert_int_equal(t.c_cc[VINTR], 24);
	assert_int_equal(t.c_cc[VERASE], 0);
	assert_false(t.c_lflag & ECHO);
	assert_false(t.c_iflag & IUTF8);
	assert_true(t.c_oflag & OPOST);
	assert_true(t.c_cflag & PARENB);
	assert_int_equal(t.c_cflag & CSIZE, CS8);
	assert_int_equal(cfgetospeed(&t), B38400);
	/* Behind TTY_OP_END nothing counts. */
	assert_true(t.c_iflag & ICRNL);
}

static void survives_bad_modes(void **state)
{
	static const uint8_t undefined[] = { 200, 0, 0, 0, 1, 53, 0, 0, 0, 0 },
			     cut[] = { 53, 0, 0, 0 };
	struct termios t = { .c_lflag = ECHO };

	modes_apply(NULL, 0, &t);
	assert_true(t.c_iflag & IUTF8);
	modes_apply(undefined, sizeof(undefined), &t);
	modes_apply(cut, sizeof(cut), &t);
	assert_true(t.c_lflag & ECHO);
}

static void parses_addresses(void **state)
{
	static const char good[] = "::1             STREAM localhost\n::1             "
				   "DGRAM\n127.0.0.1 RAW\nnonsense x\n\n10.0.0.1";
	struct ip ips[RESOLVE_MAX];
	char buf[IP_TEXT_MAX];

	assert_int_equal(resolve_parse(good, sizeof(good) - 1, ips), 3);
	assert_string_equal(ip_text(&ips[1], buf, sizeof(buf)), "127.0.0.1");
	assert_string_equal(ip_text(&ips[2], buf, sizeof(buf)), "10.0.0.1");
	assert_int_equal(resolve_parse("", 0, ips), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_users),         cmocka_unit_test(refuses_bad_lines),
		cmocka_unit_test(reads_groups),        cmocka_unit_test(bounds_groups),
		cmocka_unit_test(picks_free_ids),      cmocka_unit_test(composes_lines),
		cmocka_unit_test(edits_members),       cmocka_unit_test(builds_environments),
		cmocka_unit_test(bounds_environments), cmocka_unit_test(decodes_modes),
		cmocka_unit_test(survives_bad_modes),  cmocka_unit_test(parses_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
