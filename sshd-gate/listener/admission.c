/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Admission: pure arithmetic on counts, so that every limit can be tested without a connection.  Runs in the listener;
 * decides nothing from what a client sent, only from where it comes and what is there already.
 */
#include "admission.h"

#include <string.h>

/* As drop_connection() of sshd: certain below begin, none from full on, linear from rate % to 100 % in between. */
static bool dropped_early(const struct ctl_settings *s, uint32_t startups, uint32_t dice)
{
	uint64_t percent;

	if (s->startups_full == 0 || startups < s->startups_begin)
		return false;
	if (startups >= s->startups_full || s->startups_rate >= 100)
		return true;
	percent = (uint64_t)(100 - s->startups_rate) * (startups - s->startups_begin);
	percent /= s->startups_full - s->startups_begin;
	return dice < percent + s->startups_rate;
}

enum admission admission_check(const struct ctl_settings *s, const struct admission_load *load,
			       uint32_t dice)
{
	if (load->all >= load->all_max)
		return ADMISSION_FULL;
	if (s->per_source && load->from_source >= s->per_source)
		return ADMISSION_SOURCE;
	if (dropped_early(s, load->startups, dice))
		return ADMISSION_STARTUPS;
	return ADMISSION_OK;
}

struct ipnet admission_source(const struct ctl_settings *s, const struct ip *peer)
{
	unsigned int bytes = peer->family == AF_INET ? 4 : 16;
	unsigned int bits = peer->family == AF_INET ? s->source_v4_len : s->source_v6_len;
	struct ipnet net = { .addr = { .family = peer->family } };

	if (bits > bytes * 8)
		bits = bytes * 8;
	net.plen = (uint8_t)bits;
	for (unsigned int i = 0; i < bytes && bits; i++) {
		unsigned int take = bits < 8 ? bits : 8;

		net.addr.b[i] = peer->b[i] & (uint8_t)(0xff << (8 - take));
		bits -= take;
	}
	return net;
}

bool admission_same_source(const struct ipnet *a, const struct ipnet *b)
{
	return a->plen == b->plen && ip_equal(&a->addr, &b->addr);
}

const char *admission_text(enum admission a)
{
	switch (a) {
	case ADMISSION_OK:
		break;
	case ADMISSION_STARTUPS:
		return "sshbay: too many unauthenticated connections, try again";
	case ADMISSION_SOURCE:
		return "sshbay: too many unauthenticated connections from your address, try again";
	case ADMISSION_FULL:
		return "sshbay: too many connections, try again later";
	}
	return NULL;
}
