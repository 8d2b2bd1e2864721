/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * key_options.c and match.c: what every option of sshd(8) does to a login, which lines grant nothing and which option is
 * blamed, address lists, times in and out of the local zone, and what a certificate takes away.
 */
#include "key_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "match.h"

#define ALL GATE_MAY_ALL

static struct key_options o;

static int parse(const char *text, struct err *e)
{
	memset(&o, 0xee, sizeof(o));
	memset(e, 0, sizeof(*e));
	return key_options_parse(text, strlen(text), &o, e);
}

static const struct {
	const char *text;
	uint32_t flags;
} flag_lines[] = {
	{ "", ALL },
	{ "pty", ALL },
	{ "no-pty", ALL & ~GATE_MAY_PTY },
	{ "NO-PTY", ALL & ~GATE_MAY_PTY },
	{ "no-port-forwarding", ALL & ~GATE_MAY_FORWARD },
	{ "no-agent-forwarding", ALL & ~GATE_MAY_AGENT },
	{ "no-X11-forwarding", ALL & ~GATE_MAY_X11 },
	{ "no-x11-forwarding", ALL & ~GATE_MAY_X11 },
	{ "no-user-rc", ALL & ~GATE_MAY_RC },
	{ "no-pty,no-user-rc", ALL & ~GATE_MAY_PTY & ~GATE_MAY_RC },
	{ "no-pty,pty", ALL },
	{ "restrict", 0 },
	{ "Restrict", 0 },
	{ "restrict,pty", GATE_MAY_PTY },
	{ "restrict,port-forwarding", GATE_MAY_FORWARD },
	{ "restrict,agent-forwarding", GATE_MAY_AGENT },
	{ "restrict,X11-forwarding,user-rc", GATE_MAY_X11 | GATE_MAY_RC },
	{ "pty,restrict", 0 },
	{ "restrict,restrict", 0 },
	{ "no-pty,command=\"a,no-user-rc\"", ALL & ~GATE_MAY_PTY },
	{ "tunnel=\"any\"", ALL },
	{ "tunnel=\"0\"", ALL },
	{ "tunnel=\"7\",no-pty", ALL & ~GATE_MAY_PTY },
};

static void flags_add_up(void **state)
{
	struct err e;

	for (size_t i = 0; i < sizeof(flag_lines) / sizeof(flag_lines[0]); i++) {
		if (parse(flag_lines[i].text, &e) < 0)
			fail_msg("%s: %s", flag_lines[i].text, e.text);
		if (o.permit.flags != flag_lines[i].flags)
			fail_msg("%s: %x", flag_lines[i].text, o.permit.flags);
	}
}

/* Lists as text: each string with a '|' behind it. */
static const char *joined(const uint8_t *data, uint32_t len)
{
	static char text[16384];

	for (uint32_t i = 0; i < len; i++)
		text[i] = data[i] ? (char)data[i] : '|';
	text[len] = '\0';
	return text;
}

static const struct {
	const char *text, *command, *env, *open, *listen, *from, *principals;
} value_lines[] = {
	{ "command=\"id\"", "id", "", "", "", "", "" },
	{ "COMMAND=\"echo \\\"hi, you\\\" # x\"", "echo \"hi, you\" # x", "", "", "", "", "" },
	{ "command=\"internal-sftp\"", "internal-sftp", "", "", "", "", "" },
	{ "command=\"internal-sftpd -R\"", "internal-sftpd -R", "", "", "", "", "" },
	{ "command=\"a\\\\b \\n\"", "a\\\\b \\n", "", "", "", "", "" },
	{ "environment=\"A=b c\"", "", "A=b c|", "", "", "", "" },
	{ "environment=\"A=1\",environment=\"B=2\"", "", "A=1|B=2|", "", "", "", "" },
	{ "environment=\"A=1\",environment=\"A=2\"", "", "A=1|", "", "", "", "" },
	{ "environment=\"AB=1\",environment=\"A=2\"", "", "AB=1|A=2|", "", "", "", "" },
	{ "environment=\"_x9=\"", "", "_x9=|", "", "", "", "" },
	{ "environment=\"A=b=c\"", "", "A=b=c|", "", "", "", "" },
	{ "permitopen=\"localhost:80\"", "", "", "localhost:80|", "", "", "" },
	{ "permitopen=\"[::1]:80\",permitopen=\"10.0.0.1:*\"", "", "", "[::1]:80|10.0.0.1:*|", "",
	  "", "" },
	{ "permitopen=\"*:443\"", "", "", "*:443|", "", "", "" },
	{ "permitlisten=\"8080\"", "", "", "", "*:8080|", "", "" },
	{ "permitlisten=\"*\"", "", "", "", "*:*|", "", "" },
	{ "permitlisten=\"localhost:8080\",permitlisten=\"[fd00::1]:*\"", "", "", "",
	  "localhost:8080|[fd00::1]:*|", "", "" },
	{ "from=\"10.0.0.0/8,!10.1.2.3\"", "", "", "", "", "10.0.0.0/8,!10.1.2.3", "" },
	{ "from=\"*.example.org,192.0.2.?\"", "", "", "", "", "*.example.org,192.0.2.?", "" },
	{ "cert-authority,principals=\"a,b\"", "", "", "", "", "", "a,b" },
};

