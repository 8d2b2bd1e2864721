/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the end of a connection costs its source.  provisiond says what became of the attempts to log in (CTL_STATE), the
 * process' end says the rest; the session itself is never asked.  Runs in the listener.
 */
#pragma once
#include "listener.h"

/* Its process has ended with this wait status. Judged by judge_settle, when all that provisiond has said is read. */
void judge_ended(struct listener *l, const struct child *c, int status);
/* provisiond said this about a connection that has ended already. */
void judge_state(struct listener *l, const uint8_t id[CTL_ID_LEN], enum ctl_state_kind kind);
/* Judge those of which nothing more can be told. Call it after provisiond's messages have been read. */
void judge_settle(struct listener *l, uint64_t now_us);
/* When judge_settle has something to do without any event; UINT64_MAX = never. */
uint64_t judge_deadline(const struct listener *l);
/* A connection was turned away because its source has too many. */
void judge_refused(struct listener *l, const struct ip *peer, uint64_t now_us);
