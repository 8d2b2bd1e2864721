/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The SSH transport of a session: libssh's server object, the key exchange, reading and writing without ever blocking,
 * keepalives and the end of the connection.
 */
#pragma once
#include "session.h"

struct transport_setup {
	uint8_t host_key[32];
	const char *kex, *ciphers, *macs; /* comma lists; NULL or "" = libssh's own */
	uint32_t rekey_mb, rekey_s;       /* 0 = libssh's own, never */
};

/* A libssh server session on `fd` (consumed on success), non-blocking, nothing sent yet. */
int transport_accept(const struct transport_setup *t, int fd, struct ssh_session_struct **out,
		     struct err *e);

/* As above for a session, from the welcome; installs the signature hook and counters. */
int transport_start(struct session *s, int conn, struct err *e);
/* One step of the key exchange. 1 = done, 0 = wait for the socket; ends the session on failure. */
int transport_kex(struct session *s);
/* Is this, of a connection that ended, libssh's refusal of a packet that had no place there? */
bool transport_out_of_place(const char *why);
/* Events the loop must poll the connection for. */
short transport_events(const struct session *s);
/*
 * Read what is there and hand out the next request. NULL when the socket is dry or the session is ending. The caller
 * owns the message.
 */
struct ssh_message_struct *transport_next(struct session *s, bool readable);
/* Were packets taken in since transport_next had nothing more to hand out? There may be requests among them. */
bool transport_pending(const struct session *s);
/* After writing: is something left in libssh's buffer? */
void transport_note_writes(struct session *s);
/* Packets of the client so far (any type), and payload bytes. */
uint64_t transport_packets(const struct session *s, uint64_t *bytes);
/* The client was silent until now: send a keepalive, or end the session after alive_count of them. */
void transport_keepalive(struct session *s, uint64_t now);
/* Instead of transport_start: tell the client why there will be nothing, and let it read that. */
void transport_refuse(int conn, const char *text);
/* The connection is over, and the client shall be told why. Safe wherever session_end is. */
void transport_disconnect(struct session *s, const char *text);
/*
 * After the loop: send what transport_disconnect was given (SSH_MSG_DISCONNECT) and let the client read it. libssh frees
 * every channel with that, so that nothing may be done with one afterwards.
 */
void transport_farewell(struct session *s);
