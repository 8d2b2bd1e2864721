/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where libssh's state is learnt, when it is lent, and that output which waits is not slept over.  Numbers in a block of
 * memory stand in for libssh's session object.
 */
#include "../../sshd-gate/session/lens.h"
#include "../../sshd-gate/session/pump.h"
#include "../../sshd-gate/session/rekey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libssh/libssh.h>

#define N     64
#define STATE 23

static int *object;
static uint32_t window;

/* What loop.c has for the process. */
void session_end(struct session *session, const char *fmt, ...)
{
	fail();
}

/* In place of libssh's. */
uint32_t ssh_channel_window_size(ssh_channel c)
{
	return window;
}

static struct ssh_session_struct *as_session(void)
{
	return (struct ssh_session_struct *)(void *)object;
}

/* Two other numbers go part of the way with it. */
static bool learn(int other)
{
	for (int i = 0; i < N; i++)
		object[i] = i % 5;
	object[STATE] = object[40] = object[41] = 0;
	(void)rekey_learn(as_session(), REKEY_NEW);
	object[STATE] = object[40] = object[41] = 7;
	(void)rekey_learn(as_session(), REKEY_KEYED);
	object[STATE] = 8;
	object[41] = other;
	return rekey_learn(as_session(), REKEY_LOGGED_IN);
}

static int fresh(void **state)
{
	object = calloc(N, sizeof(*object));
	assert_non_null(object);
	assert_true(learn(7));
	return 0;
}

static int done(void **state)
{
	rekey_serve(as_session());
	free(object);
	return 0;
}

static void a_channel_message_is_let_through(void **state)
{
	rekey_serve(as_session());
	rekey_packet_in(20);
	object[STATE] = 6;
	rekey_packet_in(94);
	assert_int_equal(object[STATE], 8);
	/* The exchange's own messages find it as it was, */
	rekey_packet_in(30);
	assert_int_equal(object[STATE], 6);
	rekey_packet_in(100);
	assert_int_equal(object[STATE], 8);
	/* and so does whoever calls libssh next. */
	rekey_settle();
	assert_int_equal(object[STATE], 6);
	rekey_packet_in(80);
	assert_int_equal(object[STATE], 8);
	/* A connection that is broken meanwhile stays so. */
	object[STATE] = 9;
	rekey_settle();
	assert_int_equal(object[STATE], 9);
}

static void nothing_else_is(void **state)
{
	static const uint8_t types[] = { 1, 2, 4, 5, 6, 20, 21, 30, 50, 52, 79, 101, 255 };

	rekey_serve(as_session());
	object[STATE] = 6;
	for (size_t i = 0; i < sizeof(types); i++) {
		rekey_packet_in(types[i]);
		assert_int_equal(object[STATE], 6);
	}
	for (int v = 0; v < 11; v++) {
		object[STATE] = v;
		rekey_packet_in(94);
		assert_int_equal(object[STATE], v == 6 ? 8 : v);
		rekey_settle();
		assert_int_equal(object[STATE], v);
	}
}

static void not_before_the_login(void **state)
{
	object[STATE] = 6;
	rekey_packet_in(94);
	assert_int_equal(object[STATE], 6);
	/* It says that it is logged in, and libssh says no. */
	object[STATE] = 7;
	rekey_serve(as_session());
	object[STATE] = 6;
	rekey_packet_in(94);
	assert_int_equal(object[STATE], 6);
	rekey_packet_out(20);
	assert_false(rekey_is_on());
}

static void two_such_places_are_none(void **state)
{
	assert_false(learn(8));
	rekey_serve(as_session());
	object[STATE] = object[41] = 6;
	rekey_packet_in(94);
	assert_int_equal(object[STATE], 6);
	assert_int_equal(object[41], 6);
}

static void it_lasts_from_our_kexinit_to_the_clients_newkeys(void **state)
{
	rekey_serve(as_session());
	assert_false(rekey_is_on());
	rekey_packet_out(94);
	assert_false(rekey_is_on());
	rekey_packet_out(20);
	rekey_packet_out(21);
	rekey_packet_in(30);
	assert_true(rekey_is_on());
	rekey_packet_in(21);
	assert_false(rekey_is_on());
}

/* The window may open, and an exchange end, while another channel is written to: nothing else will wake the loop. */
static void output_that_waits_is_not_slept_over(void **state)
{
	static int channel;
	struct session s = { 0 };
	struct chan c = { .state = CHAN_RUNNING,
			  .ssh = (struct ssh_channel_struct *)(void *)&channel,
			  .in = -1,
			  .out.fd = -1,
			  .err.fd = -1,
			  .in_blocked = true };

	lens_reset(true);
	rekey_serve(as_session());
	window = 0;
	pump_text(&c.out, "x", 1);
	assert_false(pump_pending(&s, &c));
	window = 1;
	assert_true(pump_pending(&s, &c));
	s.write_pending = true;
	assert_false(pump_pending(&s, &c));
	s.write_pending = false;
	rekey_packet_out(20);
	assert_false(pump_pending(&s, &c));
	rekey_packet_in(21);
	assert_true(pump_pending(&s, &c));
	c.remote_closed = true;
	assert_false(pump_pending(&s, &c));
	pump_close_output(&c);
	lens_reset(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_channel_message_is_let_through, fresh, done),
		cmocka_unit_test_setup_teardown(nothing_else_is, fresh, done),
		cmocka_unit_test_setup_teardown(not_before_the_login, fresh, done),
		cmocka_unit_test_setup_teardown(two_such_places_are_none, fresh, done),
		cmocka_unit_test_setup_teardown(it_lasts_from_our_kexinit_to_the_clients_newkeys,
						fresh, done),
		cmocka_unit_test_setup_teardown(output_that_waits_is_not_slept_over, fresh, done),
	};

	return cmocka_run_group_tests_name("key re-exchange", tests, NULL, NULL);
}
