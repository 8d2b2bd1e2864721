/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* refuse.c: the bytes of a refusal, and the list of connections that wait for their end. */
#include "sshd-gate/listener/refuse.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Take the packet apart as a client does (RFC 4253 section 6). */
static void check_bytes(const uint8_t *b, size_t n, uint32_t reason, const char *text)
{
	static const char ident[] = "SSH-2.0-OpenSSH_compatible_sshbay\r\n";
	size_t at = strlen(ident), len = strlen(text), pad;

	assert_memory_equal(b, ident, at);
	assert_int_equal(u32(b + at), n - at - 4);
	assert_int_equal((n - at) % 8, 0);
	pad = b[at + 4];
	assert_true(pad >= 4);
	assert_int_equal(n - at, 4 + 1 + (1 + 4 + 4 + len + 4) + pad);
	assert_int_equal(b[at + 5], 1); /* SSH_MSG_DISCONNECT */
	assert_int_equal(u32(b + at + 6), reason);
	assert_int_equal(u32(b + at + 10), len);
	assert_memory_equal(b + at + 14, text, len);
	assert_int_equal(u32(b + at + 14 + len), 0); /* language */
}

static void packet_is_well_formed(void **state)
{
	uint8_t out[DISCONNECT_BYTES_MAX];
	char text[300];

	for (size_t n = 0; n <= 256; n++) {
		memset(text, 'x', n);
		text[n] = 0;
		check_bytes(out, disconnect_packet(DISCONNECT_TOO_MANY, text, out), 12, text);
	}
	check_bytes(out, disconnect_packet(DISCONNECT_BY_APPLICATION, "why", out), 11, "why");
}

static void long_text_is_cut(void **state)
{
	uint8_t out[DISCONNECT_BYTES_MAX];
	char text[1000], cut[257];

	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = 0;
	memset(cut, 'y', 256);
	cut[256] = 0;
	check_bytes(out, disconnect_packet(DISCONNECT_TOO_MANY, text, out), 12, cut);
}

static void client_gets_text_and_end(void **state)
{
	struct refuse_list l = { .n = 0 };
	uint8_t buf[1024];
	size_t n = 0;
	ssize_t got;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	refuse_send(&l, sv[0], DISCONNECT_TOO_MANY, "no", 1000);
	while ((got = read(sv[1], buf + n, sizeof(buf) - n)) > 0)
		n += (size_t)got;
	assert_int_equal(got, 0);
	check_bytes(buf, n, 12, "no");
	assert_int_equal(l.n, 1);
	assert_int_equal(refuse_deadline(&l), 1000 + REFUSE_LINGER_US);
	refuse_expire(&l, NULL, 0, 999 + REFUSE_LINGER_US);
	assert_int_equal(l.n, 1);
	refuse_expire(&l, NULL, 0, 1000 + REFUSE_LINGER_US);
	assert_int_equal(l.n, 0);
	assert_int_equal(close(sv[0]), -1); /* closed already */
	close(sv[1]);
	assert_true(refuse_deadline(&l) == UINT64_MAX);
}

static void who_hangs_up_is_forgotten(void **state)
{
	struct refuse_list l = { .n = 0 };
	struct pollfd p[REFUSE_MAX];
	int sv[3][2];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv[i]), 0);
		refuse_send(&l, sv[i][0], DISCONNECT_TOO_MANY, "no", 0);
	}
	close(sv[1][1]);
	assert_int_equal(refuse_pollfds(&l, p), 3);
	assert_int_equal(poll(p, 3, 0), 1);
	refuse_expire(&l, p, 3, 1);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[0].fd, sv[0][0]);
	assert_int_equal(l.v[1].fd, sv[2][0]);
	refuse_expire(&l, NULL, 0, UINT64_MAX - 1);
	close(sv[0][1]);
	close(sv[2][1]);
}

static void the_oldest_makes_room(void **state)
{
	struct refuse_list l = { .n = 0 };
	int sv[REFUSE_MAX + 2][2];
	char c[512];

	for (int i = 0; i < REFUSE_MAX + 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv[i]), 0);
		refuse_send(&l, sv[i][0], DISCONNECT_TOO_MANY, "no", (uint64_t)i);
	}
	assert_int_equal(l.n, REFUSE_MAX);
	assert_int_equal(l.v[0].fd, sv[2][0]);
	assert_int_equal(write(sv[0][1], "x", 1), -1); /* closed on the other side */
	assert_true(read(sv[0][1], c, sizeof(c)) > 0); /* but the text had been sent */
	refuse_expire(&l, NULL, 0, UINT64_MAX - 1);
	assert_int_equal(l.n, 0);
	for (int i = 0; i < REFUSE_MAX + 2; i++)
		close(sv[i][1]);
}

/* A client that does not read must not block the listener. */
static void full_socket_does_not_block(void **state)
{
	struct refuse_list l = { .n = 0 };
	char junk[4096] = { 0 };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	while (send(sv[0], junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	alarm(5);
	refuse_send(&l, sv[0], DISCONNECT_TOO_MANY, "no", 0);
	alarm(0);
	refuse_expire(&l, NULL, 0, UINT64_MAX - 1);
	close(sv[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_is_well_formed),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(client_gets_text_and_end),
		cmocka_unit_test(who_hangs_up_is_forgotten),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(full_socket_does_not_block),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("refuse", tests, NULL, NULL);
}
