/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How an interface spreads what it receives over its queues: the table and key of the hash (RSS), the fields that are
 * hashed, and the flow rules (ntuple).  Read, compared and put back by ethtool's ioctls.  Workers only.  `fd` is from
 * ethtool_open.
 */
#pragma once
#include "base/err.h"
#include <linux/ethtool.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ETHTOOL_STEER_TABLE 2048
#define ETHTOOL_STEER_KEY   256
#define ETHTOOL_STEER_FLOWS 14 /* kinds of traffic that can be hashed by different fields */
#define ETHTOOL_STEER_RULES 64

struct ethtool_steer_rule {
	struct ethtool_rx_flow_spec fs;
	uint32_t context; /* of fs.flow_type with FLOW_RSS */
	uint32_t unused;
};
struct ethtool_steer {
	uint16_t ntable, nkey; /* 0: the driver has none */
	uint8_t function, transform;
	uint16_t table[ETHTOOL_STEER_TABLE];
	uint8_t key[ETHTOOL_STEER_KEY];
	uint32_t known; /* of which flows the fields are told, as bits */
	uint64_t fields[ETHTOOL_STEER_FLOWS];
	bool has_rules; /* the driver can have some */
	uint32_t nrules;
	struct ethtool_steer_rule rule[ETHTOOL_STEER_RULES]; /* in the order of their locations */
	uint32_t ncontexts; /* tables beside the main one; never in a note (nic_home_read) */
};

/* What the driver does not support is left out. -E2BIG: more than there is room for. */
int ethtool_steer_read(int fd, const char *name, struct ethtool_steer *out, struct err *e);
/*
 * Remove what `want` does not have, rules and then contexts, and set a table that differs to the driver's own, since the
 * kernel keeps queues that a table names. Tries everything, returns the first failure.
 */
int ethtool_steer_clear(int fd, const char *name, const struct ethtool_steer *want, struct err *e);
/* Set back what differs from `want`, after ethtool_steer_clear. Tries everything, returns the first failure. */
int ethtool_steer_restore(int fd, const char *name, const struct ethtool_steer *want,
			  struct err *e);
/* It can have rules (offers ntuple) and does not tell them now: some drivers do only while the interface is up. */
bool ethtool_steer_hides(int fd, const char *name);
/* The first thing in which `b`, read now, differs from `a`, noted before, in words ("flow rules"), or NULL. */
const char *ethtool_steer_difference(const struct ethtool_steer *a, const struct ethtool_steer *b);
/* As lines of "key value"; take one back. -ENOENT for another's key, -EINVAL for a value that is none. */
void ethtool_steer_print(FILE *f, const struct ethtool_steer *s);
int ethtool_steer_take(struct ethtool_steer *s, const char *key, const char *value);
