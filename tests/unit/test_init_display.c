/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's X11 authorisation and the authority file that is made of it. Pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "init/display.h"
#include "proto/x11.h"

#define MIT    "MIT-MAGIC-COOKIE-1"
#define COOKIE "00112233445566778899aabbccddeeff"

static struct x11_cookie c;

static void parses_what_clients_send(void **state)
{
	char text[X11_TEXT_MAX], longest[2 * X11_COOKIE_MAX + 3];
	char name[X11_PROTOCOL_MAX + 1];

	assert_int_equal(x11_parse(MIT, COOKIE, &c), 0);
	assert_int_equal(c.len, 16);
	assert_int_equal(c.data[0], 0);
	assert_int_equal(c.data[15], 0xff);
	x11_text(&c, text);
	assert_string_equal(text, MIT " " COOKIE);
	assert_int_equal(x11_parse_text(text, &c), 0);
	assert_string_equal(c.protocol, MIT);
	assert_int_equal(x11_parse("XDM-AUTHORIZATION-1", "AB", &c), 0);
	assert_int_equal(c.data[0], 0xab);
	memset(longest, 'f', sizeof(longest));
	longest[2 * X11_COOKIE_MAX] = '\0';
	memset(name, 'x', sizeof(name));
	name[X11_PROTOCOL_MAX - 1] = '\0';
	assert_int_equal(x11_parse(name, longest, &c), 0);
	x11_text(&c, text);
	assert_int_equal(strlen(text), X11_TEXT_MAX - 1);
	assert_int_equal(x11_parse_text(text, &c), 0);
	assert_int_equal(c.len, X11_COOKIE_MAX);
	memset(longest, 'f', sizeof(longest));
	longest[2 * X11_COOKIE_MAX + 2] = '\0';
	assert_int_equal(x11_parse(MIT, longest, &c), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[X11_PROTOCOL_MAX] = '\0';
	assert_int_equal(x11_parse(name, "00", &c), -EINVAL);
}

static void refuses_the_rest(void **state)
{
	static const char *const bad[][2] = {
		{ "", COOKIE },
		{ MIT, "" },
		{ MIT, "0" },
		{ MIT, "0g" },
		{ MIT, "00 " },
		{ MIT, " 00" },
		{ MIT, "00\n11" },
		{ MIT, "0x00" },
		{ "MIT MAGIC", COOKIE },
		{ "a\nb", COOKIE },
		{ "a;b", COOKIE },
		{ "$(id)", COOKIE },
		{ "a/b", COOKIE },
		{ "caf\303\251", COOKIE },
		{ "a\"b", COOKIE },
		{ "\x1b[0m", COOKIE },
	};
	static const char *const texts[] = {
		"", " ", MIT, MIT " ", " " COOKIE, MIT "  " COOKIE, MIT " " COOKIE " "
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(x11_parse(bad[i][0], bad[i][1], &c), -EINVAL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(x11_parse_text(texts[i], &c), -EINVAL);
}

/* Xau(3): family, then four counted fields, all numbers big endian. */
static void writes_authority_files(void **state)
{
	static const char local[] = "0100"
				    "0003"
				    "626f78"
				    "0002"
				    "3130"
				    "0012"
				    "4d49542d4d414749432d434f4f4b49452d31"
				    "0010" COOKIE;
	static const char wild[] = "ffff"
				   "0000"
				   "0002"
				   "3130"
				   "0012"
				   "4d49542d4d414749432d434f4f4b49452d31"
				   "0010" COOKIE;
	uint8_t out[DISPLAY_AUTHORITY_MAX];
	char hex[2 * DISPLAY_AUTHORITY_MAX + 1], all[sizeof(local) + sizeof(wild)];
	int n;

	assert_int_equal(x11_parse(MIT, COOKIE, &c), 0);
	n = display_authority("box", 10, &c, out);
	assert_true(n > 0);
	str_hex(out, (size_t)n, hex);
	snprintf(all, sizeof(all), "%s%s", local, wild);
	assert_string_equal(hex, all);
}

static void stays_within_its_buffer(void **state)
{
	uint8_t out[DISPLAY_AUTHORITY_MAX];
	char host[DISPLAY_AUTHORITY_MAX + 1], hex[2 * X11_COOKIE_MAX + 1], name[X11_PROTOCOL_MAX];
	int n;

	memset(hex, 'a', sizeof(hex) - 1);
	hex[sizeof(hex) - 1] = '\0';
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(x11_parse(name, hex, &c), 0);
	memset(host, 'h', sizeof(host));
	host[64] = '\0'; /* the longest that uname(2) gives */
	n = display_authority(host, 1009, &c, out);
	assert_true(n > 0 && n <= DISPLAY_AUTHORITY_MAX);
	host[64] = 'h';
	host[sizeof(host) - 1] = '\0';
	assert_int_equal(display_authority(host, 1009, &c, out), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_what_clients_send),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(writes_authority_files),
		cmocka_unit_test(stays_within_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
