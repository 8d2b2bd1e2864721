/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of addresses and patterns as in sshd(8) and ssh_config(5) PATTERNS.  Pure; nothing is looked up: host names never
 * match, only addresses do.
 */
#pragma once
#include "base/err.h"
#include "base/ip.h"
#include <stdbool.h>

/* `*` any run of characters, `?` one; case does not matter. Time is at most length times length. */
bool match_pattern(const char *text, const char *pattern);
/* Is `name` one of the names of a comma list? Exact. */
bool match_word(const char *name, const char *list);

/*
 * `peer` against a comma list of addresses, prefixes ("10.0.0.0/8", "fd00::/8") and wildcard patterns of the address as
 * text ("10.1.*"); `!` before an entry: whatever it matches does not match the list. 1 match, 0 none, -EINVAL with the entry
 * to blame (empty, a bad prefix length, address bits beyond it). `peer` NULL: check the list alone (0 or -EINVAL).
 */
int match_address(const struct ip *peer, const char *list, struct err *e);
/* The same for a certificate's source-address (PROTOCOL.certkeys): addresses and prefixes alone. */
int match_source(const struct ip *peer, const char *list, struct err *e);
