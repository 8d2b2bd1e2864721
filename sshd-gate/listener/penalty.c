/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See penalty.h.  An entry is the moment at which a source's time has passed: what is left decays by itself.  A heap
 * orders entries by that moment, so that expired ones and, in a full table, the mildest are found at its top.
 */
#include "penalty.h"

#include <stdlib.h>
#include <string.h>

#include "admission.h"
#include "base/str.h"

#define SECOND UINT64_C(1000000)
#define NONE   UINT32_MAX

struct penalty_entry {
	struct ipnet source;
	uint64_t until_us;
	uint32_t next; /* in its chain, NONE = last */
	uint32_t at;   /* its place in the heap */
	bool active;   /* refused until until_us */
};

static uint32_t bucket_of(const struct penalty *p, const struct ipnet *s)
{
	uint64_t h = p->seed ^ s->addr.family ^ ((uint64_t)s->plen << 8), part;

	for (unsigned int i = 0; i < sizeof(s->addr.b); i += sizeof(part)) {
		memcpy(&part, s->addr.b + i, sizeof(part));
		h = (h ^ part) * UINT64_C(0x9e3779b97f4a7c15);
		h = (h ^ (h >> 32)) * (p->seed | 1);
		h ^= h >> 29;
	}
	return (uint32_t)(h % p->nbuckets);
}

static void place(struct penalty *p, uint32_t at, uint32_t i)
{
	p->heap[at] = i;
	p->v[i].at = at;
}

static uint64_t until_at(const struct penalty *p, uint32_t at)
{
	return p->v[p->heap[at]].until_us;
}

static void sift_up(struct penalty *p, uint32_t at)
{
	uint32_t i = p->heap[at];

	for (; at && until_at(p, (at - 1) / 2) > p->v[i].until_us; at = (at - 1) / 2)
		place(p, at, p->heap[(at - 1) / 2]);
	place(p, at, i);
}

static void sift_down(struct penalty *p, uint32_t at)
{
	uint32_t i = p->heap[at];

	for (uint32_t child; (child = 2 * at + 1) < p->n; at = child) {
		if (child + 1 < p->n && until_at(p, child + 1) < until_at(p, child))
			child++;
		if (until_at(p, child) >= p->v[i].until_us)
			break;
		place(p, at, p->heap[child]);
	}
	place(p, at, i);
}

static uint32_t find(const struct penalty *p, const struct ipnet *s)
{
	uint32_t i;

	if (p->n == 0)
		return NONE;
	for (i = p->buckets[bucket_of(p, s)]; i != NONE; i = p->v[i].next)
		if (admission_same_source(&p->v[i].source, s))
			break;
	return i;
}

static void unchain(struct penalty *p, uint32_t i)
{
	uint32_t *at = &p->buckets[bucket_of(p, &p->v[i].source)];

	while (*at != i)
		at = &p->v[*at].next;
	*at = p->v[i].next;
}

static void chain(struct penalty *p, uint32_t i)
{
	uint32_t *head = &p->buckets[bucket_of(p, &p->v[i].source)];

	p->v[i].next = *head;
	*head = i;
}

/* Remove the top of the heap; the last entry of v takes its slot, so that v stays dense. */
static void forget_mildest(struct penalty *p)
{
	uint32_t gone = p->heap[0], last = --p->n;

	unchain(p, gone);
	if (last) {
		place(p, 0, p->heap[last]);
		sift_down(p, 0);
	}
	if (gone == last)
		return;
	unchain(p, last);
	p->v[gone] = p->v[last];
	p->heap[p->v[gone].at] = gone;
	chain(p, gone);
}

static uint32_t insert(struct penalty *p, const struct ipnet *source, uint64_t until_us)
{
	uint32_t i = p->n++;

	p->v[i] = (struct penalty_entry){ .source = *source, .until_us = until_us };
	chain(p, i);
	place(p, i, i);
	sift_up(p, i);
	return i;
}

static uint32_t cost(const struct ctl_settings *r, enum ctl_penalty_kind kind)
{
	switch (kind) {
	case CTL_PENALTY_AUTHFAIL:
		return r->penalty_authfail_s;
	case CTL_PENALTY_NOAUTH:
		return r->penalty_noauth_s;
	case CTL_PENALTY_GRACE:
		return r->penalty_grace_s;
	case CTL_PENALTY_CRASH:
		return r->penalty_crash_s;
	case CTL_PENALTY_REFUSED:
		return r->penalty_refused_s;
	}
	return 0;
}

static bool exempt(const struct penalty *p, const struct ip *peer)
{
	for (uint32_t i = 0; i < p->nexempt; i++)
		if (ip_in_net(peer, &p->exempt[i]))
			return true;
	return false;
}

uint32_t penalty_add(struct penalty *p, const struct ip *peer, enum ctl_penalty_kind kind,
		     uint64_t now_us, bool *fresh)
{
	const struct ctl_settings *r = &p->rules;
	uint64_t add = cost(r, kind) * SECOND, top = now_us + r->penalty_max_s * SECOND, until;
	struct ipnet source;
	uint32_t i;

	*fresh = false;
	if (!add || !p->cap || !r->penalty_enable || exempt(p, peer))
		return 0;
	while (p->n && until_at(p, 0) <= now_us)
		forget_mildest(p);
	source = admission_source(r, peer);
	i = find(p, &source);
	until = (i == NONE ? now_us : p->v[i].until_us) + add;
	if (until > top)
		until = top;
	if (i == NONE) {
		if (p->n == p->cap && until_at(p, 0) >= until)
			return 0;
		if (p->n == p->cap)
			forget_mildest(p);
		i = insert(p, &source, until);
	} else if (until > p->v[i].until_us) {
		p->v[i].until_us = until;
		sift_down(p, p->v[i].at);
	}
	until = p->v[i].until_us;
	*fresh = !p->v[i].active && until - now_us >= r->penalty_min_s * SECOND;
	p->v[i].active |= *fresh;
	return (uint32_t)((until - now_us + SECOND - 1) / SECOND);
}

