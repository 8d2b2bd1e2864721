/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the lens makes of packets: each is as long as it was, or has grown into its padding, and libssh knows it or refuses
 * it.
 */
#include "../../sshd-gate/session/lens_rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define U32(n) "\0\0\0" n
#define IDS    "\0\0\0\1\0\0\2\0\0\0\3\0"

static struct lens_rewrite_modes modes;

struct bytes {
	const char *p;
	size_t len;
};
#define BYTES(s) ((struct bytes){ s, sizeof(s) - 1 })

static void in(struct bytes from, struct bytes to, size_t room)
{
	uint8_t p[512];
	size_t all = from.len + room;

	memset(p, 0, sizeof(p));
	memcpy(p, from.p, from.len);
	p[all] = 0xa5;
	assert_int_equal(lens_rewrite_in(p, from.len, room, &modes), to.len);
	assert_memory_equal(p, to.p, to.len);
	assert_int_equal(p[all], 0xa5);
}
#define IN(from, to)         in(BYTES(from), BYTES(to), 0)
#define IN_ROOM(n, from, to) in(BYTES(from), BYTES(to), n)
#define SAME(from)           IN(from, from)

static void forwards(void **state)
{
	IN("P" U32("\x1f") "streamlocal-forward@openssh.com\1" U32("\x02") "/s",
	   "P" U32("\x0d") "tcpip-forward\1" U32("\x10") LENS_REWRITE_UNIX "/s" U32("\1"));
	IN("P" U32("\x26") "cancel-streamlocal-forward@openssh.com\1" U32("\x02") "/s",
	   "P" U32("\x14") "cancel-tcpip-forward\1" U32("\x10") LENS_REWRITE_UNIX "/s" U32("\1"));
	IN("Z" U32("\x1e") "direct-streamlocal@openssh.com" IDS U32("\2") "/s" U32("\1") "r" U32(
		   "\7"),
	   "Z" U32("\x0c") "direct-tcpip" IDS U32("\x10") LENS_REWRITE_UNIX "/s" U32("\1")
		   U32("\1") "r" U32("\7"));
	IN("P" U32("\x1c") "no-more-sessions@openssh.com\0",
	   "P" U32("\x0d") "tcpip-forward\0" U32("\x07") LENS_REWRITE_NO_MORE U32("\1"));
	IN_ROOM(4, "P" U32("\x15") "keepalive@openssh.com\1",
		"P" U32("\x0d") "tcpip-forward\1" U32("\3") LENS_REWRITE_KEEPALIVE U32("\1"));
	SAME("P" U32("\x0d") "tcpip-forward\1" U32("\1") "h" U32("\x16"));
	SAME("P" U32("\x0d") "tcpip-forward\1" U32("\0") U32("\1"));
	SAME("P" U32("\x14") "cancel-tcpip-forward\1" U32("\0") U32("\0"));
}

static void agents(void **state)
{
	IN("b" U32("\7") U32("\x1a") "auth-agent-req@openssh.com\1",
	   "b" U32("\7") U32("\x09") "subsystem\1" U32("\x0d") LENS_REWRITE_AGENT);
	IN("b" U32("\7") U32("\x1a") "auth-agent-req@openssh.com\0",
	   "b" U32("\7") U32("\x09") "subsystem\0" U32("\x0d") LENS_REWRITE_AGENT);
	/* Bytes behind it: left to libssh. */
	SAME("b" U32("\7") U32("\x1a") "auth-agent-req@openssh.com\1x");
	/* Not out of a client's own mouth. */
	IN("b" U32("\7") U32("\x09") "subsystem\1" U32("\x0d") LENS_REWRITE_AGENT,
	   "b" U32("\7") U32("\x09") "\xff"
				     "ubsystem\1" U32("\x0d") LENS_REWRITE_AGENT);
	IN("b" U32("\7") U32("\x09") "subsystem\1" U32("\2") "a\0",
	   "b" U32("\7") U32("\x09") "\xff"
				     "ubsystem\1" U32("\2") "a\0");
	SAME("b" U32("\7") U32("\x09") "subsystem\1" U32("\4") "sftp");
}

