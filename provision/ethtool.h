/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a driver can be told about an interface (offloads, queues, rings, interrupt moderation, pause frames, wake-up,
 * link modes, ..): read, compared and put back by ethtool's ioctls (linux/ethtool.h).  Workers only.
 */
#pragma once
#include "ethtool_offload.h"
#include "ethtool_steer.h"

#define ETHTOOL_PARTS 10
#define ETHTOOL_BYTES 128 /* of one part */

enum ethtool_carrier { ETHTOOL_CARRIER_UNKNOWN, ETHTOOL_CARRIER_OFF, ETHTOOL_CARRIER_ON };

struct ethtool_state {
	enum ethtool_carrier carrier; /* unknown: the driver does not tell */
	struct ethtool_offloads offloads;
	struct ethtool_steer steer;
	uint16_t size[ETHTOOL_PARTS];               /* 0: the driver has no such part */
	uint8_t part[ETHTOOL_PARTS][ETHTOOL_BYTES]; /* as the kernel gave it */
	bool has_stamps;                            /* hardware timestamps: of which frames */
	int tx_stamps, rx_stamps;
	char eeprom[65]; /* SHA-256 of its EEPROM's first 8 KiB, "" none */
};

/* A socket of network namespace `netnsfd` (-1: the caller's own), for the calls below. fd or -errno. */
int ethtool_open(int netnsfd, struct err *e);
/* One request (`data` begins with its ETHTOOL_* command). 0 or -errno. */
int ethtool_call(int fd, const char *name, void *data);
/*
 * What the driver does not support is left out; so this fails only when there is no such interface, or with -E2BIG when
 * it has more than can be kept.
 */
int ethtool_read(int fd, const char *name, struct ethtool_state *out, struct err *e);
/* Nothing is to be restored: all but the EEPROM, which takes long to read, is as in `want`, and no rules are hidden. */
bool ethtool_settled(int fd, const char *name, const struct ethtool_state *want);
/* How far an interface that is up is on its way to be as `want`, without the EEPROM. */
enum ethtool_way {
	ETHTOOL_WAY_SETTLED,
	ETHTOOL_WAY_AWAY,       /* no such interface, or its driver resets it just now */
	ETHTOOL_WAY_NO_CARRIER, /* which it had */
	ETHTOOL_WAY_NEGOTIATES, /* differs in nothing but what the ends of the link agree upon */
	ETHTOOL_WAY_DIFFERS,    /* or hides its rules */
};
enum ethtool_way ethtool_way(int fd, const char *name, const struct ethtool_state *want);
/* Set back what differs from `want`. Tries everything, returns the first failure. */
int ethtool_restore(int fd, const char *name, const struct ethtool_state *want, struct err *e);
/*
 * The first thing in which `b`, read now, differs from `a`, noted before, in words ("rings"), or NULL. With a carrier
 * where there was none, or none where there was one, what the ends of a link agree upon (link modes, pause, EEE: many
 * drivers tell of nothing else) does not count.
 */
const char *ethtool_difference(const struct ethtool_state *a, const struct ethtool_state *b);
/* The first thing in which they differ that did not count, in words, or NULL. */
const char *ethtool_unseen(const struct ethtool_state *a, const struct ethtool_state *b);
/* As lines of "key value"; take one back. -EINVAL when it is none of these. */
void ethtool_print(FILE *f, const struct ethtool_state *s);
int ethtool_take(struct ethtool_state *s, const char *key, const char *value);
