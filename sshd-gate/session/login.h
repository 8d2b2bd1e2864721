/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The authentication protocol (RFC 4252), "publickey" only.  provisiond decides; this side asks and passes on. */
#pragma once
#include "session.h"

/* A request in STAGE_AUTH; takes the message over. */
void login_request(struct session *s, struct ssh_message_struct *m);
void login_verdict(struct session *s, const struct gate_verdict *v);
/* Packets came in that libssh dropped without an answer: answer for it after a moment. `handled`: requests given out. */
void login_account(struct session *s, unsigned int handled, uint64_t now);
/* Time limits of this stage; call when the poll wakes. */
void login_tick(struct session *s, uint64_t now);
