/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking connections in: accept, admission, refusal or a new session. Never reads from a connection. */
#pragma once
#include "listener.h"

/* Is it time to accept? When nothing can be served for long, connections are accepted to be told so. */
bool accept_wanted(const struct listener *l, uint64_t now_us);
/* When accept_wanted may turn true by itself; UINT64_MAX = only by an event. */
uint64_t accept_deadline(const struct listener *l, uint64_t now_us);
/* Serve the listening sockets that poll found ready (p parallel to l->socks; NULL: try all), a bounded number each. */
void accept_turn(struct listener *l, const struct pollfd *p, uint64_t now_us);
/* A connection that provisiond made for a session: admitted and served as one of jump->peer. Takes conn. */
void accept_jump(struct listener *l, int conn, const struct ctl_jump *jump, uint64_t now_us);
/* A session has ended: what it took is free again, so a pause for want of it is over. */
void accept_resume(struct listener *l);
/* The zygote answered. */
void accept_spawned(struct listener *l, const struct zygote_spawned *s, uint64_t now_us);
/* The zygote is gone: give up the connections that wait for its answer. */
void accept_abandon(struct listener *l);
