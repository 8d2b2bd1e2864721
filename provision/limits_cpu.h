/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The `cpus` key against what the host has, and the v1 cpuset rules. Small readers of cgroup files beside it. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct limits_cpu {
	unsigned int count; /* "4": that much CPU time; 0 = no such limit */
	char list[160];     /* "0-3,7": these CPUs; "" = no such limit */
};

/* "" (all), "N", or a list as in cpuset(7). Refuses CPUs that are not online; `e` holds the reason alone. */
int limits_cpu_parse(const char *text, struct limits_cpu *out, struct err *e);
/* The same against a given list of online CPUs (for tests). */
int limits_cpu_parse_against(const char *text, const char *online, struct limits_cpu *out,
			     struct err *e);
/*
 * v1: base/parent must have CPUs and memory nodes before a set below it can: copy them down where they are empty.
 * `mems` gets the memory nodes.
 */
int limits_cpu_inherit(const char *base, const char *parent, char *mems, size_t size,
		       struct err *e);
/* Is `word` one of the blank-separated words? */
bool limits_cpu_word(const char *words, const char *word);
