/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors, strings, numbers, addresses and stamps: every malformed form has a row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clk.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/num.h"
#include "base/str.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void test_err(void **state)
{
	struct err e = { 0 };
	char big[600];

	(void)state;
	assert_int_equal(err_set(&e, ENOENT, "find '%s': gone", "x"), -ENOENT);
	assert_int_equal(e.code, ENOENT);
	assert_string_equal(e.text, "find 'x': gone");
	assert_int_equal(err_wrap(&e, "start '%s'", "y"), -ENOENT);
	assert_string_equal(e.text, "start 'y': find 'x': gone");
	assert_int_equal(err_set(&e, EPERM, "again: %s", e.text), -EPERM);
	assert_string_equal(e.text, "again: start 'y': find 'x': gone");
	errno = ENOSPC;
	assert_int_equal(err_sys(&e, "write '%s'", "f"), -ENOSPC);
	assert_string_equal(e.text, "write 'f': No space left on device");
	errno = 0;
	assert_int_equal(err_sys(&e, "x"), -EIO);
	assert_int_equal(err_ret(&e, -EBUSY, "move 'n'"), -EBUSY);
	assert_string_equal(e.text, "move 'n': Device or resource busy");
	/* A success passed off as a failure is a failure all the same. */
	assert_int_equal(err_ret(&e, 0, "x"), -EIO);
	assert_int_equal(err_set(&e, 0, "x"), -EIO);
	assert_int_equal(err_ret(&e, -4000, "x"), -4000);
	assert_string_equal(e.text, "x: unknown error");
	/* No err at all. */
	assert_int_equal(err_set(NULL, ENOENT, "x"), -ENOENT);
	errno = EPERM;
	assert_int_equal(err_sys(NULL, "x"), -EPERM);
	assert_int_equal(err_ret(NULL, -EPERM, "x"), -EPERM);
	assert_true(err_wrap(NULL, "x") < 0);
	/* Cut, never overflowed. */
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set(&e, EIO, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	(void)err_wrap(&e, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	errno = EIO;
	(void)err_sys(&e, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

static void test_num(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"12abc",
		"64G",
		"0x10",
		"022",
		"00",
		"+1",
		"-1",
		" 1",
		"1 ",
		"1\n",
		"\t1",
		"1.0",
		"1e3",
		"one",
		"1,000",
		"18446744073709551616",
		"99999999999999999999999999",
		"1\xc2\xa0",
		"\xd9\xa1",
		"--1",
	};
	struct err e;
	uint64_t v = 77;

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		memset(&e, 0, sizeof(e));
		assert_true(num_u64(bad[i], 0, UINT64_MAX, &v, &e) < 0);
		assert_int_equal(e.code, EINVAL);
		assert_int_equal(v, 77);
	}
	assert_int_equal(num_u64("0", 0, 10, &v, &e), 0);
	assert_int_equal(v, 0);
	assert_int_equal(num_u64("18446744073709551615", 0, UINT64_MAX, &v, &e), 0);
	assert_true(v == UINT64_MAX);
	assert_true(num_u64("11", 0, 10, &v, &e) < 0);
	assert_string_equal(e.text, "'11' is not between 0 and 10");
	assert_true(num_u64("4", 5, 10, &v, &e) < 0);
	assert_true(num_u64("12abc", 0, 10, &v, &e) < 0);
	assert_string_equal(e.text, "'12abc' is not a whole number");
	assert_true(num_u64("\033[2J", 0, 10, &v, &e) < 0);
	assert_string_equal(e.text, "'\\x1b[2J' is not a whole number");
	assert_true(num_u64("1", 0, 10, &v, NULL) == 0 && num_u64("x", 0, 10, &v, NULL) < 0);
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "4096", 4096 },
		{ "1K", 1024 },
		{ "10M", 10ULL << 20 },
		{ "64G", 64ULL << 30 },
		{ "2T", 2ULL << 40 },
		{ "1KB", 1000 },
		{ "10MB", 10000000 },
		{ "3GB", 3000000000ULL },
		{ "1TB", 1000000000000ULL },
		{ "0G", 0 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = {
		"",
		"G",
		"64g",
		"64 G",
		" 64G",
		"64G ",
		"64GG",
		"64GiB",
		"-1G",
		"+1G",
		"1.5G",
		"0x1G",
		"064G",
		"1P",
		"1k",
		"B",
		"1B",
		"99999999999T",
		"18446744073709551616",
		"16777216T",
		"unlimited",
		"18446744073709551615K",
	};
	struct err e;
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		assert_int_equal(num_size(good[i].text, &v, &e), 0);
		assert_true(v == good[i].bytes);
	}
	for (size_t i = 0; i < N(bad); i++) {
		v = 5;
		if (num_size(bad[i], &v, &e) >= 0)
			fail_msg("size '%s' was accepted", bad[i]);
		assert_int_equal(v, 5);
	}
}

static void test_size_text(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ 1023, "1023" },
		{ 1024, "1K" },
		{ 1025, "1025" },
		{ 64ULL << 30, "64G" },
		{ 1536, "1536" },
		{ 3ULL << 40, "3T" },
		{ 1ULL << 50, "1024T" },
		{ 1000000, "1000000" },
		{ UINT64_MAX, "18446744073709551615" },
	};
	char buf[32];
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		assert_string_equal(num_size_text(rows[i].bytes, buf, sizeof(buf)), rows[i].text);
		assert_int_equal(num_size(buf, &v, NULL), 0);
		assert_true(v == rows[i].bytes);
	}
}