bool penalty_refused(const struct penalty *p, const struct ip *peer, uint64_t now_us)
{
	struct ipnet source;
	uint32_t i;

	if (!p->n || !p->rules.penalty_enable || exempt(p, peer))
		return false;
	source = admission_source(&p->rules, peer);
	i = find(p, &source);
	return i != NONE && p->v[i].active && p->v[i].until_us > now_us;
}

uint32_t penalty_count(const struct penalty *p, uint64_t now_us)
{
	uint32_t n = 0;

	for (uint32_t i = 0; p->rules.penalty_enable && i < p->n; i++)
		n += p->v[i].active && p->v[i].until_us > now_us;
	return n;
}

uint32_t penalty_worst(const struct penalty *p, uint64_t now_us, struct penalty_source *out,
		       uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; p->rules.penalty_enable && i < p->n; i++) {
		const struct penalty_entry *v = &p->v[i];
		struct penalty_source s = { v->source, 0 };
		uint32_t at = n;

		if (!v->active || v->until_us <= now_us)
			continue;
		s.left_s = (uint32_t)((v->until_us - now_us + SECOND - 1) / SECOND);
		while (at && out[at - 1].left_s < s.left_s)
			at--;
		if (at == max)
			continue;
		n += n < max;
		memmove(&out[at + 1], &out[at], (n - 1 - at) * sizeof(*out));
		out[at] = s;
	}
	return n;
}

static bool touches(const struct ipnet *source, const struct ipnet *net)
{
	return source->plen < net->plen ? ip_in_net(&net->addr, source)
					: ip_in_net(&source->addr, net);
}

uint32_t penalty_lift(struct penalty *p, const struct ipnet *net, uint64_t now_us)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		if (net && !touches(&p->v[i].source, net))
			continue;
		refused += p->v[i].active && p->v[i].until_us > now_us;
		p->v[i].until_us = 0;
		sift_up(p, p->v[i].at);
	}
	while (p->n && until_at(p, 0) == 0)
		forget_mildest(p);
	return refused;
}

static int parse_exempt(const char *list, struct penalty *p, struct err *e)
{
	char text[CTL_EXEMPT_TEXT], *rest = text, *word;

	(void)str_copy(text, sizeof(text), list);
	p->nexempt = 0;
	while ((word = strsep(&rest, ","))) {
		if (!*word)
			continue;
		if (p->nexempt == CTL_EXEMPT_MAX)
			return err_set(e, EINVAL, "exempt '%s': too many networks", list);
		if (ip_parse_net(word, &p->exempt[p->nexempt++], e) < 0)
			return -EINVAL;
	}
	return 0;
}

/* An empty table of this size. */
static int allocate(struct penalty *p, uint32_t cap, struct err *e)
{
	p->n = 0;
	p->cap = p->nbuckets = cap;
	p->v = calloc(cap, sizeof(*p->v));
	p->heap = calloc(cap, sizeof(*p->heap));
	p->buckets = malloc(cap * sizeof(*p->buckets));
	if (!p->v || !p->heap || !p->buckets) {
		penalty_free(p);
		return err_set(e, ENOMEM, "remember %u sources: out of memory", cap);
	}
	memset(p->buckets, 0xff, cap * sizeof(*p->buckets));
	return 0;
}

/* The severest first, so that what does not fit is the mildest. */
static int severest(const void *a, const void *b)
{
	const struct penalty_entry *x = a, *y = b;

	return x->until_us < y->until_us ? 1 : -(x->until_us > y->until_us);
}

int penalty_configure(struct penalty *p, const struct ctl_settings *rules, uint64_t seed,
		      struct err *e)
{
	struct penalty new = { .rules = *rules, .seed = seed };
	bool other_sources = p->rules.source_v4_len != rules->source_v4_len ||
			     p->rules.source_v6_len != rules->source_v6_len;
	int ret = parse_exempt(rules->penalty_exempt, &new, e);

	if (ret < 0)
		return ret;
	if (rules->penalty_sources) {
		ret = allocate(&new, rules->penalty_sources, e);
		if (ret < 0)
			return ret;
	}
	/* With other prefix lengths the old sources stand for nothing any more. */
	if (p->n && !other_sources)
		qsort(p->v, p->n, sizeof(*p->v), severest);
	for (uint32_t i = 0; i < p->n && new.n < new.cap && !other_sources; i++) {
		uint32_t at = insert(&new, &p->v[i].source, p->v[i].until_us);

		new.v[at].active = p->v[i].active;
	}
	penalty_free(p);
	*p = new;
	return 0;
}

void penalty_free(struct penalty *p)
{
	free(p->v);
	free(p->heap);
	free(p->buckets);
	memset(p, 0, sizeof(*p));
}
