/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters against claims.  The claim may come from the tenants' programs; the counters come from the kernel.  Runs in
 * sshbay.
 */
#include "pair_judge.h"

#include <inttypes.h>
#include <time.h>

#define WATCH_TRIES 31
#define WATCH_NS    100000000L

static uint64_t grown(uint64_t before, uint64_t after)
{
	return after >= before ? after - before : 0;
}

static struct pair_count count_moved(const struct pair_count *b, const struct pair_count *a)
{
	return (struct pair_count){
		.rx_bytes = grown(b->rx_bytes, a->rx_bytes),
		.rx_packets = grown(b->rx_packets, a->rx_packets),
		.tx_bytes = grown(b->tx_bytes, a->tx_bytes),
		.tx_packets = grown(b->tx_packets, a->tx_packets),
	};
}

struct pair_counts pair_moved(const struct pair_counts *before, const struct pair_counts *after)
{
	return (struct pair_counts){
		.data = count_moved(&before->data, &after->data),
		.control = count_moved(&before->control, &after->control),
		.has_control = before->has_control && after->has_control,
	};
}

static uint64_t tx(const struct pair_count *c, bool bytes)
{
	return bytes ? c->tx_bytes : c->tx_packets;
}

static uint64_t rx(const struct pair_count *c, bool bytes)
{
	return bytes ? c->rx_bytes : c->rx_packets;
}

static uint64_t control(const struct pair_counts *c, bool bytes)
{
	return tx(&c->control, bytes) + rx(&c->control, bytes);
}

static uint64_t most_beside(const struct pair_counts moved[2], bool bytes)
{
	uint64_t a = control(&moved[0], bytes), b = control(&moved[1], bytes);

	return a > b ? a : b;
}

static bool beside(const struct pair_claim *claim, const struct pair_counts moved[2])
{
	return most_beside(moved, claim->bytes) >= (claim->out + claim->back + 1) / 2;
}

enum finding_level pair_judge(const struct pair_claim *claim, const struct pair_end ends[2],
			      const struct pair_counts moved[2], char *text, size_t size)
{
	bool b = claim->bytes;
	const char *unit = b ? "bytes" : "frames", *name[] = { ends[0].ws.name, ends[1].ws.name };
	uint64_t most = most_beside(moved, b);
	const struct {
		uint64_t claimed, moved;
		const char *name, *verb;
	} legs[] = {
		{ claim->out, tx(&moved[0].data, b), name[0], "sent" },
		{ claim->out, rx(&moved[1].data, b), name[1], "received" },
		{ claim->back, tx(&moved[1].data, b), name[1], "sent" },
		{ claim->back, rx(&moved[0].data, b), name[0], "received" },
	};

	for (unsigned int i = 0; i < 4; i++) {
		if (legs[i].moved >= legs[i].claimed)
			continue;
		(void)str_format(text, size,
				 "data0 of '%s' %s %" PRIu64 " of %" PRIu64
				 " %s; the control plane carried %" PRIu64,
				 legs[i].name, legs[i].verb, legs[i].moved, legs[i].claimed, unit,
				 most);
		return FINDING_FAIL;
	}
	if (!moved[0].has_control || !moved[1].has_control) {
		(void)str_format(text, size,
				 "data0 of both carried the %" PRIu64 " %s; what the control "
				 "plane carried is not known",
				 claim->out + claim->back, unit);
		return FINDING_WARN;
	}
	(void)str_format(text, size,
			 "'%s' sent %" PRIu64 " and '%s' received %" PRIu64
			 " %s on data0; the control plane carried %" PRIu64,
			 name[0], legs[0].moved, name[1], legs[1].moved, unit, most);
	/* More than anything else that goes on: what is called data0 may be the control plane. */
	return beside(claim, moved) ? FINDING_FAIL : FINDING_OK;
}

bool pair_lacks(const struct pair_claim *claim, const struct pair_counts moved[2])
{
	bool b = claim->bytes;

	return tx(&moved[0].data, b) < claim->out || rx(&moved[1].data, b) < claim->out ||
	       tx(&moved[1].data, b) < claim->back || rx(&moved[0].data, b) < claim->back;
}

int pair_watch(const struct pair_claim *claim, const struct pair_end ends[2],
	       const struct pair_counts before[2], struct pair_counts moved[2], struct err *e)
{
	const struct timespec pause = { .tv_nsec = WATCH_NS };

	for (int i = 0; i < WATCH_TRIES; i++) {
		for (int side = 0; side < 2; side++) {
			struct pair_counts now;
			int r = pair_counts_read(&ends[side], &now, e);

			if (r < 0)
				return r;
			moved[side] = pair_moved(&before[side], &now);
		}
		if (!pair_lacks(claim, moved) || beside(claim, moved))
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}