static void values_are_kept(void **state)
{
	struct err e;

	for (size_t i = 0; i < sizeof(value_lines) / sizeof(value_lines[0]); i++) {
		if (parse(value_lines[i].text, &e) < 0)
			fail_msg("%s: %s", value_lines[i].text, e.text);
		assert_string_equal(o.permit.command, value_lines[i].command);
		assert_string_equal(joined(o.permit.environment.data, o.permit.environment.len),
				    value_lines[i].env);
		assert_string_equal(joined(o.permit.open.data, o.permit.open.len),
				    value_lines[i].open);
		assert_string_equal(joined(o.permit.listen.data, o.permit.listen.len),
				    value_lines[i].listen);
		assert_string_equal(o.from, value_lines[i].from);
		assert_string_equal(o.principals, value_lines[i].principals);
	}
}

static void marks_are_kept(void **state)
{
	struct err e;

	assert_int_equal(parse("", &e), 0);
	assert_false(o.authority || o.no_touch || o.verified || o.expiry);
	assert_int_equal(parse("cert-authority,no-touch-required,verify-required", &e), 0);
	assert_true(o.authority && o.no_touch && o.verified);
	assert_int_equal(parse("no-touch-required,touch-required", &e), 0);
	assert_false(o.no_touch);
	assert_int_equal(parse("verify-required,no-verify-required", &e), 0);
	assert_false(o.verified);
}

