/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listener's conversation with provisiond: limits and sockets in, connections and their ends out (proto/ctl.h). */
#pragma once
#include "listener.h"

/*
 * New connections wait this long for a provisiond that has gone away, and for one that is there but has not answered,
 * before they are refused.
 */
#define CONTROL_PATIENCE_US 1000000
#define CONTROL_ANSWER_US   5000000

int control_init(struct control *c, const char *run, struct err *e);
/* Connect when it is time; announces what lives once the settings are there. */
void control_connect(struct listener *l, uint64_t now_us);
/* A client asks for service: connect now, whatever the back-off says. True when there is a provisiond to wait for. */
bool control_hurry(struct listener *l, uint64_t now_us);
/* Is nothing to be expected from provisiond in the next moment? */
bool control_absent(const struct listener *l, uint64_t now_us);
/* When that may change without an event. */
uint64_t control_absent_at(const struct listener *l);
/* The socket is readable or writable. */
void control_ready(struct listener *l, uint64_t now_us);
/* Does a child wait to be announced? Then the socket has to be polled for writing. */
bool control_backlog(const struct listener *l);
/* Hand a new connection to provisiond; -errno: it is not known there. */
int control_announce(struct listener *l, struct child *c, bool resumed, struct err *e);
/* Its process is gone (or never came to be). */
void control_closed(struct listener *l, const struct child *c, uint32_t signal);
/* Tell of a penalty, unless there were too many in a short time; fills in what it counts itself. */
void control_penalty(struct listener *l, struct ctl_penalty *m, uint64_t now_us);
/* Close the connection (it broke, or a rule was broken); connect again later. */
void control_lost(struct listener *l, uint64_t now_us, const struct err *e);
