/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests on a session channel (RFC 4254 sections 6.2 to 6.8): terminal, environment, program, window size. */
#pragma once
#include "session.h"

/* Handle and answer; the message stays the caller's. */
void request_handle(struct session *s, struct chan *c, struct ssh_message_struct *m);
/* Complete the spawn request of a channel with what only the session knows (SSH_CONNECTION, SSH_CLIENT). */
void request_finish(struct session *s, struct chan *c);
/* Set a variable of the program that a channel will start. Ours: only the block limits it. */
void request_set(struct chan *c, const char *name, const char *value);
