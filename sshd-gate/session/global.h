/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Global requests (RFC 4254 section 4), answered in the order they came: an answer does not say to what.  Who listens
 * inside is known later, and in any order, so nothing behind such a request is looked at before it is answered.  Nor is
 * the opening of a session: with sshd, a client that wants its -R or nothing (ExitOnForwardFailure) hears of a failure
 * before it could ask for its program.  What it dials waits in spawn.c, lest it dial a -R of its own too early.
 */
#pragma once
#include "session.h"

/* Does one wait for its answer? */
bool global_waits(const struct session *s);
/* Take a message over, also the opening of a session that has to wait; handled now, or by global_run(). */
void global_request(struct session *s, struct ssh_message_struct *m);
/* Go on with those that wait. At the end of every turn. */
void global_run(struct session *s);
