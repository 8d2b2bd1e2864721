/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeps clients alive that go on sending channel messages between their KEXINIT and their NEWKEYS of a key re-exchange,
 * against RFC 4253, 7.1: asyncssh 2.10 as Debian 12 has it does, after each GiB or hour.  OpenSSH's sshd takes such
 * messages, libssh 0.10 ends the connection.  Session process; a feature, not security: never before the login.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct ssh_session_struct;

enum rekey_moment { REKEY_NEW, REKEY_KEYED, REKEY_LOGGED_IN };

/*
 * Self-test: where in its session object does libssh keep the state that it judges packets by? To be called at each moment
 * of one server session, in order. False: not to be found up to now, or, at the last one, not the only such place.
 */
bool rekey_learn(const struct ssh_session_struct *ssh, enum rekey_moment moment);
/* This session is logged in: from now on. No effect when nothing was learnt. */
void rekey_serve(struct ssh_session_struct *ssh);

/* For the lens: libssh is about to judge this packet of the client; it sends this one. Packets in the clear are not told. */
void rekey_packet_in(uint8_t type);
void rekey_packet_out(uint8_t type);
/* libssh's call is over. */
void rekey_settle(void);
/* A re-exchange is under way: libssh sends nothing but that, and what it is given meanwhile fills its memory. */
bool rekey_is_on(void);
