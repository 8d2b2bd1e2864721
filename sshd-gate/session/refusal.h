/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said of a forward that is refused, or that fails: a line of the audit log, SSH_MSG_DEBUG to the client
 * (`ssh -v`), and a line on a terminal of the same connection.  Never on the output of a command.  Session process.
 */
#pragma once
#include "session.h"

/*
 * `what`: the address as the client named it, "" = no more to say; `why`: "reason (hint)". Both may hold anything. A
 * client that is refused all day is told of a few in a minute.
 */
void refusal_tell(struct session *s, enum gate_channel_kind kind, const char *what,
		  const char *why);
/* RFC 4254, 5.1 */
enum refusal_code { REFUSAL_PROHIBITED = 1, REFUSAL_CONNECT = 2, REFUSAL_UNKNOWN = 3 };
/* Answer the request to open a channel with a refusal, and free it. Without the lens, the words are lost. */
void refusal_open(struct session *s, struct ssh_message_struct *m, enum refusal_code code,
		  const char *why);
/* A shell runs on this terminal: what was refused just before is told there. */
void refusal_terminal(struct session *s, struct chan *c);
/* provisiond has something to say: to the terminal of a shell, now or when one comes soon, and to `ssh -v`. */
void refusal_notice(struct session *s, const char *text);
/* After the login: what cannot be done at all. */
void refusal_login(struct session *s);
