/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What connections have listening with files of its own: agents, displays and unix sockets.  PID 1 keeps who has which, and has a helper
 * remove the files when the connection says so or ends, however it ends.
 */
#pragma once
#include "agent.h"

/* Is this request (JOB_LISTEN) one of them? */
bool served_kind(const struct init_address *ad);
/* A row of c for a request. NULL: it has that many already, or one with this id. */
struct served *served_new(struct conn *c, const struct init_address *ad);
/*
 * Its helper answered: it listens, and this is the file, of this user. c may be NULL (gone meanwhile), or the row may be:
 * then the file is removed at once.
 */
void served_listening(struct agent *a, struct conn *c, uint32_t id,
		      const struct private_file *file);
/* Its helper failed. */
void served_failed(struct conn *c, uint32_t id);
/* INIT_RELEASE. */
void served_release(struct conn *c, uint32_t id);
/* The connection ends. */
void served_leave(struct conn *c);
/* Try again to start what could not be started; returns the next time (ms) or UINT64_MAX. */
uint64_t served_retry(struct agent *a, uint64_t now);
