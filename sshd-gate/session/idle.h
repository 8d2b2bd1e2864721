/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time-outs of a connection that is logged in: channels without traffic ([gate] idle_timeout, as ChannelTimeout of
 * sshd_config(5)) and connections without channels (unused_timeout).  Keepalives are no traffic and no use.
 */
#pragma once
#include "session.h"

/* The client asked for something. */
void idle_used(struct session *s);
/* Close what was idle too long, end what was unused too long. */
void idle_tick(struct session *s, uint64_t now);
/* When idle_tick may have something to do without any event. UINT64_MAX = never. */
uint64_t idle_next(const struct session *s);
