/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Agent forwarding and X11 forwarding (RFC 4254 section 6.3, and OpenSSH's auth-agent-req): what ws-init listens on for a
 * login beyond the ports that the client names.  The agent belongs to the connection, a display to its session channel.
 * The program of a channel starts when it is known what both became.
 */
#pragma once
#include "session.h"

/* The client wants its agent forwarded. True: accepted; the socket is on its way. */
bool served_agent_request(struct session *s);
/* The same from a callback of libssh, which has answered (without the lens). Sets a flag. */
void served_agent_wanted(struct session *s);
/* x11-req. True: accepted; the display is on its way. */
bool served_x11_request(struct session *s, struct chan *c, struct ssh_message_struct *m);
/* Ask for what is wanted. After messages of the client. */
void served_tick(struct session *s);
/* Must the program of this channel wait? */
bool served_pending(const struct session *s, const struct chan *c);
/* SSH_AUTH_SOCK, DISPLAY and XAUTHORITY of a program that is about to start. */
void served_environment(struct session *s, struct chan *c);
/* ws-init's answers. Owns fd. */
void served_listening(struct session *s, struct listen *l, int fd, const struct init_opened *a);
void served_failed(struct session *s, struct listen *l, const char *text);
/* The channel is going, and its display with it. */
void served_end(struct session *s, const struct chan *c);
/* ws-init is gone: so is all of it. The agent comes back with the next one. */
void served_lost(struct session *s);
