/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the counters bear out what is said to have gone over the cable. Pure functions, and waiting for counters. */
#pragma once
#include "finding.h"
#include "pair_facts.h"

/* What went from the first end to the second (`out`) and came back, in frames or bytes. */
struct pair_claim {
	bool bytes; /* else frames */
	uint64_t out, back;
};

/* after - before, each; a counter that went backwards (reset) counts as 0. */
struct pair_counts pair_moved(const struct pair_counts *before, const struct pair_counts *after);
/*
 * Judge a claim by what the counters of both ends moved. FAIL: a data0 moved less than claimed, or the control plane at
 * least half as much. WARN: what the control plane moved is not known. `text`: in words, with the workspaces' names.
 */
enum finding_level pair_judge(const struct pair_claim *claim, const struct pair_end ends[2],
			      const struct pair_counts moved[2], char *text, size_t size);

/* Whether a data0 moved less than claimed (a FAIL with another reason may pass, this one not). */
bool pair_lacks(const struct pair_claim *claim, const struct pair_counts moved[2]);

/*
 * Read the counters of both ends until they bear out the claim, at most 3 s (drivers bring theirs up to date every two
 * seconds, some), and no longer than
 * that the control plane carried it. `moved`: since `before`. 0, or -errno.
 */
int pair_watch(const struct pair_claim *claim, const struct pair_end ends[2],
	       const struct pair_counts before[2], struct pair_counts moved[2], struct err *e);
