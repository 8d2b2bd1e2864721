/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of one instance, and the locks that keep two daemons from sharing them. */
#pragma once
#include "settings.h"

struct statedir {
	int runlock, statelock; /* -1 = not held */
};

/*
 * Make what is missing: state 0700, run 0755 (the gate's uid must reach gate.sock), images. What is there must belong
 * to root and be writable by root alone; a state directory that others can read is closed to them. Then take both
 * locks; -EBUSY names the process that holds them, after 1 s. A lock that only the workers of a killed provisiond still
 * hold is waited for (10 s).
 */
int statedir_open(const struct settings *s, struct statedir *d, struct err *e);
void statedir_close(struct statedir *d);
