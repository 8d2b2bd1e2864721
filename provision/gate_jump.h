/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jumps through the gate to a workspace's address (ssh -J): where they may go. Main process of provisiond. */
#pragma once
#include "proto/gate.h"
#include "workspace.h"

/*
 * May `user` jump to port 22 of `host`, an address or a workspace's name, by [gate] jump? CONNECTED: yes, to *to.
 * INSIDE: it is neither in the pool nor a workspace. REFUSED: `e` says why, in words that tell no more than a refused
 * login does.
 */
enum gate_jump_result gate_jump_decide(struct registry *r, const char *user, const char *host,
				       struct ip *to, struct err *e);
/* GATE_JUMP of a connection (gate_conn.h). */
int gate_jump_ask(void *ctx, struct msg *m, struct err *e);
