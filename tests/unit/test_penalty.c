/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* penalty.c: what adds up, what passes, who is forgotten. */
#include "sshd-gate/listener/penalty.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S UINT64_C(1000000)

static const struct ctl_settings usual = {
	.source_v4_len = 32,
	.source_v6_len = 64,
	.penalty_enable = 1,
	.penalty_authfail_s = 5,
	.penalty_noauth_s = 1,
	.penalty_grace_s = 10,
	.penalty_crash_s = 90,
	.penalty_refused_s = 10,
	.penalty_min_s = 15,
	.penalty_max_s = 600,
	.penalty_sources = 16,
	.penalty_exempt = "127.0.0.1/32,10.0.0.0/8",
};

static struct ip addr(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static struct ip nth(uint32_t n)
{
	struct ip a = { .family = AF_INET, .b = { 192, 168, (uint8_t)(n >> 8), (uint8_t)n } };

	return a;
}

static void configure(struct penalty *p, const struct ctl_settings *s)
{
	struct err e = { 0 };

	if (penalty_configure(p, s, 0x1234567890abcdef, &e) < 0)
		fail_msg("%s", e.text);
}

static uint32_t add(struct penalty *p, struct ip a, enum ctl_penalty_kind kind, uint64_t now)
{
	bool fresh;

	return penalty_add(p, &a, kind, now, &fresh);
}

static void sums_up_to_refusal_and_passes(void **state)
{
	struct penalty p = { 0 };
	struct ip a = addr("192.0.2.1"), b = addr("192.0.2.2");
	bool fresh;

	configure(&p, &usual);
	assert_int_equal(penalty_add(&p, &a, CTL_PENALTY_AUTHFAIL, 100 * S, &fresh), 5);
	assert_false(fresh);
	assert_int_equal(penalty_add(&p, &a, CTL_PENALTY_AUTHFAIL, 100 * S, &fresh), 10);
	assert_false(fresh);
	assert_false(penalty_refused(&p, &a, 100 * S));
	assert_int_equal(penalty_add(&p, &a, CTL_PENALTY_AUTHFAIL, 100 * S, &fresh), 15);
	assert_true(fresh);
	assert_true(penalty_refused(&p, &a, 100 * S));
	assert_false(penalty_refused(&p, &b, 100 * S));
	assert_int_equal(penalty_count(&p, 100 * S), 1);
	/* Refused until it has passed completely, not only until it is below the threshold. */
	assert_true(penalty_refused(&p, &a, 115 * S - 1));
	assert_false(penalty_refused(&p, &a, 115 * S));
	assert_int_equal(penalty_count(&p, 115 * S), 0);
	/* And then it begins anew. */
	assert_int_equal(penalty_add(&p, &a, CTL_PENALTY_GRACE, 116 * S, &fresh), 10);
	assert_false(fresh);
	assert_false(penalty_refused(&p, &a, 116 * S));
	penalty_free(&p);
}

static void decays_between(void **state)
{
	struct penalty p = { 0 };
	struct ip a = addr("192.0.2.1");

	configure(&p, &usual);
	for (uint64_t t = 0; t < 100; t++) {
		/* One failure in five seconds never adds up. */
		assert_int_equal(add(&p, a, CTL_PENALTY_AUTHFAIL, t * 5 * S), 5);
		assert_false(penalty_refused(&p, &a, t * 5 * S));
	}
	assert_int_equal(add(&p, a, CTL_PENALTY_AUTHFAIL, 497 * S), 8);
	penalty_free(&p);
}

static void every_kind_costs_its_own(void **state)
{
	static const uint32_t want[] = { 5, 1, 10, 90, 10 };
	struct penalty p = { 0 };
	struct ctl_settings none = usual;

	configure(&p, &usual);
	for (uint32_t k = 0; k < 5; k++)
		assert_int_equal(add(&p, nth(k), (enum ctl_penalty_kind)k, S), want[k]);
	none.penalty_noauth_s = 0;
	configure(&p, &none);
	assert_int_equal(add(&p, nth(9), CTL_PENALTY_NOAUTH, S), 0);
	penalty_free(&p);
}

static void capped_at_max(void **state)
{
	struct penalty p = { 0 };
	struct ip a = addr("2001:db8::1"), same = addr("2001:db8::ffff"),
		  other = addr("2001:db8:0:1::1");

	configure(&p, &usual);
	for (int i = 0; i < 1000; i++)
		(void)add(&p, a, CTL_PENALTY_CRASH, 7 * S);
	assert_int_equal(add(&p, a, CTL_PENALTY_CRASH, 7 * S), 600);
	assert_true(penalty_refused(&p, &same, 606 * S)); /* one /64 */
	assert_false(penalty_refused(&p, &other, 8 * S));
	assert_false(penalty_refused(&p, &a, 607 * S));
	penalty_free(&p);
}

static void exempt_and_disabled(void **state)
{
	struct ctl_settings s = usual;
	struct penalty p = { 0 };
	struct ip a = addr("127.0.0.1"), b = addr("10.255.0.1"), c = addr("127.0.0.2");

	assert_int_equal(add(&p, c, CTL_PENALTY_CRASH, S), 0); /* never configured */
	assert_false(penalty_refused(&p, &c, S));
	configure(&p, &usual);
	assert_int_equal(add(&p, a, CTL_PENALTY_CRASH, S), 0);
	assert_int_equal(add(&p, b, CTL_PENALTY_CRASH, S), 0);
	assert_int_equal(add(&p, c, CTL_PENALTY_CRASH, S), 90);
	assert_true(penalty_refused(&p, &c, S));
	/* Exempted, or everything off: at once. */
	strcpy(s.penalty_exempt, "127.0.0.0/8");
	configure(&p, &s);
	assert_false(penalty_refused(&p, &c, S));
	s = usual;
	s.penalty_enable = 0;
	configure(&p, &s);
	assert_false(penalty_refused(&p, &c, S));
	assert_int_equal(penalty_count(&p, S), 0);
	assert_int_equal(add(&p, c, CTL_PENALTY_CRASH, S), 0);
	/* And what is remembered counts again. */
	configure(&p, &usual);
	assert_true(penalty_refused(&p, &c, S));
	penalty_free(&p);
}

static void bad_rules_change_nothing(void **state)
{
	struct ctl_settings s = usual;
	struct penalty p = { 0 };
	struct ip c = addr("127.0.0.2");
	struct err e = { 0 };

	configure(&p, &usual);
	(void)add(&p, c, CTL_PENALTY_CRASH, S);
	strcpy(s.penalty_exempt, "127.0.0.0/8,nonsense");
	assert_int_equal(penalty_configure(&p, &s, 1, &e), -EINVAL);
	assert_true(penalty_refused(&p, &c, S));
	s.penalty_exempt[0] = 0;
	for (int i = 0; i < CTL_EXEMPT_MAX + 1; i++)
		strcat(s.penalty_exempt, "1.1.1.1/32,");
	assert_int_equal(penalty_configure(&p, &s, 1, &e), -EINVAL);
	assert_true(penalty_refused(&p, &c, S));
	penalty_free(&p);
}

/* A flood of sources costs no more memory; the severe ones stay. */
static void a_full_table_forgets_the_mildest(void **state)
{
	struct penalty p = { 0 };
	struct ip mild = nth(9999);

	configure(&p, &usual);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(add(&p, nth(i), CTL_PENALTY_CRASH, S), 90);
	for (uint32_t i = 100; i < 5000; i++) {
		(void)add(&p, nth(i), CTL_PENALTY_AUTHFAIL, S + i);
		assert_true(p.n <= 16);
	}
	for (uint32_t i = 0; i < 8; i++) {
		struct ip a = nth(i);

		assert_true(penalty_refused(&p, &a, S));
	}
	/* Full of crashes, a mild one is not remembered at all. */
	for (uint32_t i = 8; i < 16; i++)
		assert_int_equal(add(&p, nth(i), CTL_PENALTY_CRASH, S), 90);
	assert_int_equal(add(&p, mild, CTL_PENALTY_NOAUTH, S), 0);
	assert_int_equal(p.n, 16);
	/* Their time makes room. */
	assert_int_equal(add(&p, mild, CTL_PENALTY_NOAUTH, 92 * S), 1);
	assert_int_equal(p.n, 1);
	penalty_free(&p);
}

/* A smaller table keeps the severest, a larger one everybody; other prefixes forget. */
static void resized(void **state)
{
	struct ctl_settings s = usual;
	struct penalty p = { 0 };
	struct ip a = nth(3), b = nth(77);

	s.penalty_sources = 64;
	configure(&p, &s);
	for (uint32_t i = 0; i < 64; i++)
		(void)add(&p, nth(i), i == 3 ? CTL_PENALTY_CRASH : CTL_PENALTY_AUTHFAIL, S);
	configure(&p, &usual);
	assert_int_equal(p.n, 16);
	assert_true(penalty_refused(&p, &a, S));
	s.penalty_sources = 65536;
	configure(&p, &s);
	assert_int_equal(p.n, 16);
	assert_true(penalty_refused(&p, &a, S));
	assert_int_equal(add(&p, b, CTL_PENALTY_CRASH, S), 90);
	s.source_v4_len = 24;
	configure(&p, &s);
	assert_false(penalty_refused(&p, &a, S));
	penalty_free(&p);
}

/* Against a table that is a plain list, with random sources and times. */
#define MODEL 40
static void like_a_simple_model(void **state)
{
	struct ctl_settings s = usual;
	struct penalty p = { 0 };
	uint64_t until[MODEL] = { 0 }, now = S;
	bool active[MODEL] = { false };

	s.penalty_sources = MODEL;
	configure(&p, &s);
	srandom(7);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = (uint32_t)random() % MODEL;
		enum ctl_penalty_kind k = (enum ctl_penalty_kind)(random() % 5);
		static const uint32_t costs[] = { 5, 1, 10, 90, 10 };
		struct ip a;

		now += (uint64_t)random() % (3 * S);
		for (uint32_t m = 0; m < MODEL; m++)
			if (until[m] <= now)
				until[m] = 0, active[m] = false;
		until[i] = (until[i] ? until[i] : now) + costs[k] * S;
		if (until[i] > now + 600 * S)
			until[i] = now + 600 * S;
		active[i] |= until[i] - now >= 15 * S;
		assert_int_equal(add(&p, nth(i), k, now), (until[i] - now + S - 1) / S);
		a = nth((uint32_t)random() % MODEL);
		i = a.b[3];
		assert_int_equal(penalty_refused(&p, &a, now), active[i] && until[i] > now);
	}
	penalty_free(&p);
}

