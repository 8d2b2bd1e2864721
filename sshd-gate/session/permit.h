/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the login may do (GATE_PERMIT): flags, where it may forward, the command it is tied to.  provisiond decides, the
 * session enforces.  Before the login nothing is allowed.
 */
#pragma once
#include "session.h"

/* Keep it: the flags, and the rest only when there is any. 0, -EBADMSG (a list that is none) or -ENOMEM. */
int permit_take(struct session *s, const struct gate_permit *p);

bool permit_has(const struct session *s, uint32_t flag);
/* May a connection go to this host and port (-L, -D, -W), may this address be listened on (-R)? By sshd's rules. */
bool permit_open(const struct session *s, const char *host, uint32_t port);
bool permit_listen(const struct session *s, const char *host, uint32_t port);
/* Unix sockets, either way. A list of hosts and ports allows none. */
bool permit_unix(const struct session *s);

/* What runs instead of anything the client asks for; NULL: what it asks for. */
const char *permit_command(const struct session *s);
/* Put the variables of the key into a block. 0 or -E2BIG. */
int permit_environment(const struct session *s, uint8_t *block, uint32_t *len, size_t cap);
