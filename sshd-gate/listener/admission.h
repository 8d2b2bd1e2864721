/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may start an unauthenticated connection now: max_startups as in sshd_config(5), and a limit per source network. */
#pragma once
#include "base/ip.h"
#include "proto/ctl.h"
#include <stdint.h>

enum admission { ADMISSION_OK, ADMISSION_STARTUPS, ADMISSION_SOURCE, ADMISSION_FULL };

/* What there is at this moment, without the connection that asks. */
struct admission_load {
	uint32_t startups;    /* unauthenticated connections */
	uint32_t from_source; /* of them, from the network of the one that asks */
	uint32_t all;         /* connections, authenticated or not */
	uint32_t all_max;
};

/* `dice` is a random number of 0..99: between `begin` and `full` connections are dropped at random, ever more often. */
enum admission admission_check(const struct ctl_settings *s, const struct admission_load *load,
			       uint32_t dice);
/* The network that counts as one source with `peer`; the bits behind the prefix are zero. */
struct ipnet admission_source(const struct ctl_settings *s, const struct ip *peer);
bool admission_same_source(const struct ipnet *a, const struct ipnet *b);
/* What the client is told; NULL for ADMISSION_OK. */
const char *admission_text(enum admission a);
