/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nft table `inet sshbay`: one static ruleset, loaded atomically by nft(8). No rule belongs to one workspace. */
#pragma once
#include "settings.h"
#include <stddef.h>

/* Write the ruleset for these settings into buf. -ENAMETOOLONG, -EINVAL (an interface name nft could misread). */
int net_nft_text(const struct settings *s, char *buf, size_t size, struct err *e);
/* The nft(8) of this host. */
const char *net_nft_program(void);
/* 1: the table in this network namespace is this instance's. 0: there is none. -EBUSY: another run directory's. */
int net_nft_owned(const struct settings *s, struct err *e);
/* Replace the table. -EBUSY as above. */
int net_nft_load(const struct settings *s, struct err *e);
/* Remove the table if it is this instance's; no table is fine. */
int net_nft_unload(const struct settings *s, struct err *e);
