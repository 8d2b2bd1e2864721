/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* admission.c: limits on counts, and what counts as one source. */
#include "sshd-gate/listener/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct ctl_settings usual = {
	.startups_begin = 10,
	.startups_rate = 30,
	.startups_full = 100,
	.per_source = 8,
	.source_v4_len = 32,
	.source_v6_len = 64,
};

static enum admission check(const struct ctl_settings *s, uint32_t startups, uint32_t from_source,
			    uint32_t dice)
{
	struct admission_load load = { startups, from_source, startups, 4096 };

	return admission_check(s, &load, dice);
}

static void below_begin_nobody_is_dropped(void **state)
{
	for (uint32_t n = 0; n < 10; n++)
		assert_int_equal(check(&usual, n, 0, 0), ADMISSION_OK);
}

static void at_full_everybody_is(void **state)
{
	assert_int_equal(check(&usual, 100, 0, 99), ADMISSION_STARTUPS);
	assert_int_equal(check(&usual, 4000, 0, 99), ADMISSION_STARTUPS);
	assert_int_equal(check(&usual, 99, 0, 99), ADMISSION_OK);
}

/* The share of dice that drop, in percent: rate at begin, growing, 100 at full. */
static void in_between_the_share_grows(void **state)
{
	uint32_t last = 0;

	for (uint32_t n = 10; n <= 100; n++) {
		uint32_t dropped = 0;

		for (uint32_t dice = 0; dice < 100; dice++)
			dropped += check(&usual, n, 0, dice) == ADMISSION_STARTUPS;
		assert_true(dropped >= last);
		last = dropped;
		if (n == 10)
			assert_int_equal(dropped, 30);
		if (n == 55)
			assert_int_equal(dropped, 65);
	}
	assert_int_equal(last, 100);
}

static void odd_settings_do_not_divide_by_zero(void **state)
{
	struct ctl_settings s = usual;

	s.startups_begin = s.startups_full = 5;
	assert_int_equal(check(&s, 4, 0, 0), ADMISSION_OK);
	assert_int_equal(check(&s, 5, 0, 99), ADMISSION_STARTUPS);
	s.startups_full = 0;
	assert_int_equal(check(&s, 4000, 0, 0), ADMISSION_OK);
	s = usual;
	s.startups_rate = 100;
	assert_int_equal(check(&s, 10, 0, 99), ADMISSION_STARTUPS);
}

static void a_source_has_its_own_limit(void **state)
{
	struct ctl_settings s = usual;

	assert_int_equal(check(&usual, 8, 7, 0), ADMISSION_OK);
	assert_int_equal(check(&usual, 8, 8, 99), ADMISSION_SOURCE);
	s.per_source = 0;
	assert_int_equal(check(&s, 9, 9, 0), ADMISSION_OK);
}

static void the_table_is_finite(void **state)
{
	struct admission_load load = { 0, 0, 4096, 4096 };

	assert_int_equal(admission_check(&usual, &load, 99), ADMISSION_FULL);
	load.all--;
	assert_int_equal(admission_check(&usual, &load, 99), ADMISSION_OK);
}

static bool same(const struct ctl_settings *s, const char *a, const char *b)
{
	struct ip ia, ib;
	struct ipnet na, nb;

	assert_int_equal(ip_parse(a, &ia, NULL), 0);
	assert_int_equal(ip_parse(b, &ib, NULL), 0);
	na = admission_source(s, &ia);
	nb = admission_source(s, &ib);
	return admission_same_source(&na, &nb);
}

static void prefixes_make_sources(void **state)
{
	struct ctl_settings s = usual;

	assert_true(same(&s, "192.0.2.1", "192.0.2.1"));
	assert_false(same(&s, "192.0.2.1", "192.0.2.2"));
	assert_true(same(&s, "2001:db8::1", "2001:db8::2"));
	assert_false(same(&s, "2001:db8::1", "2001:db8:0:1::1"));
	s.source_v4_len = 25;
	assert_true(same(&s, "192.0.2.1", "192.0.2.127"));
	assert_false(same(&s, "192.0.2.127", "192.0.2.128"));
	s.source_v4_len = 0;
	assert_true(same(&s, "192.0.2.1", "198.51.100.1"));
	s.source_v6_len = 0;
	assert_false(same(&s, "192.0.2.1", "2001:db8::1"));
	s.source_v6_len = 61;
	assert_true(same(&s, "2001:db8:0:7::1", "2001:db8::1"));
	assert_false(same(&s, "2001:db8:0:8::1", "2001:db8::1"));
	s.source_v4_len = 200; /* longer than an address */
	assert_false(same(&s, "192.0.2.1", "192.0.2.2"));
}

static void every_refusal_has_words(void **state)
{
	assert_null(admission_text(ADMISSION_OK));
	assert_string_equal(admission_text(ADMISSION_STARTUPS),
			    "sshbay: too many unauthenticated connections, try again");
	assert_non_null(admission_text(ADMISSION_SOURCE));
	assert_non_null(admission_text(ADMISSION_FULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_begin_nobody_is_dropped),
		cmocka_unit_test(at_full_everybody_is),
		cmocka_unit_test(in_between_the_share_grows),
		cmocka_unit_test(odd_settings_do_not_divide_by_zero),
		cmocka_unit_test(a_source_has_its_own_limit),
		cmocka_unit_test(the_table_is_finite),
		cmocka_unit_test(prefixes_make_sources),
		cmocka_unit_test(every_refusal_has_words),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
