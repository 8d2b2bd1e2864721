/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ssh -J through the gate: a direct-tcpip open to port 22 is provisiond's to judge, because only provisiond knows which
 * addresses and names are workspaces'.  Session process, after the login.
 */
#pragma once
#include "session.h"

/* Ask provisiond about the dial of `c`. False: it is none for provisiond, dial inside. */
bool jump_begin(struct session *s, struct chan *c);
/* The answer. Owns fd (-1: none). */
void jump_answered(struct session *s, const struct gate_jumped *a, int fd);
/* A new provisiond has taken over: ask again. */
void jump_again(struct session *s);
/* Give up what was not answered in time. */
void jump_tick(struct session *s, uint64_t now);
/* When jump_tick has something to do, 0 = never. */
uint64_t jump_next(const struct session *s);