/* What follows is granted to nobody. */
static const struct {
	const char *text, *blamed, *why;
} bad_lines[] = {
	{ "command=\"internal-sftp -R\"", "command", "takes no flags" },
	{ "command=\"internal-sftp\t-f AUTH\"", "command", "takes no flags" },
	{ "frob", "frob", "not known" },
	{ "restrict,frob", "frob", "not known" },
	{ "frob=\"x\"", "frob", "not known" },
	{ "no-frob", "no-frob", "not known" },
	{ "no-restrict", "no-restrict", "not known" },
	{ "no-cert-authority", "no-cert-authority", "not known" },
	{ "no-", "no-", "not known" },
	{ "ptyx", "ptyx", "not known" },
	{ "pt", "pt", "not known" },
	{ "pty,,no-pty", NULL, "no name" },
	{ ",pty", NULL, "no name" },
	{ "pty,", "", "nothing follows" },
	{ "=\"x\"", NULL, "no name" },
	{ "pty=\"x\"", "pty", "takes no value" },
	{ "restrict=\"yes\"", "restrict", "takes no value" },
	{ "pty\"x\"", "pty", "comma" },
	{ "command=\"x\"pty", "command", "comma" },
	{ "command", "command", "needs a value" },
	{ "command,pty", "command", "needs a value" },
	{ "command=id", "command", "double quotes" },
	{ "command='id'", "command", "double quotes" },
	{ "command=\"id", "command", "closing quote" },
	{ "command=\"id\\\"", "command", "closing quote" },
	{ "command=", "command", "double quotes" },
	{ "command=\"\"", "command", "empty" },
	{ "command=\"a\",command=\"a\"", "command", "more than once" },
	{ "from=\"\"", "from", "empty" },
	{ "from=\"10.0.0.0/8,,x\"", "from", "empty" },
	{ "from=\"10.0.0.0/8,\"", "from", "empty" },
	{ "from=\"!\"", "from", "empty" },
	{ "from=\"10.0.0.1/8\"", "from", "beyond its prefix" },
	{ "from=\"10.0.0.0/33\"", "from", "no network" },
	{ "from=\"fe80::/129\"", "from", "no network" },
	{ "from=\"host/8\"", "from", "no network" },
	{ "from=\"!evil.example.org\"", "from", "host name" },
	{ "from=\"::ffff:10.0.0.1\"", "from", "IPv6 form" },
	{ "from=\"10.0.0.1\",from=\"10.0.0.1\"", "from", "more than once" },
	{ "environment=\"A\"", "environment", "NAME=value" },
	{ "environment=\"=x\"", "environment", "needs a name" },
	{ "environment=\"A B=x\"", "environment", "letters" },
	{ "environment=\"A-B=x\"", "environment", "letters" },
	{ "environment=\"\xc3\xa9=x\"", "environment", "letters" },
	{ "permitopen=\"80\"", "permitopen", "host:port" },
	{ "permitopen=\"host\"", "permitopen", "host:port" },
	{ "permitopen=\"host:\"", "permitopen", "host:port" },
	{ "permitopen=\":80\"", "permitopen", "host:port" },
	{ "permitopen=\"host:0\"", "permitopen", "host:port" },
	{ "permitopen=\"host:65536\"", "permitopen", "host:port" },
	{ "permitopen=\"host:http\"", "permitopen", "host:port" },
	{ "permitopen=\"host:+80\"", "permitopen", "host:port" },
	{ "permitopen=\"::1:80\"", "permitopen", "host:port" },
	{ "permitopen=\"[::1:80\"", "permitopen", "host:port" },
	{ "permitopen=\"[]:80\"", "permitopen", "host:port" },
	{ "permitopen=\"[host]:80\"", "permitopen", "host:port" },
	{ "permitopen=\"a b:80\"", "permitopen", "host:port" },
	{ "permitlisten=\"0\"", "permitlisten", "host:]port" },
	{ "permitlisten=\"host\"", "permitlisten", "host:]port" },
	{ "permitlisten=\"\"", "permitlisten", "host:]port" },
	{ "tunnel=\"x\"", "tunnel", "any" },
	{ "tunnel=\"-1\"", "tunnel", "any" },
	{ "principals=\"\"", "principals", "empty" },
	{ "principals=\"a\",principals=\"b\"", "principals", "more than once" },
	{ "expiry-time=\"\"", "expiry-time", "not a time" },
	{ "expiry-time=\"2030\"", "expiry-time", "not a time" },
	{ "expiry-time=\"2030-01-01\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20300101120\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20301301\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20300100\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20300230\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20290229\"", "expiry-time", "not a time" },
	{ "expiry-time=\"203001012400\"", "expiry-time", "not a time" },
	{ "expiry-time=\"203001011260\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20300101120060\"", "expiry-time", "not a time" },
	{ "expiry-time=\"19700101Z\"", "expiry-time", "not a time" },
	{ "expiry-time=\"+2030101\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20300101X\"", "expiry-time", "not a time" },
	{ "expiry-time=\"20300101ZZ\"", "expiry-time", "not a time" },
	{ "x\x1b[2Jy", "x\\x1b[2Jy", "not known" },
};

static void bad_lines_are_blamed(void **state)
{
	struct err e;

	for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
		char want[64] = "option";

		if (bad_lines[i].blamed)
			snprintf(want, sizeof(want), "option '%s': ", bad_lines[i].blamed);
		if (parse(bad_lines[i].text, &e) != -EINVAL)
			fail_msg("%s: accepted", bad_lines[i].text);
		if (!strstr(e.text, want) || !strstr(e.text, bad_lines[i].why))
			fail_msg("%s: %s", bad_lines[i].text, e.text);
	}
}

