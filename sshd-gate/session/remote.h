/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listening sockets inside the workspace whose connections go to the client: -R ports, the forwarded agent, X11 displays.
 * One table for all kinds (struct listen): what is asked of ws-init, the socket, and the channels that come by it.
 */
#pragma once
#include "session.h"

/* A row with an id, of a kind of which there may be one more; else NULL. */
struct listen *remote_new(struct session *s, enum gate_channel_kind kind);
struct listen *remote_by_id(struct session *s, uint32_t id);
/* Send l->ask to ws-init as soon as the workspace is there. Owns it until the answer is in. */
void remote_ask(struct session *s, struct listen *l);
void remote_submit_waiting(struct session *s);
/* ws-init listens: this is the socket, owned from now on. */
void remote_listening(struct session *s, struct listen *l, int fd);
/* Close it; ws-init removes what files there are. The row is free then. */
void remote_forget(struct session *s, struct listen *l);

/* May one more connection be forwarded, in whichever direction? */
bool remote_has_room(const struct session *s);
/* A connection waits on this socket. */
void remote_accept(struct session *s, struct listen *l);
/* Channels that the client must confirm. */
void remote_tick(struct session *s);
