/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: operations on the table of penalties, against a list that is searched from its start.  Input: four bytes per
 * operation: what, source, kind or rules, time that passes.
 */
#include "sshd-gate/listener/penalty.h"

#include <stdlib.h>
#include <string.h>

#define SECOND  UINT64_C(1000000)
#define SOURCES 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

/* What the table should say. */
struct model {
	struct {
		uint64_t until; /* 0 = not in it */
		bool active;
	} v[SOURCES];
	struct ctl_settings rules;
};

static struct ip source(uint32_t i)
{
	struct ip a = { .family = AF_INET, .b = { 10, 0, 0, (uint8_t)i } };

	return a;
}

static uint32_t live(const struct model *m)
{
	uint32_t n = 0;

	for (int i = 0; i < SOURCES; i++)
		n += m->v[i].until != 0;
	return n;
}

static int mildest(const struct model *m)
{
	int best = -1;

	for (int i = 0; i < SOURCES; i++)
		if (m->v[i].until && (best < 0 || m->v[i].until < m->v[best].until))
			best = i;
	return best;
}

static void model_add(struct model *m, uint32_t i, uint32_t cost_s, uint64_t now)
{
	uint64_t until, top = now + m->rules.penalty_max_s * SECOND;

	if (!cost_s || !m->rules.penalty_sources)
		return;
	for (int k = 0; k < SOURCES; k++)
		if (m->v[k].until <= now)
			m->v[k].until = m->v[k].active = 0;
	until = (m->v[i].until ? m->v[i].until : now) + cost_s * SECOND;
	until = until > top ? top : until;
	if (!m->v[i].until && live(m) == m->rules.penalty_sources) {
		int gone = mildest(m);

		if (m->v[gone].until >= until)
			return;
		m->v[gone].until = m->v[gone].active = 0;
	}
	if (until > m->v[i].until)
		m->v[i].until = until;
	if (m->v[i].until - now >= m->rules.penalty_min_s * SECOND)
		m->v[i].active = true;
}

/* Times all differ (see below), so that it is never open which of two is the milder. */
static void model_shrink(struct model *m)
{
	while (live(m) > m->rules.penalty_sources) {
		int gone = mildest(m);

		m->v[gone].until = m->v[gone].active = 0;
	}
}

static void compare(const struct penalty *p, const struct model *m, uint64_t now)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SOURCES; i++) {
		struct ip a = source(i);
		bool want = m->v[i].active && m->v[i].until > now;

		if (penalty_refused(p, &a, now) != want)
			abort();
		n += want;
	}
	if (penalty_count(p, now) != n || p->n > p->cap)
		abort();
}

static void configure(struct penalty *p, struct model *m, uint8_t what)
{
	struct err e;

	m->rules.penalty_sources = what % 20;
	m->rules.penalty_min_s = 1 + what / 16;
	if (penalty_configure(p, &m->rules, 0x9e3779b97f4a7c15, &e) < 0)
		abort();
	model_shrink(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ctl_settings rules = { .source_v4_len = 32,
						   .source_v6_len = 64,
						   .penalty_enable = 1,
						   .penalty_authfail_s = 5,
						   .penalty_noauth_s = 1,
						   .penalty_grace_s = 10,
						   .penalty_refused_s = 7,
						   .penalty_min_s = 8,
						   .penalty_max_s = 1000000,
						   .penalty_sources = 8 };
	static const uint32_t cost[] = { 5, 1, 10, 0, 7 };
	struct penalty p = { 0 };
	struct model m = { .rules = rules };
	uint64_t now = 1000 * SECOND;
	bool fresh;

	configure(&p, &m, 8);
	for (size_t at = 0; at + 4 <= size && at < 4096; at += 4) {
		uint32_t i = data[at + 1] % SOURCES, kind = data[at + 2] % 5;
		struct ip a = source(i);

		now += 1 +
		       data[at + 3] * SECOND / 16; /* at least 1: no two ends alike, as a rule */
		if (data[at] >= 250) {
			/* Those whose time has passed count for nothing when the table shrinks, in the model; make it so. */
			(void)penalty_add(&p, &a, CTL_PENALTY_AUTHFAIL, now, &fresh);
			model_add(&m, i, 5, now);
			configure(&p, &m, data[at + 2]);
		} else {
			(void)penalty_add(&p, &a, (enum ctl_penalty_kind)kind, now, &fresh);
			model_add(&m, i, cost[kind], now);
		}
		compare(&p, &m, now);
	}
	penalty_free(&p);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	uint8_t ops[800];

	for (size_t i = 0; i < sizeof(ops); i++)
		ops[i] = (uint8_t)(i % 4 == 3 ? i / 40 : i * 37 + i / 4 * 11);
	emit("many", ops, sizeof(ops));
	memset(ops, 0, sizeof(ops));
	emit("one-source", ops, 80);
	for (size_t i = 0; i + 4 <= sizeof(ops); i += 4) {
		ops[i] = i % 40 ? 0 : 250;
		ops[i + 1] = (uint8_t)i;
		ops[i + 2] = (uint8_t)(i * 7);
		ops[i + 3] = 1;
	}
	emit("resized", ops, sizeof(ops));
}
