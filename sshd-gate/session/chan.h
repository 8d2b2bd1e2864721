/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Session channels (RFC 4254 section 6): opening, their requests, and the end: exit status or signal, EOF, CLOSE.
 * Also the life of every kind of channel object.
 */
#pragma once
#include "session.h"

/* SSH_REQUEST_CHANNEL_OPEN of a session, SSH_REQUEST_CHANNEL; both take the message over. */
void chan_open_request(struct session *s, struct ssh_message_struct *m);
void chan_request(struct session *s, struct ssh_message_struct *m);

/* A channel object of any kind, without libssh channel yet. NULL when there are too many. */
struct chan *chan_new(struct session *s, enum chan_kind kind);
/* Give it its libssh channel. */
int chan_adopt(struct session *s, struct chan *c, struct ssh_channel_struct *ssh);
/* A channel that never came to be. */
void chan_drop(struct session *s, struct chan *c);
struct chan *chan_by_id(struct session *s, uint32_t id);
uint32_t chan_count(const struct session *s, enum chan_kind kind);

/* Attach succeeded or failed: serve or refuse those that wait. */
void chan_submit_waiting(struct session *s);
void chan_fail_waiting(struct session *s, const char *why);
/* "sshbay: text" where the user sees it, exit status 254, close. */
void chan_fail(struct session *s, struct chan *c, const char *text);
/*
 * Close it from our side, whatever runs on it: a session like chan_fail (a terminal hangs up), a forwarded connection
 * without words.
 */
void chan_expire(struct session *s, struct chan *c, const char *text);
/* A line for every terminal that waits for the workspace, or for one. */
void chan_tell_terminals(struct session *s, const char *line);
void chan_tell(struct chan *c, const char *line);
/* The process is running on these fds / has ended. */
void chan_running(struct session *s, struct chan *c);
void chan_exited(struct session *s, struct chan *c, const struct init_exited *x);
/* Answer to GATE_WHY for the oldest that asked. */
void chan_because(struct session *s, const char *text);

/* Close what is done, free what both sides closed. After every turn of the loop. */
void chan_settle(struct session *s, uint64_t now);
/* When chan_settle has something to do without any event. UINT64_MAX = never. */
uint64_t chan_next(const struct session *s);
