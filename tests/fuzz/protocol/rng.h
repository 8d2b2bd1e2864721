/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small generator (splitmix64).  Each actor of the fuzzer has one of its own, so that what one does never changes what
 * another decides: a seed means the same run again, as far as the processes' timing allows.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t s;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0 .. n-1; 0 for n = 0. */
static inline uint32_t rng_below(struct rng *r, size_t n)
{
	return n ? (uint32_t)(rng_next(r) % n) : 0;
}

/* True once in n times. */
static inline int rng_once(struct rng *r, uint32_t n)
{
	return rng_below(r, n) == 0;
}

static inline void rng_fill(struct rng *r, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_next(r);
}

/* A number of note: 0, powers of two and their neighbours, small ones. */
static inline uint32_t rng_odd(struct rng *r)
{
	switch (rng_below(r, 5)) {
	case 0:
		return rng_below(r, 16);
	case 1:
		return (1U << rng_below(r, 32)) - rng_below(r, 3);
	case 2:
		return 0xffffffffU - rng_below(r, 3);
	case 3:
		return rng_below(r, 200000);
	default:
		return (uint32_t)rng_next(r);
	}
}
