/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `devices`: what a workspace finds in its /dev.  The step proves, from the host and after ws-init has started,
 * that every node is the device its name says and that there is no device beside those that were given.
 */
#pragma once
#include "plan.h"

#include <sys/types.h>

struct devices_node {
	const char *name; /* below /dev */
	unsigned int major, minor;
	bool needed;  /* the workspace does not start without it */
	bool nesting; /* only with nesting = yes */
};
/* The nodes every workspace gets; name NULL ends the table. */
extern const struct devices_node devices_nodes[];

int devices_up(struct plan *p, struct err *e);
int devices_down(struct plan *p, struct err *e);
