/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections of the "init" conversation: accept, the table of requests, answers.  A peer that breaks the conversation
 * loses its connection and nothing else happens.
 */
#pragma once
#include "agent.h"

/* Accept what waits. */
void conn_accept(struct agent *a);
/* Connection `row` is readable, writable or closed. */
void conn_event(struct agent *a, uint32_t row, uint32_t events);
/* Drop connections that did not bind in time; next deadline (ms) or UINT64_MAX. */
uint64_t conn_expire(struct agent *a, uint64_t now);
/*
 * Send an answer. 0, or -EAGAIN: the socket is full, c is now blocked, try again from job_flush. Any other failure drops
 * c and returns -EPIPE: c must not be used any more.
 */
int conn_send(struct conn *c, uint32_t type, const void *body, const int *fds, uint32_t nfds);
/* INIT_FAILED now, for a request that never became a job. A peer that does not read its failures is dropped. */
int conn_fail(struct conn *c, uint32_t id, uint32_t code, const char *text);
/* The BIND job of c ended and is answered: c->account counts when `ok`; requests are read again. */
void conn_bound(struct conn *c, bool ok);
/* INIT_BOUND, from c->account. As conn_send. */
int conn_send_bound(struct conn *c);
/* A BIND found c->account: the next one of this user is answered from memory. */
void conn_remember(const struct conn *c);
/* Was c bound from memory, so that a helper of it must look the account up? */
bool conn_looks_again(const struct conn *c);
void conn_drop(struct conn *c);
/* Give the message buffer and unused table rows back to the kernel; called when idle. */
void conn_trim(struct agent *a);