static void the_worst_are_listed(void **state)
{
	struct penalty p = { 0 };
	struct penalty_source worst[4];
	char text[IP_TEXT_MAX];

	configure(&p, &usual);
	assert_int_equal(penalty_worst(&p, 0, worst, 4), 0);
	/* Five refused, each a little longer than the one before; one that has not enough. */
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(add(&p, nth(i), CTL_PENALTY_CRASH, (100 + i) * S), 90);
	assert_int_equal(add(&p, nth(9), CTL_PENALTY_AUTHFAIL, 104 * S), 5);
	assert_int_equal(penalty_worst(&p, 104 * S, worst, 4), 4);
	for (uint32_t i = 0; i < 4; i++) {
		struct ip want = nth(4 - i);

		assert_int_equal(worst[i].left_s, 90 - i);
		assert_true(ip_equal(&worst[i].source.addr, &want));
	}
	assert_string_equal(ip_net_text(&worst[0].source, text, sizeof(text)), "192.168.0.4/32");
	assert_int_equal(penalty_worst(&p, 191 * S, worst, 4), 3);
	penalty_free(&p);
}

static void lifted_ones_are_forgotten(void **state)
{
	struct penalty p = { 0 };
	struct penalty_source worst[16];
	struct ipnet net;
	struct ip six = addr("2001:db8:1:2::5");

	configure(&p, &usual);
	for (uint32_t i = 0; i < 8; i++)
		(void)add(&p, nth(i), CTL_PENALTY_CRASH, 100 * S);
	(void)add(&p, nth(8), CTL_PENALTY_AUTHFAIL, 100 * S);
	(void)add(&p, six, CTL_PENALTY_CRASH, 100 * S);
	assert_int_equal(penalty_count(&p, 100 * S), 9);
	/* One that is not there, one address, a network, an address inside of a source. */
	assert_int_equal(ip_parse_net("192.0.2.1/32", &net, NULL), 0);
	assert_int_equal(penalty_lift(&p, &net, 100 * S), 0);
	assert_int_equal(ip_parse_net("192.168.0.5/32", &net, NULL), 0);
	assert_int_equal(penalty_lift(&p, &net, 100 * S), 1);
	{
		struct ip five = nth(5), four = nth(4);

		assert_false(penalty_refused(&p, &five, 100 * S));
		assert_true(penalty_refused(&p, &four, 100 * S));
		/* It begins anew. */
		assert_int_equal(add(&p, five, CTL_PENALTY_AUTHFAIL, 100 * S), 5);
	}
	assert_int_equal(ip_parse_net("192.168.0.0/30", &net, NULL), 0);
	assert_int_equal(penalty_lift(&p, &net, 100 * S), 4);
	assert_int_equal(ip_parse_net("2001:db8:1:2::7/128", &net, NULL), 0);
	assert_int_equal(penalty_lift(&p, &net, 100 * S), 1);
	assert_false(penalty_refused(&p, &six, 100 * S));
	assert_int_equal(penalty_worst(&p, 100 * S, worst, 16), 3);
	/* All: also what was not yet enough to be refused. */
	assert_int_equal(penalty_lift(&p, NULL, 100 * S), 3);
	assert_int_equal(p.n, 0);
	assert_int_equal(add(&p, nth(8), CTL_PENALTY_AUTHFAIL, 100 * S), 5);
	penalty_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_up_to_refusal_and_passes),
		cmocka_unit_test(decays_between),
		cmocka_unit_test(every_kind_costs_its_own),
		cmocka_unit_test(capped_at_max),
		cmocka_unit_test(exempt_and_disabled),
		cmocka_unit_test(bad_rules_change_nothing),
		cmocka_unit_test(a_full_table_forgets_the_mildest),
		cmocka_unit_test(resized),
		cmocka_unit_test(the_worst_are_listed),
		cmocka_unit_test(lifted_ones_are_forgotten),
		cmocka_unit_test(like_a_simple_model),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("penalty", tests, NULL, NULL);
}
