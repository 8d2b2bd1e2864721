/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that must not get lost although nobody waits for an answer, on a non-blocking socket that may be full.  In the
 * order in which they were given; what is sent beside it has to wait while something is kept here.
 */
#pragma once
#include "base/err.h"
#include "proto/msg.h"
#include <stdbool.h>
#include <stdint.h>

#define OUTBOX_MAX                                                                                 \
	1024 /* more than one connection's channels can cause, as long as pairs are taken back */

struct outbox_item {
	struct outbox_item *next;
	uint32_t type;
	uint64_t body[]; /* of the message's size */
};
struct outbox {
	struct outbox_item *first; /* all zero: empty */
	uint32_t n;
};

/* Send, or keep a copy. -ENOBUFS: it is full; else as msg_send, which did not say -EAGAIN. */
int outbox_send(struct outbox *o, int fd, const struct msg_proto *p, const struct msg_out *m,
		struct err *e);
/* The socket may have room again. 0 also when some have to wait on. */
int outbox_flush(struct outbox *o, int fd, const struct msg_proto *p, struct err *e);
/* Take the kept ones back of which `is` says so. How many there were. */
uint32_t outbox_take_back(struct outbox *o,
			  bool (*is)(const struct outbox_item *i, const void *ctx),
			  const void *ctx);
void outbox_clear(struct outbox *o);
