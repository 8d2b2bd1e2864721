/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The authentication protocol (RFC 4252).  provisiond decides; this side asks and passes on. */
#pragma once
#include "session.h"

/* A request in STAGE_AUTH; takes the message over. */
void login_request(struct session *s, struct ssh_message_struct *m);
/* A question to provisiond about the request at hand. */
void login_ask(struct session *s, uint32_t type, const void *body);
/* The request at hand was answered / is refused without asking. */
void login_answered(struct session *s);
void login_deny(struct session *s);
/* The client broke the rules: it is told, the administrator too. */
void login_violation(struct session *s, const char *text);
/* What can be tried now, as provisiond lists it. */
void login_methods(struct session *s, const char *list);
void login_verdict(struct session *s, const struct gate_verdict *v);
/* Packets came in that libssh dropped without an answer: answer for it after a moment. `handled`: requests given out. */
void login_account(struct session *s, unsigned int handled, uint64_t now);
/* Time limits of this stage; call when the poll wakes. */
void login_tick(struct session *s, uint64_t now);
