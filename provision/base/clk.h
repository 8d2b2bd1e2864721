/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time: durations on CLOCK_MONOTONIC (microseconds), stamps as RFC 3339 UTC. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t clk_now_us(void); /* CLOCK_MONOTONIC */
uint64_t clk_wall_s(void); /* CLOCK_REALTIME, seconds since the epoch */
const char *clk_text(uint64_t wall_s, char *buf, size_t size); /* "2026-01-31T10:02:03Z" */