static void test_seconds(void **state)
{
	static const struct {
		const char *text;
		uint64_t s;
	} good[] = {
		{ "0", 0 },     { "0s", 0 },     { "30s", 30 },        { "5m", 300 },
		{ "2h", 7200 }, { "1d", 86400 }, { "365d", 31536000 },
	};
	static const char *const bad[] = {
		"",
		"30",
		"s",
		"30 s",
		"30S",
		"30sec",
		"1w",
		"-1s",
		"+1s",
		"1.5h",
		"1h30m",
		"00",
		"030s",
		"99999999999999999999s",
		"9999999999999999999d",
	};
	struct err e;
	uint64_t v;
	bool b;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		assert_int_equal(num_seconds(good[i].text, &v, &e), 0);
		assert_true(v == good[i].s);
	}
	for (size_t i = 0; i < N(bad); i++)
		if (num_seconds(bad[i], &v, &e) >= 0)
			fail_msg("time '%s' was accepted", bad[i]);
	assert_true(num_seconds("30", &v, &e) < 0);
	assert_string_equal(e.text, "'30' has no unit (s, m, h or d)");
	assert_true(num_bool("yes", &b, &e) == 0 && b);
	assert_true(num_bool("no", &b, &e) == 0 && !b);
	assert_true(num_bool("", &b, &e) < 0);
	assert_true(num_bool("yep", &b, &e) < 0);
	assert_true(num_bool("Yes", &b, &e) < 0);
	assert_true(num_bool("1", &b, &e) < 0);
	assert_true(num_bool("true", &b, &e) < 0);
	assert_true(num_bool("no ", &b, &e) < 0);
}

/* THREATS D02: each of these must be no name at all. `n` is the length on the wire. */
static void test_names(void **state)
{
	static const struct {
		const char *s;
		size_t n;
	} bad[] = {
		{ "", 0 },
		{ "alice\0bob", 9 },
		{ "alice\0", 6 },
		{ "\0", 1 },
		{ "alice\n", 6 },
		{ "\033alice", 6 },
		{ "..", 2 },
		{ ".", 1 },
		{ "../root", 7 },
		{ "a/b", 3 },
		{ "/", 1 },
		{ "ALICE", 5 },
		{ "aLice", 5 },
		{ " alice", 6 },
		{ "alice ", 6 },
		{ "-oX", 3 },
		{ "0", 1 },
		{ "4294967295", 10 },
		{ "\xd0\xb0lice", 6 },
		{ "a\xe2\x80\xae", 4 },
		{ "alice.", 6 },
		{ "alice:style", 11 },
		{ "alice+ws", 8 },
		{ "a@b", 3 },
		{ "a\\b", 3 },
		{ "a%u", 3 },
		{ "a$", 2 },
		{ "a\x80", 2 },
		{ "a\x7f", 2 },
		{ "abcdefghijklmnopqrstuvwxyz012345", 32 },
		{ "abcdefghijklmnopqrstuvwxyz0123456", 33 },
	};
	static const char *const good[] = {
		"a", "_", "alice", "_apt", "a-b_c9", "z0", "abcdefghijklmnopqrstuvwxyz01234",
	};
	char *big = calloc(1, 30001);

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < N(bad); i++)
		if (str_is_name(bad[i].s, bad[i].n))
			fail_msg("row %zu was accepted", i);
	for (size_t i = 0; i < N(good); i++)
		assert_true(str_is_name(good[i], strlen(good[i])));
	memset(big, 'a', 30000);
	assert_false(str_is_name(big, 30000));
	assert_true(str_is_name(big, 31));
	assert_false(str_is_name(big, 32));
	free(big);
}