/* Every cut of a good line is either an error or less; none reads beyond. */
static void no_cut_is_misread(void **state)
{
	static const char line[] =
		"restrict,pty,from=\"10.0.0.0/8\",command=\"a \\\"b\\\"\",environment=\"A=b\","
		"expiry-time=\"20300101\",permitopen=\"h:1\",permitlisten=\"2\"";
	struct err e;

	for (size_t n = 0; n < sizeof(line) - 1; n++) {
		char *cut = malloc(n + 1);
		int ret;

		memcpy(cut, line, n);
		ret = key_options_parse(cut, n, &o, &e);
		if (ret == 0 && n >= 8 && (o.permit.flags & ~(uint32_t)GATE_MAY_PTY))
			fail_msg("cut at %zu", n);
		free(cut);
	}
	assert_int_equal(key_options_parse("command=\"a\0b\"", 13, &o, &e), -EINVAL);
}

static void lists_have_an_end(void **state)
{
	static char text[400000];
	struct err e;
	char *p = text;

	for (int i = 0; i < 2000; i++)
		p += sprintf(p, "%spermitopen=\"host-number-%d:80\"", i ? "," : "", i);
	assert_int_equal(parse(text, &e), -EINVAL);
	assert_non_null(strstr(e.text, "option 'permitopen': too many"));
	p = text;
	for (int i = 0; i < 2000; i++)
		p += sprintf(p, "%senvironment=\"NAME%d=0123456789\"", i ? "," : "", i);
	assert_int_equal(parse(text, &e), -EINVAL);
	assert_non_null(strstr(e.text, "option 'environment': too many"));
	p = text + sprintf(text, "command=\"");
	memset(p, 'x', 9000);
	strcpy(p + 9000, "\"");
	assert_int_equal(parse(text, &e), -EINVAL);
	assert_non_null(strstr(e.text, "option 'command': too long"));
	memset(p, 'x', 20000);
	strcpy(p + 20000, "\"");
	assert_int_equal(parse(text, &e), -EINVAL);
	assert_non_null(strstr(e.text, "option 'command': too long"));
}

