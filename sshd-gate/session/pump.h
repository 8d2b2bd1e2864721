/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes between libssh channels and descriptors, with back-pressure both ways: a pipe is read only while the client's
 * window is open and libssh's buffer empty, and a channel only while its pipe takes bytes.
 */
#pragma once
#include "session.h"

/* Take over descriptors of a started process, terminal or connection: non-blocking, owned by the channel from now on. */
void pump_attach(struct chan *c, int in, int out, int err);
/* What poll must watch for this channel: events for in, out and err (0 = do not poll that fd). */
void pump_events(const struct session *s, const struct chan *c, short ev[3]);
/* Will the next poll tell of every output that is open whether it has something? */
bool pump_watches(const struct session *s, const struct chan *c);
/* What poll saw. */
void pump_polled(struct chan *c, const short ev[3], const short revents[3]);
/* Move what can be moved. */
void pump_run(struct session *s);
/* When a channel that is held back, so that an echo does not wait behind it, may go on. UINT64_MAX = none is. */
uint64_t pump_next(const struct session *s);
/* Text of ours, in order with the channel's output. */
void pump_text(struct out *o, const char *text, size_t len);
/* Bytes or the client's EOF can be passed on now: do not sleep. */
bool pump_pending(const struct session *s, const struct chan *c);
/* Nothing more will come out of this channel's process. */
bool pump_drained(const struct chan *c);
/* Close all descriptors of a channel and forget what was pending. */
void pump_close(struct chan *c);
/* Close the output side only. */
void pump_close_output(struct chan *c);