static void test_str(void **state)
{
	uint8_t bytes[4] = { 0xde, 0xad, 0x00, 0x0f }, back[4] = { 0 };
	char buf[16], all[256], out[1100];

	(void)state;
	assert_int_equal(str_format(buf, sizeof(buf), "%s-%d", "a", 1), 0);
	assert_string_equal(buf, "a-1");
	assert_int_equal(str_format(buf, 4, "abcd"), -ENAMETOOLONG);
	assert_string_equal(buf, "abc");
	assert_int_equal(str_format(buf, 5, "abcd"), 0);
	assert_int_equal(str_format(buf, 0, "abcd"), -ENAMETOOLONG);
	assert_int_equal(str_copy(buf, 4, "abc"), 0);
	assert_int_equal(str_copy(buf, 3, "abc"), -ENAMETOOLONG);
	assert_string_equal(buf, "ab");
	assert_int_equal(str_copy(buf, 0, "abc"), -ENAMETOOLONG);

	str_hex(bytes, 4, buf);
	assert_string_equal(buf, "dead000f");
	assert_true(str_unhex("dead000f", back, 4));
	assert_memory_equal(bytes, back, 4);
	assert_true(str_unhex("DEAD000F", back, 4));
	assert_false(str_unhex("dead000", back, 4));
	assert_false(str_unhex("dead000ff", back, 4));
	assert_false(str_unhex("dead000g", back, 4));
	assert_false(str_unhex("dead 00f", back, 4));
	assert_true(str_unhex("", back, 0));

	assert_string_equal(str_vis("a\\b\n\x1b\x7f\xc3", 7, out, sizeof(out)),
			    "a\\x5cb\\x0a\\x1b\\x7f\\xc3");
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	str_vis(all, sizeof(all), out, sizeof(out));
	for (const char *p = out; *p; p++)
		assert_true(*p >= 0x20 && *p <= 0x7e);
	/* 94 bytes as they are (0x20..0x7e without the backslash), 162 escaped. */
	assert_int_equal(strlen(out), 94 + 162 * 4);
	/* Cut before an escape that does not fit; a NUL in every case. */
	assert_string_equal(str_vis("ab\n", 3, out, 6), "ab");
	assert_string_equal(str_vis("ab\n", 3, out, 7), "ab\\x0a");
	assert_string_equal(str_vis("abc", 3, out, 3), "ab");
	assert_string_equal(str_vis("abc", 3, out, 1), "");
	assert_string_equal(str_vis("abc", 3, NULL, 0), "");
	assert_string_equal(str_vis("", 0, out, sizeof(out)), "");
}

static void test_ip_text(void **state)
{
	static const char *const good[] = {
		"0.0.0.0", "127.0.0.1", "255.255.255.255", "172.31.199.3",
		"::",      "::1",       "fd00::1",         "2001:db8:1:2:3:4:5:6",
	};
	static const char *const bad[] = {
		"",
		"1",
		"1.2.3",
		"1.2.3.4.5",
		"256.1.1.1",
		"01.2.3.4",
		"1.2.3.04",
		" 1.2.3.4",
		"1.2.3.4 ",
		"1.2.3.4/24",
		"0x7f.1",
		"localhost",
		":::",
		"fe80::1%lo",
		"[::1]",
		"::ffff:1.2.3.4",
		"1:2:3:4:5:6:7:8:9",
		"g::",
		"127.1",
	};
	char buf[IP_TEXT_MAX];
	struct ip ip, none = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		assert_int_equal(ip_parse(good[i], &ip, &e), 0);
		assert_string_equal(ip_text(&ip, buf, sizeof(buf)), good[i]);
	}
	for (size_t i = 0; i < N(bad); i++)
		if (ip_parse(bad[i], &ip, &e) >= 0)
			fail_msg("address '%s' was accepted", bad[i]);
	assert_string_equal(ip_text(&none, buf, sizeof(buf)), "");
	assert_string_equal(ip_text(&ip, buf, 3), "");
}

static void test_ip_net(void **state)
{
	static const char *const good[] = { "10.0.0.0/8", "172.31.199.0/24",  "1.2.3.4/32",
					    "0.0.0.0/0",  "192.168.199.1/24", "fd00::/64",
					    "::/0",       "::1/128" };
	static const char *const bad[] = {
		"",
		"/",
		"10.0.0.0",
		"10.0.0.0/",
		"/8",
		"10.0.0.0/33",
		"fd00::/129",
		"10.0.0.0/08",
		"10.0.0.0/-1",
		"10.0.0.0/8/8",
		"10.0.0.0/255.0.0.0",
		"10.0.0.0 /8",
		"10.0.0.0/ 8",
		"::ffff:0:0/96",
		"11111111111111111111111111111111111111111111111111111111111111111111111111/8",
	};
	char buf[IP_TEXT_MAX];
	struct ipnet net;
	struct err e;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		assert_int_equal(ip_parse_net(good[i], &net, &e), 0);
		assert_string_equal(ip_net_text(&net, buf, sizeof(buf)), good[i]);
	}
	for (size_t i = 0; i < N(bad); i++)
		if (ip_parse_net(bad[i], &net, &e) >= 0)
			fail_msg("network '%s' was accepted", bad[i]);
	memset(&net, 0, sizeof(net));
	assert_string_equal(ip_net_text(&net, buf, sizeof(buf)), "");
}

