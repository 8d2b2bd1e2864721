/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conversation with provisiond, session side ("gate", proto/gate.h).  One question about the login is out at a time;
 * signatures are asked for synchronously, from within libssh.  A silent or dead provisiond never stalls a session that
 * has what it needs.
 */
#pragma once
#include "session.h"

/* Wait for GATE_WELCOME. 0, or -errno. */
int rpc_welcome(struct session *s, struct err *e);
/* interpose_sign_fn: have `hash` signed. ctx is the session. Blocks up to 10 s, 30 s once logged in. */
int rpc_sign(void *ctx, const uint8_t *hash, size_t len, uint8_t sig[64]);
/* A question about the login: GATE_PROBE, GATE_PASSWORD and the like. The verdict goes to login_verdict(). */
int rpc_ask_login(struct session *s, uint32_t type, const void *body, struct err *e);
int rpc_attach(struct session *s, bool progress, struct err *e);
/* Ask why a process was killed; the answer goes to chan_because(). Failure is silent. */
void rpc_why(struct session *s);
/* At the end of a connection: tell if the client broke the protocol before its login. */
void rpc_violation(struct session *s);
/* May this be jumped to? The answer goes to jump_answered(). 0, or -errno: it cannot be asked. */
int rpc_jump(struct session *s, const struct gate_jump *q);
/* What is told of a forward to or from this address: allocated, NULL when there is no memory. */
char *rpc_target(const struct init_address *a);
/* Tell what became of a channel. Never blocks: what a full socket does not take is told later, or has ended by then. */
void rpc_channel(struct session *s, const struct chan *c, bool open);
/* The same for a listening socket, and for what was refused (`what`: and why). */
void rpc_listen(struct session *s, const struct listen *l, enum gate_channel_event event);
void rpc_denied(struct session *s, enum gate_channel_kind kind, const char *what);
/* Read and handle everything that is there. */
void rpc_readable(struct session *s);
/* There may be room for what had to wait. */
void rpc_writable(struct session *s);
/* Handle what came while a signature was awaited. Is there any? */
void rpc_deferred(struct session *s);
bool rpc_pending(const struct session *s);
