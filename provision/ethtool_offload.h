/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The offloads of an interface: read, set by the names that ethtool(8) takes, and put back.  Workers only.  `fd` is
 * from ethtool_open.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define ETHTOOL_WORDS 4 /* of 32 offloads each */

struct ethtool_offloads {
	uint32_t nwords, offered[ETHTOOL_WORDS], on[ETHTOOL_WORDS]; /* nwords 0: no offloads */
};

/* 0 or -errno. */
int ethtool_offload_read(int fd, const char *name, struct ethtool_offloads *out);
/* Apply "tso off, gro on": names as ethtool(8) -K takes and -k prints them. -EINVAL for one that the driver lacks. */
int ethtool_offload_set(int fd, const char *name, const char *list, struct err *e);
/* Can the offload of that name be switched? */
bool ethtool_offload_offered(int fd, const char *name, const char *word);
/* Set back what differs. 0 or -errno. */
int ethtool_offload_restore(int fd, const char *name, const struct ethtool_offloads *want);
/* Of those that both offer. */
bool ethtool_offload_same(const struct ethtool_offloads *a, const struct ethtool_offloads *b);
/* As a line "offloads VALUE"; take one back. -EINVAL when it is none. */
void ethtool_offload_print(FILE *f, const struct ethtool_offloads *s);
int ethtool_offload_take(struct ethtool_offloads *s, const char *value);