static void test_ip_port(void **state)
{
	static const char *const good[] = { "0.0.0.0:22", "127.0.0.1:65535", "[::]:22",
					    "[fd00::1]:1" };
	static const char *const bad[] = {
		"",       ":22",   "0.0.0.0",     "0.0.0.0:",    "0.0.0.0:0",    "0.0.0.0:65536",
		"::1:22", "[::]",  "[::]22",      "[::]:",       "[0.0.0.0]:22", "0.0.0.0:022",
		"[::",    "[]:22", "[::1%lo]:22", "1.2.3.4:ssh", "1.2.3.4:22 ",  "::",
		"[",      "]:1",   "[[::]]:22",   "1.2.3.4::22",
	};
	char buf[IP_TEXT_MAX];
	struct ipport p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		assert_int_equal(ip_parse_port(good[i], &p, &e), 0);
		assert_string_equal(ip_port_text(&p, buf, sizeof(buf)), good[i]);
	}
	for (size_t i = 0; i < N(bad); i++)
		if (ip_parse_port(bad[i], &p, &e) >= 0)
			fail_msg("'%s' was accepted", bad[i]);
	memset(&p, 0, sizeof(p));
	assert_string_equal(ip_port_text(&p, buf, sizeof(buf)), "");
}

static struct ip addr(const char *s)
{
	struct ip ip;

	assert_int_equal(ip_parse(s, &ip, NULL), 0);
	return ip;
}

static struct ipnet net(const char *s)
{
	struct ipnet n;

	assert_int_equal(ip_parse_net(s, &n, NULL), 0);
	return n;
}

static void test_ip_in_net(void **state)
{
	static const struct {
		const char *ip, *net;
		bool in;
	} rows[] = {
		{ "10.1.2.3", "10.0.0.0/8", true },
		{ "11.1.2.3", "10.0.0.0/8", false },
		{ "10.0.0.7", "10.0.0.6/31", true },
		{ "10.0.0.8", "10.0.0.6/31", false },
		{ "1.2.3.4", "1.2.3.4/32", true },
		{ "1.2.3.5", "1.2.3.4/32", false },
		{ "9.9.9.9", "0.0.0.0/0", true },
		{ "::1", "0.0.0.0/0", false },
		{ "172.31.199.255", "172.31.199.0/25", false },
		{ "172.31.199.127", "172.31.199.0/25", true },
		{ "fd00::1", "fd00::/64", true },
		{ "fd00:0:0:1::1", "fd00::/64", false },
		{ "fd00::8000", "fd00::/113", false },
		{ "fd00::7fff", "fd00::/113", true },
		{ "1.2.3.4", "::/0", false },
	};
	struct ip none = { 0 };
	struct ipnet nonet = { .plen = 0 };
	struct ip a = addr("1.2.3.4"), b = addr("1.2.3.4"), six = addr("102:304::");

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct ip ip = addr(rows[i].ip);
		struct ipnet n = net(rows[i].net);

		if (ip_in_net(&ip, &n) != rows[i].in)
			fail_msg("%s in %s", rows[i].ip, rows[i].net);
	}
	assert_false(ip_in_net(&none, &nonet));
	/* Bytes after an IPv4 address mean nothing; families keep apart. */
	b.b[9] = 1;
	assert_true(ip_equal(&a, &b));
	assert_false(ip_equal(&a, &six));
	assert_true(ip_equal(&none, &none));
}

