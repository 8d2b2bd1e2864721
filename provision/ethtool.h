/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a driver can be told about an interface (offloads, queues, rings, interrupt moderation, pause frames, wake-up,
 * link modes, ..): read, compared and put back by ethtool's ioctls (linux/ethtool.h).  Workers only.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ETHTOOL_WORDS 4 /* of 32 offloads each */
#define ETHTOOL_PARTS 10
#define ETHTOOL_BYTES 128 /* of one part */

struct ethtool_state {
	uint32_t nwords, offered[ETHTOOL_WORDS], on[ETHTOOL_WORDS]; /* nwords 0: no offloads */
	uint16_t size[ETHTOOL_PARTS];               /* 0: the driver has no such part */
	uint8_t part[ETHTOOL_PARTS][ETHTOOL_BYTES]; /* as the kernel gave it */
	bool has_rules;
	uint32_t nrules; /* flow steering rules */
	char eeprom[65]; /* SHA-256 of its EEPROM's first 8 KiB, "" none */
};

/* A socket of network namespace `netnsfd` (-1: the caller's own), for the calls below. fd or -errno. */
int ethtool_open(int netnsfd, struct err *e);
/* What the driver does not support is left out; so this fails only when there is no such interface. */
int ethtool_read(int fd, const char *name, struct ethtool_state *out, struct err *e);
/* Set back what differs from `want`; rules are removed when `want` has none. Tries everything, returns the first failure. */
int ethtool_restore(int fd, const char *name, const struct ethtool_state *want, struct err *e);
/* The first thing that differs, in words ("rings"), or NULL. */
const char *ethtool_difference(const struct ethtool_state *a, const struct ethtool_state *b);
/* Apply "tso off, gro on": names as ethtool(8) -K takes and -k prints them. -EINVAL for one that the driver lacks. */
int ethtool_features(int fd, const char *name, const char *list, struct err *e);

/* As lines of "key value"; take one back. -EINVAL when it is none of these. */
void ethtool_print(FILE *f, const struct ethtool_state *s);
int ethtool_take(struct ethtool_state *s, const char *key, const char *value);
