/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * krl.c: what ssh-keygen does not write when it is asked to, and the edges of what it does.  Lists that it makes are in
 * test_cert.c.
 */
#include "krl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Any authority's certificates with serial numbers from `low` to `high`, both included. */
static int in_range(uint32_t low, uint32_t high, uint64_t serial)
{
	uint8_t list[128];
	struct wire_out o = { list, 0, sizeof(list), false };
	const struct krl_subject s = { .key = { list, 1 }, .ca = { list, 1 }, .serial = serial };

	wire_put(&o, "SSHKRL\n\0\0\0\0\1", 12);
	for (int i = 0; i < 8; i++)
		wire_put_u32(&o, 0);
	wire_put(&o, "\1\0\0\0\x1d\0\0\0\0\0\0\0\0\x21\0\0\0\x10\0\0\0\0", 22);
	wire_put_u32(&o, low);
	wire_put_u32(&o, 0);
	wire_put_u32(&o, high);
	return krl_revokes(list, o.n, &s, NULL);
}

static void krl_ranges_have_edges(void **state)
{
	assert_int_equal(in_range(10, 42, 9), 0);
	assert_int_equal(in_range(10, 42, 10), 1);
	assert_int_equal(in_range(10, 42, 42), 1);
	assert_int_equal(in_range(10, 42, 43), 0);
	assert_int_equal(in_range(10, 42, UINT64_C(0x10000000a)), 0);
	/* 0 is no serial number. */
	assert_int_equal(in_range(0, 42, 0), 0);
	assert_int_equal(in_range(0, 42, 1), 1);
	assert_int_equal(in_range(42, 10, 20), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(krl_ranges_have_edges),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("krl", tests, NULL, NULL);
}
