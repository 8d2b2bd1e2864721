/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * keyboard-interactive (RFC 4256): questions of provisiond to the client, and its answers.  One question at a time;
 * answers that nobody asked for end the connection.
 */
#pragma once
#include "session.h"

/* Is this message the client's answers? They carry no user name. */
bool kbdint_is_response(struct ssh_message_struct *m);
/* The request at hand begins a conversation / answers a question of it. */
void kbdint_request(struct session *s);
void kbdint_response(struct session *s);
/* GATE_PROMPT */
void kbdint_prompt(struct session *s, const struct gate_prompt *p);
