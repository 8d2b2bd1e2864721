/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a connection is authenticated: gate_auth.c keeps what was completed and decides, the files of the methods look at
 * one request each.  Handlers take a connection as their context and return 0 or -errno (msg.h).
 */
#pragma once
#include "base/err.h"
#include "methods.h"
#include "proto/msg.h"

struct gate_conn;
struct gate_permit;
struct gate_server;

/* gate_auth.c */
int gate_auth_sign(void *ctx, struct msg *m, struct err *e);
int gate_auth_violation(void *ctx, struct msg *m, struct err *e);
/* A request of this method: 1 = look at it, else what its handler returns. */
int gate_auth_begin(struct gate_conn *c, enum method method, const char *login, struct err *e);
/* The answer to it: it failed / a probe is acceptable / the method is completed, by a key that permits this. */
int gate_auth_failed(struct gate_conn *c, const char *why, struct err *e);
int gate_auth_acceptable(struct gate_conn *c, struct err *e);
int gate_auth_completed(struct gate_conn *c, const struct gate_permit *permit, struct err *e);
/* The same from outside of a handler; whatever goes wrong ends the connection. */
void gate_auth_result(struct gate_conn *c, bool ok, const char *why);
/* The handlers' errors, there. */
void gate_auth_gone(struct gate_conn *c, int ret, const struct err *e);
/* The connection ends: no job goes on, no secret stays. */
void gate_auth_end(struct gate_conn *c);

/* gate_key.c */
int gate_key_probe(void *ctx, struct msg *m, struct err *e);
int gate_key_verify(void *ctx, struct msg *m, struct err *e);
void gate_key_end(struct gate_conn *c);

/* gate_password.c */
int gate_password_try(void *ctx, struct msg *m, struct err *e);
void gate_password_end(struct gate_conn *c);
/*
 * What stands in for the hash of a login that has none: the hash of one of the workspaces, always the same one for the same
 * login, as long as that one keeps its password. So logins that exist are as quick or slow as those that do not, one by
 * one and all together, whatever kinds and costs of hashes there are.
 */
void gate_password_stand_in(const struct gate_server *g, const char *login, char *out, size_t size);

/* gate_interactive.c */
extern const char *gate_interactive_program; /* sshbay-pam */
int gate_interactive_begin(void *ctx, struct msg *m, struct err *e);
int gate_interactive_answers(void *ctx, struct msg *m, struct err *e);
