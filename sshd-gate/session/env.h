/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The environment a client may send (RFC 4254 section 6.4), and names of signals (6.9, 6.10). Pure functions. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENV_VARS_MAX  64
#define ENV_NAME_MAX  128
#define ENV_VALUE_MAX 4096

/* Does a space-separated list of patterns (* and ?) accept the name? */
bool env_accepts(const char *patterns, const char *name);
/*
 * Put a client's NAME=value into a block of NUL-terminated entries, in place of an earlier one of that name. 0, -EINVAL for a bad
 * name, -E2BIG when a limit (count, lengths, cap) would be passed.
 */
int env_put(uint8_t *block, uint32_t *len, size_t cap, const char *name, const char *value);
/* The same for a variable of ours: cap is the only limit. */
int env_set(uint8_t *block, uint32_t *len, size_t cap, const char *name, const char *value);

/* Linux number of an RFC 4254 signal name ("TERM"), 0 when unknown. */
int env_signal_number(const char *name);
/* The name that exit-signal carries; for one the RFC does not list what sshd sends. */
const char *env_signal_name(uint32_t number);