/* A request of a mark that the session refuses, however long it was. */
static void refused(struct bytes from, size_t room)
{
	static const char mark[] =
		"P" U32("\x0d") "tcpip-forward\1" U32("\2") LENS_REWRITE_REFUSED U32("\1");
	uint8_t p[512];
	size_t len;

	memset(p, 0, sizeof(p));
	memcpy(p, from.p, from.len);
	p[from.len + room] = 0xa5;
	len = lens_rewrite_in(p, from.len, room, &modes);
	assert_int_equal(len, from.len > sizeof(mark) - 1 ? from.len : sizeof(mark) - 1);
	assert_memory_equal(p, mark, sizeof(mark) - 1);
	assert_int_equal(p[from.len + room], 0xa5);
}
#define REFUSED(n, from) refused(BYTES(from), n)

static void refusals(void **state)
{
	/* A path with a NUL, an empty one, bytes after it, one that is cut. */
	REFUSED(0, "P" U32("\x1f") "streamlocal-forward@openssh.com\1" U32("\x02") "/\0");
	REFUSED(0, "P" U32("\x1f") "streamlocal-forward@openssh.com\1" U32("\0"));
	REFUSED(0, "P" U32("\x1f") "streamlocal-forward@openssh.com\1" U32("\1") "/x");
	REFUSED(0, "P" U32("\x1f") "streamlocal-forward@openssh.com\1" U32("\3") "/x");
	/* The marks, ports that libssh would cut, what does not parse. */
	REFUSED(0, "P" U32("\x0d") "tcpip-forward\1" U32("\2") "\1x" U32("\1"));
	REFUSED(0, "P" U32("\x0d") "tcpip-forward\1" U32("\3") LENS_REWRITE_KEEPALIVE U32("\1"));
	REFUSED(0, "P" U32("\x0d") "tcpip-forward\1" U32("\7") LENS_REWRITE_NO_MORE U32("\1"));
	REFUSED(1, "P" U32("\x0d") "tcpip-forward\1" U32("\1") "h\0\1\0\x16");
	REFUSED(4, "P" U32("\x0d") "tcpip-forward\1" U32("\1") "h\0\0\0");
	REFUSED(0, "P" U32("\x14") "cancel-tcpip-forward\1" U32("\1") "\1" U32("\1"));
	/* Unknown ones; the last has no room, and libssh answers it at once. */
	REFUSED(0, "P" U32("\x1c") "no-more-sessions@openssh.com\1x");
	REFUSED(1, "P" U32("\x16") "keepalive@openssh.com\0\1");
	/* Who wants no answer gets none. */
	IN_ROOM(4, "P" U32("\x1d") "hostkeys-prove-00@openssh.com\0",
		"P" U32("\x1d") "\xffostkeys-prove-00@openssh.com\0");
	IN_ROOM(4, "P" U32("\x0d") "tcpip-forward\0" U32("\2") "\1x" U32("\1"),
		"P" U32("\x0d") "\xff"
				"cpip-forward\0" U32("\2") "\1x" U32("\1"));
	REFUSED(0, "P" U32("\x1d") "hostkeys-prove-00@openssh.com\1" U32("\0"));
	REFUSED(13, "P" U32("\x0a") "keep@alive\1");
	IN_ROOM(12, "P" U32("\x0a") "keep@alive\1",
		"P" U32("\x0a") "\xff"
				"eep@alive\1");
	SAME("P" U32("\x0a") "keep@alive");
	IN("Z" U32("\x0c") "direct-tcpip" IDS U32("\2") "\1x" U32("\1") U32("\0") U32("\0"),
	   "Z" U32("\x0c") "\xffirect-tcpip" IDS U32("\2") "\1x" U32("\1") U32("\0") U32("\0"));
	/* NULs. */
	IN("b" U32("\0") U32("\4") "exec\1" U32("\3") "a\0b",
	   "b" U32("\0") U32("\4") "\xffxec\1" U32("\3") "a\0b");
	IN("b" U32("\0") U32("\3") "env\1" U32("\1") "a" U32("\2") "b\0",
	   "b" U32("\0") U32("\3") "\xffnv\1" U32("\1") "a" U32("\2") "b\0");
	IN("b" U32("\0") U32("\5") "exec\0\1" U32("\1") "a",
	   "b" U32("\0") U32("\5") "\xffxec\0\1" U32("\1") "a");
	IN("2" U32("\3") "a\0b", "2" U32("\3") "a\1b");
	SAME("b" U32("\0") U32("\4") "exec\1" U32("\3") "a b");
	SAME("2" U32("\3") "abc");
}

