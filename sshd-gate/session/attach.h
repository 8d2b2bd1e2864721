/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Getting into the workspace: the first thing a client asks for makes the session ask provisiond for a ws-init socket,
 * once; everything asked for meanwhile waits.  When ws-init dies the next request attaches again.
 */
#pragma once
#include "session.h"

/* Somebody waits for the workspace. `terminal`: show the progress. */
void attach_want(struct session *s, bool terminal);
/* The ws-init socket may be used. */
bool attach_is_ready(const struct session *s);
/* What provisiond says. attach_done owns fd. */
void attach_progress(struct session *s, const struct gate_progress *p);
void attach_done(struct session *s, const struct gate_attached *a, int fd);
void attach_refused(struct session *s, const char *text);
/* ws-init has said INIT_BOUND. */
void attach_bound(struct session *s);
/* Provisiond or ws-init is gone: fail what waits. */
void attach_lost(struct session *s, const char *why);
/* A new provisiond: ask again what it never heard. */
void attach_again(struct session *s);
void attach_tick(struct session *s, uint64_t now);
