/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forwarding of TCP (RFC 4254 section 7) and of unix sockets (streamlocal, as the lens puts it: lens_rewrite.h) from
 * inside the workspace.  An open is answered only when ws-init has connected, so the client sees the truth; a request to
 * listen when ws-init listens.
 */
#pragma once
#include "refusal.h"
#include "session.h"

/* Take the message over. */
void forward_open_request(struct session *s, struct ssh_message_struct *m);
void forward_global_request(struct session *s, struct ssh_message_struct *m);

/* Have ws-init dial for a channel that waits. */
void forward_dial_inside(struct session *s, struct chan *c);

/* `why`: what the client and the audit log are told, without the address. */
void forward_fail_waiting(struct session *s, const char *why);
/* ws-init's answers. They own fd. */
void forward_dialed(struct session *s, struct chan *c, int fd);
void forward_dial_failed(struct session *s, struct chan *c, enum refusal_code code,
			 const char *why);
void forward_listening(struct session *s, struct listen *l, int fd, uint32_t port);
void forward_listen_failed(struct session *s, struct listen *l, const char *why);