static void terminals(void **state)
{
	static const char req[] = "b" U32("\0") U32("\7") "pty-req\1" U32("\2") "vt" U32("\x50")
		U32("\x18") U32("\0") U32("\0") U32("\6") "\3\0\0\0\x08\0";
	uint8_t p[sizeof(req)], out[LENS_REWRITE_MODES_MAX], *w = p + 1 + 4 + 11 + 1 + 6;
	uint32_t width;

	for (int i = 0; i < LENS_REWRITE_TICKETS + 1; i++) {
		memcpy(p, req, sizeof(req));
		(void)lens_rewrite_in(p, sizeof(req) - 1, 0, &modes);
		width = (uint32_t)w[0] << 24 | (uint32_t)w[1] << 16 | (uint32_t)w[2] << 8 | w[3];
		assert_int_equal(width >> 16, i + 1);
		assert_int_equal(lens_rewrite_modes_of(&modes, &width, out), 6);
		assert_int_equal(width, 80);
		assert_memory_equal(out, "\3\0\0\0\x08\0", 6);
	}
	width = 1 << 16 | 80; /* long overwritten */
	assert_int_equal(lens_rewrite_modes_of(&modes, &width, out), 0);
	assert_int_equal(width, 80);
	IN("b" U32("\5") U32("\x0f") "eow@openssh.com\0",
	   "b" U32("\5") U32("\6") "signal\0" U32("\5") LENS_REWRITE_EOW);
}

static void out(const char *from, size_t n, const char *to, size_t m)
{
	uint8_t p[512];

	assert_int_equal(n, m);
	memcpy(p, from, n);
	lens_rewrite_out(p, n);
	assert_memory_equal(p, to, n);
}
#define OUT(from, to) out(from, sizeof(from) - 1, to, sizeof(to) - 1)

static void to_client(void **state)
{
	OUT("Z" U32("\x0f") "forwarded-tcpip" IDS U32("\x0c") LENS_REWRITE_UNIX_OUT "/s" U32("\0")
		    U32("\0") U32("\0"),
	    "Z" U32("\x21") "forwarded-streamlocal@openssh.com" IDS U32("\2") "/s" U32("\0"));
	OUT("Z" U32("\x0f") "forwarded-tcpip" IDS U32("\1") "h" U32("\1") U32("\0") U32("\0"),
	    "Z" U32("\x0f") "forwarded-tcpip" IDS U32("\1") "h" U32("\1") U32("\0") U32("\0"));
	OUT("b" U32("\5") U32("\x0b") "exit-status\0eow!",
	    "b" U32("\5") U32("\x0f") "eow@openssh.com\0");
	OUT("b" U32("\5") U32("\x0b") "exit-status\0\0\0\0\1",
	    "b" U32("\5") U32("\x0b") "exit-status\0\0\0\0\1");
}

/* An open that failed: libssh's packet, which has no words, becomes nothing, and a debug message of ours takes its place. */
static void failed_opens(void **state)
{
	static const char wordless[] = "\\\xde\xad\0\x07" U32("\1") U32("\0") U32("\0");
	uint8_t p[sizeof(wordless)];
	uint32_t channel = 0;

	memcpy(p, wordless, sizeof(p));
	assert_true(lens_rewrite_hush(p, sizeof(p) - 1, &channel));
	assert_int_equal(channel, 0xdead0007);
	assert_memory_equal(p, "\2" U32("\x0c") "\0\0\0\0\0\0\0\0\0\0\0", sizeof(p) - 1);
	assert_false(lens_rewrite_hush(p, sizeof(p) - 1, &channel));
	/* One that has words is not ours to touch. */
	memcpy(p, wordless, sizeof(p));
	assert_false(lens_rewrite_hush(p, sizeof(p) - 2, &channel));
	OUT("\4\0" U32("\x17") LENS_REWRITE_FAILURE "dead00072refused" U32("\0"),
	    "\\\xde\xad\0\x07" U32("\2") U32("\7") "refused" U32("\x9") "i-default");
	OUT("\4\0" U32("\x10") LENS_REWRITE_FAILURE "000000003" U32("\0"),
	    "\\" U32("\0") U32("\3") U32("\0") U32("\x9") "i-default");
	/* Any other message of that kind is left alone. */
	OUT("\4\0" U32("\xf") LENS_REWRITE_FAILURE "00000000" U32("\0"),
	    "\4\0" U32("\xf") LENS_REWRITE_FAILURE "00000000" U32("\0"));
	OUT("\4\1" U32("\5") "hello" U32("\0"), "\4\1" U32("\5") "hello" U32("\0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwards),  cmocka_unit_test(agents),
		cmocka_unit_test(refusals),  cmocka_unit_test(terminals),
		cmocka_unit_test(to_client), cmocka_unit_test(failed_opens)
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("session lens", tests, NULL, NULL);
}
