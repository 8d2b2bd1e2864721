/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict text to number.  The whole string must be consumed; no sign, no leading or trailing space, no octal, no
 * overflow.  On failure `e` holds only the reason ("'12abc' is not a whole number"), for the caller to wrap.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

int num_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out, struct err *e);
/* "64G", "10MB", "4096": K M G T binary, KB MB GB TB decimal, plain = bytes. */
int num_size(const char *s, uint64_t *bytes, struct err *e);
/* "30s", "5m", "2h", "1d": a unit is required, except for "0". Result in seconds. */
int num_seconds(const char *s, uint64_t *seconds, struct err *e);
/* "yes" or "no", nothing else. */
int num_bool(const char *s, bool *out, struct err *e);
/* Format bytes in the shortest exact binary unit ("64G"), for dumps and messages. Returns buf. */
const char *num_size_text(uint64_t bytes, char *buf, unsigned long size);
