/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Penalties per source network, as PerSourcePenalties of sshd_config(5): what a connection did wrong costs its source
 * time, which adds up and passes.  A pure table: no clock, no sockets; times are microseconds of the caller's clock.
 * Runs in the listener.  It costs a bounded amount of memory whatever the number of sources.
 */
#pragma once
#include "base/ip.h"
#include "proto/ctl.h"
#include <stdbool.h>
#include <stdint.h>

struct penalty_entry;

/* Zero-initialised: nobody has a penalty, and nobody gets one. */
struct penalty {
	struct ctl_settings rules; /* the penalty_* fields of it */
	struct ipnet exempt[CTL_EXEMPT_MAX];
	uint32_t nexempt;
	uint64_t seed; /* of the hash: nobody outside can choose sources that collide */
	struct penalty_entry *v;
	uint32_t *heap;    /* indices of v, the soonest forgotten first */
	uint32_t *buckets; /* heads of chains of v */
	uint32_t n, cap, nbuckets;
};

/*
 * Take new rules; what is remembered stays, as far as it fits. -ENOMEM, -EINVAL (`exempt` is no list of networks): then
 * nothing has changed.
 */
int penalty_configure(struct penalty *p, const struct ctl_settings *rules, uint64_t seed,
		      struct err *e);
/*
 * Add the time for `kind` to the source of `peer`, capped at penalty_max_s. Returns the seconds the source has now, 0 when
 * this costs nothing (disabled, exempt, no time for this kind, or milder than all in a full table). *fresh: with this one
 * the source begins to be refused.
 */
uint32_t penalty_add(struct penalty *p, const struct ip *peer, enum ctl_penalty_kind kind,
		     uint64_t now_us, bool *fresh);
/* Is the source of `peer` refused? Then until its time has passed completely. */
bool penalty_refused(const struct penalty *p, const struct ip *peer, uint64_t now_us);
/* Sources that are refused now. Walks the table. */
uint32_t penalty_count(const struct penalty *p, uint64_t now_us);
struct penalty_source {
	struct ipnet source;
	uint32_t left_s;
};
/* The `max` sources that are refused longest, the worst first. How many there are in `out`. */
uint32_t penalty_worst(const struct penalty *p, uint64_t now_us, struct penalty_source *out,
		       uint32_t max);
/* Forget the sources inside `net`, and the one it is inside of; NULL: all. How many of them were refused. */
uint32_t penalty_lift(struct penalty *p, const struct ipnet *net, uint64_t now_us);
void penalty_free(struct penalty *p);
