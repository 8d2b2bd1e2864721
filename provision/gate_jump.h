/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jumps through the gate to a workspace's address (ssh -J). Main process of provisiond. */
#pragma once
#include "base/err.h"
#include "proto/msg.h"

/* GATE_JUMP of a connection (gate_conn.h): jump_decide(), then a pair to the listener. */
int gate_jump_ask(void *ctx, struct msg *m, struct err *e);
