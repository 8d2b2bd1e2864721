/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a login may jump to (ssh -J). Main process of provisiond. */
#pragma once
#include "proto/gate.h"
#include "workspace.h"

/*
 * May `user` jump to port 22 of `host`, an address or a workspace's name, by [gate] jump? CONNECTED: yes, to *to.
 * INSIDE: it is neither in the pool nor a workspace. REFUSED: `e` says why, in words that tell no more than a refused
 * login does.
 */
enum gate_jump_result jump_decide(struct registry *r, const char *user, const char *host,
				  struct ip *to, struct err *e);
