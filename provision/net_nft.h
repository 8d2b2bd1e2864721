/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nft table `inet sshbay`: one static ruleset, loaded atomically by nft(8). No rule belongs to one workspace. */
#pragma once
#include "settings.h"
#include <stddef.h>

/* Write the ruleset for these settings into buf. -ENAMETOOLONG, -EINVAL (an interface name nft could misread). */
int net_nft_text(const struct settings *s, char *buf, size_t size, struct err *e);
/* Replace the table. -EBUSY: the table in this network namespace belongs to another instance (other run directory). */
int net_nft_load(const struct settings *s, struct err *e);
/* Remove the table if it is this instance's; no table is fine. */
int net_nft_unload(const struct settings *s, struct err *e);