/* --- addresses ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *list, *peer;
	int want;
} addresses[] = {
	{ "10.1.2.3", "10.1.2.3", 1 },
	{ "10.1.2.3", "10.1.2.4", 0 },
	{ "10.0.0.0/8", "10.255.255.255", 1 },
	{ "10.0.0.0/8", "11.0.0.0", 0 },
	{ "10.1.2.3/32", "10.1.2.3", 1 },
	{ "10.1.2.2/31", "10.1.2.3", 1 },
	{ "10.1.2.2/31", "10.1.2.4", 0 },
	{ "0.0.0.0/0", "192.0.2.1", 1 },
	{ "0.0.0.0/0", "2001:db8::1", 0 },
	{ "::/0", "2001:db8::1", 1 },
	{ "::/0", "192.0.2.1", 0 },
	{ "2001:db8::/32", "2001:db8:ffff::1", 1 },
	{ "2001:db8::/32", "2001:db9::1", 0 },
	{ "2001:DB8::1", "2001:db8::1", 1 },
	{ "2001:db8:0:0::1", "2001:db8::1", 1 },
	{ "2001:db8::8000/113", "2001:db8::ffff", 1 },
	{ "2001:db8::8000/113", "2001:db8::7fff", 0 },
	{ "10.1.*", "10.1.2.3", 1 },
	{ "10.1.*", "10.10.2.3", 0 },
	{ "10.1.2.?", "10.1.2.3", 1 },
	{ "10.1.2.?", "10.1.2.33", 0 },
	{ "*", "2001:db8::1", 1 },
	{ "*", "10.0.0.1", 1 },
	{ "2001:DB8:*", "2001:db8::1", 1 },
	{ "!10.1.2.3,10.0.0.0/8", "10.1.2.3", 0 },
	{ "10.0.0.0/8,!10.1.2.3", "10.1.2.3", 0 },
	{ "10.0.0.0/8,!10.1.2.3", "10.1.2.4", 1 },
	{ "10.0.0.0/8,!10.1.0.0/16", "10.1.2.4", 0 },
	{ "10.0.0.0/8,!10.1.*", "10.1.2.4", 0 },
	{ "!10.1.2.3", "10.1.2.4", 0 },
	{ "*,!192.0.2.*", "192.0.2.9", 0 },
	{ "*,!192.0.2.*", "192.0.3.9", 1 },
	{ "host.example.org", "10.1.2.3", 0 },
	{ "host.example.org,10.1.2.3", "10.1.2.3", 1 },
	{ "10.1.2.3,192.0.2.0/24,fd00::/8", "fd12::1", 1 },
	{ " 10.1.2.3", "10.1.2.3", 0 },
	{ "10.1.2.03", "10.1.2.3", 0 },
	{ "", "10.1.2.3", -EINVAL },
	{ ",10.1.2.3", "10.1.2.3", -EINVAL },
	{ "10.1.2.3,,", "10.1.2.3", -EINVAL },
	{ "10.1.2.3/", "10.1.2.3", -EINVAL },
	{ "10.1.2.3/08", "10.1.2.3", -EINVAL },
	{ "10.1.2.3,10.0.0.1/8", "10.1.2.3", -EINVAL },
	{ "10.1.2.3,!name.org", "10.1.2.3", -EINVAL },
	{ "fe80::1%eth0/64", "fe80::1", -EINVAL },
};

static void address_lists_match(void **state)
{
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct ip ip;
		int got, check = addresses[i].want < 0 ? addresses[i].want : 0;

		assert_int_equal(ip_parse(addresses[i].peer, &ip, NULL), 0);
		got = match_address(&ip, addresses[i].list, NULL);
		if (got != addresses[i].want)
			fail_msg("'%s' %s: %d", addresses[i].list, addresses[i].peer, got);
		if (match_address(NULL, addresses[i].list, NULL) != check)
			fail_msg("'%s' alone", addresses[i].list);
	}
}

static void source_lists_match(void **state)
{
	static const struct {
		const char *list;
		int want;
	} cases[] = {
		{ "10.1.2.3", 1 },        { "10.1.2.3,fd00::/8", 1 },
		{ "10.1.2.0/24", 1 },     { "10.1.3.0/24", 0 },
		{ "10.1.*", -EINVAL },    { "!10.1.2.4,10.0.0.0/8", -EINVAL },
		{ "name", -EINVAL },      { "", -EINVAL },
		{ "10.1.2.3,", -EINVAL },
	};
	const struct ip ip = { AF_INET, { 10, 1, 2, 3 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (match_source(&ip, cases[i].list, NULL) != cases[i].want)
			fail_msg("'%s'", cases[i].list);
}

static void patterns_match(void **state)
{
	static const struct {
		const char *text, *pattern;
		bool want;
	} cases[] = {
		{ "", "", true },       { "", "*", true },        { "", "?", false },
		{ "a", "", false },     { "abc", "a*c", true },   { "abc", "a*d", false },
		{ "abc", "***", true }, { "abc", "a?c", true },   { "abc", "a??c", false },
		{ "ABC", "abc", true }, { "aXbXc", "*x?", true }, { "ab", "ab*", true },
		{ "aab", "*ab", true }, { "abab", "*ab", true },  { "abc", "abc?", false },
	};
	char text[4096], pattern[4096];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (match_pattern(cases[i].text, cases[i].pattern) != cases[i].want)
			fail_msg("'%s' '%s'", cases[i].text, cases[i].pattern);
	/* Not exponential: this would take for ever. */
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + 2000, "b", 2);
	assert_false(match_pattern(text, pattern));
	assert_true(match_word("b", "a,b,c"));
	assert_true(match_word("c", "a,b,c"));
	assert_false(match_word("", "a,,c"));
	assert_false(match_word("a,b", "a,b"));
	assert_false(match_word("ab", "a,b,abc"));
}

/* --- use ------------------------------------------------------------------------------------------------------------ */

