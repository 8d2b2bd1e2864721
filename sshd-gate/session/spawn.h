/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conversation with ws-init ("init", proto/init.h), which belongs to the tenant: numbers are looked up, fds checked
 * for their type, texts escaped before they are shown.
 */
#pragma once
#include "session.h"

/* Send the requests of a channel when the socket takes them: INIT_SPAWN, INIT_DIAL. */
void spawn_submit(struct session *s, struct chan *c);
/* Send INIT_LISTEN. */
void spawn_listen(struct session *s, struct listen *l);
/* Send INIT_RELEASE. */
void spawn_release(struct session *s, uint32_t id);
/* Something waits to be sent. */
bool spawn_wants_write(const struct session *s);
void spawn_writable(struct session *s);
void spawn_readable(struct session *s);
void spawn_signal(struct session *s, const struct chan *c, int number);