static void test_ip_nth(void **state)
{
	static const struct {
		const char *net;
		uint64_t n;
		const char *ip; /* NULL: outside */
	} rows[] = {
		{ "172.31.199.0/24", 0, "172.31.199.0" },
		{ "172.31.199.0/24", 3, "172.31.199.3" },
		{ "172.31.199.0/24", 255, "172.31.199.255" },
		{ "172.31.199.0/24", 256, NULL },
		{ "172.31.199.77/24", 1, "172.31.199.1" },
		{ "10.0.0.0/8", 65536 + 258, "10.1.1.2" },
		{ "10.0.0.0/20", 4095, "10.0.15.255" },
		{ "10.0.0.0/20", 4096, NULL },
		{ "10.0.0.16/28", 15, "10.0.0.31" },
		{ "1.2.3.4/32", 0, "1.2.3.4" },
		{ "1.2.3.4/32", 1, NULL },
		{ "0.0.0.0/0", 4294967295ULL, "255.255.255.255" },
		{ "0.0.0.0/0", 4294967296ULL, NULL },
		{ "fd00::/64", 1, "fd00::1" },
		{ "fd00::/64", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff" },
		{ "fd00::/48", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff" },
		{ "fd00::ff/120", 2, "fd00::2" },
		{ "fd00::/120", 256, NULL },
		{ "::1/128", 0, "::1" },
	};
	struct ipnet none = { 0 };
	char buf[IP_TEXT_MAX];
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct ipnet n = net(rows[i].net);
		bool ok = ip_nth(&n, rows[i].n, &ip);

		if (ok != (rows[i].ip != NULL))
			fail_msg("row %zu", i);
		if (ok)
			assert_string_equal(ip_text(&ip, buf, sizeof(buf)), rows[i].ip);
		if (ok)
			assert_true(ip_in_net(&ip, &n));
	}
	assert_false(ip_nth(&none, 0, &ip));
}

static void test_ip_sockaddr(void **state)
{
	static const char *const rows[] = { "1.2.3.4:22", "[fd00::1]:443" };
	struct sockaddr_storage ss;
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = htons(7) };
	struct sockaddr un = { .sa_family = AF_UNIX };
	struct ipport p, back;
	char buf[IP_TEXT_MAX];
	socklen_t len;

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		assert_int_equal(ip_parse_port(rows[i], &p, NULL), 0);
		len = ip_to_sockaddr(&p, &ss);
		assert_true(len > 0);
		assert_true(ip_from_sockaddr((struct sockaddr *)&ss, len, &back));
		assert_string_equal(ip_port_text(&back, buf, sizeof(buf)), rows[i]);
		assert_false(ip_from_sockaddr((struct sockaddr *)&ss, len - 1, &back));
		assert_false(ip_from_sockaddr((struct sockaddr *)&ss, 0, &back));
	}
	assert_int_equal(inet_pton(AF_INET6, "::ffff:9.8.7.6", &mapped.sin6_addr), 1);
	assert_true(ip_from_sockaddr((struct sockaddr *)&mapped, sizeof(mapped), &back));
	assert_string_equal(ip_port_text(&back, buf, sizeof(buf)), "9.8.7.6:7");
	assert_false(ip_from_sockaddr(&un, sizeof(un), &back));
	memset(&p, 0, sizeof(p));
	assert_int_equal(ip_to_sockaddr(&p, &ss), 0);
}

static void test_clk(void **state)
{
	uint64_t a = clk_now_us(), b;
	char buf[40], want[40];

	(void)state;
	b = clk_now_us();
	assert_true(b >= a && a > 0);
	assert_true(clk_wall_s() > 1700000000);
	assert_string_equal(clk_text(0, buf, sizeof(buf)), "1970-01-01T00:00:00Z");
	assert_string_equal(clk_text(951782399, buf, sizeof(buf)), "2000-02-28T23:59:59Z");
	assert_string_equal(clk_text(951782400, buf, sizeof(buf)), "2000-02-29T00:00:00Z");
	assert_string_equal(clk_text(1769853723, buf, sizeof(buf)), "2026-01-31T10:02:03Z");
	/* Against the C library, through leap years and centuries. */
	for (uint64_t t = 0; t < 16725225600ULL; t += 86400 * 13 + 4567) {
		time_t tt = (time_t)t;
		struct tm tm;

		assert_non_null(gmtime_r(&tt, &tm));
		(void)strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
		assert_string_equal(clk_text(t, buf, sizeof(buf)), want);
	}
	clk_text(UINT64_MAX, buf, sizeof(buf));
	assert_true(strlen(buf) < sizeof(buf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err),         cmocka_unit_test(test_num),
		cmocka_unit_test(test_size),        cmocka_unit_test(test_size_text),
		cmocka_unit_test(test_seconds),     cmocka_unit_test(test_names),
		cmocka_unit_test(test_str),         cmocka_unit_test(test_ip_text),
		cmocka_unit_test(test_ip_net),      cmocka_unit_test(test_ip_port),
		cmocka_unit_test(test_ip_in_net),   cmocka_unit_test(test_ip_nth),
		cmocka_unit_test(test_ip_sockaddr), cmocka_unit_test(test_clk),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