static uint64_t expiry(const char *text, const char *zone)
{
	char line[64];
	struct err e;

	setenv("TZ", zone, 1);
	tzset();
	snprintf(line, sizeof(line), "expiry-time=\"%s\"", text);
	if (parse(line, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return o.expiry;
}

static void expiry_is_local_or_utc(void **state)
{
	assert_int_equal(expiry("20300101", "UTC0"), 1893456000);
	assert_int_equal(expiry("20300101Z", "EST5EDT"), 1893456000);
	assert_int_equal(expiry("20300101z", "EST5EDT"), 1893456000);
	assert_int_equal(expiry("20300101UTC", "EST5EDT"), 1893456000);
	assert_int_equal(expiry("20300101", "EST5EDT"), 1893456000 + 5 * 3600);
	/* Summer. */
	assert_int_equal(expiry("20300701", "EST5EDT"), 1909094400 + 4 * 3600);
	assert_int_equal(expiry("20300701Z", "EST5EDT"), 1909094400);
	assert_int_equal(expiry("203001011234Z", "UTC0"), 1893456000 + 12 * 3600 + 34 * 60);
	assert_int_equal(expiry("20300101123456Z", "UTC0"), 1893456000 + 12 * 3600 + 34 * 60 + 56);
	assert_int_equal(expiry("203001011234", "CET-1"), 1893456000 + 11 * 3600 + 34 * 60);
	assert_int_equal(expiry("20280229Z", "UTC0"), 1835395200);
	assert_int_equal(expiry("99991231235959Z", "UTC0"), 253402300799);
	/* The earlier of two. */
	assert_int_equal(expiry("20300101Z\",expiry-time=\"20290101Z", "UTC0"), 1861920000);
	assert_int_equal(expiry("20290101Z\",expiry-time=\"20300101Z", "UTC0"), 1861920000);
	unsetenv("TZ");
	tzset();
}

static void expired_and_foreign_are_refused(void **state)
{
	const struct ip peer = { AF_INET, { 10, 1, 2, 3 } }, other = { AF_INET, { 192, 0, 2, 1 } };
	struct err e;

	assert_int_equal(parse("expiry-time=\"20300101Z\"", &e), 0);
	assert_int_equal(key_options_allow(&o, &peer, 0, &e), 0);
	assert_int_equal(key_options_allow(&o, &peer, 1893456000, &e), 0);
	assert_int_equal(key_options_allow(&o, &peer, 1893456001, &e), -EKEYEXPIRED);
	assert_non_null(strstr(e.text, "expiry-time"));
	assert_int_equal(parse("from=\"10.0.0.0/8\"", &e), 0);
	assert_int_equal(key_options_allow(&o, &peer, 0, &e), 0);
	assert_int_equal(key_options_allow(&o, &other, 0, &e), -EACCES);
	assert_non_null(strstr(e.text, "192.0.2.1"));
	/* Both have to agree. */
	strcpy(o.source, "192.0.2.0/24");
	assert_int_equal(key_options_allow(&o, &peer, 0, &e), -EACCES);
	assert_int_equal(key_options_allow(&o, &other, 0, &e), -EACCES);
	o.from[0] = '\0';
	assert_int_equal(key_options_allow(&o, &other, 0, &e), 0);
}

static void certificates_only_narrow(void **state)
{
	static struct key_options cert;
	struct err e;

	key_options_init(&cert);
	cert.permit.flags = GATE_MAY_PTY | GATE_MAY_X11;
	assert_int_equal(parse("restrict,pty,port-forwarding,no-touch-required", &e), 0);
	assert_int_equal(key_options_narrow(&o, &cert, &e), 0);
	assert_int_equal(o.permit.flags, GATE_MAY_PTY);
	assert_false(o.no_touch);
	cert.no_touch = true;
	cert.verified = true;
	strcpy(cert.permit.command, "id");
	assert_int_equal(parse("no-touch-required", &e), 0);
	assert_int_equal(key_options_narrow(&o, &cert, &e), 0);
	assert_true(o.no_touch && o.verified);
	assert_string_equal(o.permit.command, "id");
	assert_int_equal(parse("command=\"id\"", &e), 0);
	assert_int_equal(key_options_narrow(&o, &cert, &e), 0);
	assert_false(o.no_touch);
	assert_int_equal(parse("command=\"ls\"", &e), 0);
	assert_int_equal(key_options_narrow(&o, &cert, &e), -EACCES);
	cert.permit.command[0] = '\0';
	assert_int_equal(parse("command=\"ls\"", &e), 0);
	assert_int_equal(key_options_narrow(&o, &cert, &e), 0);
	assert_string_equal(o.permit.command, "ls");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_add_up),
		cmocka_unit_test(values_are_kept),
		cmocka_unit_test(marks_are_kept),
		cmocka_unit_test(bad_lines_are_blamed),
		cmocka_unit_test(no_cut_is_misread),
		cmocka_unit_test(lists_have_an_end),
		cmocka_unit_test(address_lists_match),
		cmocka_unit_test(source_lists_match),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(expiry_is_local_or_utc),
		cmocka_unit_test(expired_and_foreign_are_refused),
		cmocka_unit_test(certificates_only_narrow),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("key_options", tests, NULL, NULL);
}
