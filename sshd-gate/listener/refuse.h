/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Telling a client why it is turned away (proto/disconnect.h).  Nothing is read.  A socket that is closed with unread input sends a reset, which would
 * overtake the text; so it is kept half-closed until the client hangs up, at most REFUSE_LINGER_US.
 */
#pragma once
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/disconnect.h"

#define REFUSE_MAX       64 /* more than these at once: the oldest is closed */
#define REFUSE_LINGER_US 2000000

struct refuse_list {
	struct {
		int fd;
		uint64_t until_us;
	} v[REFUSE_MAX]; /* oldest first */
	unsigned int n;
};

/* Send it without blocking and keep the connection until its end; consumes fd. */
void refuse_send(struct refuse_list *l, int fd, enum disconnect_reason reason, const char *text,
		 uint64_t now_us);
/* Send it and close at once, when there is no fd to spare; consumes fd. */
void refuse_brief(int fd, enum disconnect_reason reason, const char *text);
/* Fill p (room for REFUSE_MAX) to learn who hung up; returns how many. */
unsigned int refuse_pollfds(const struct refuse_list *l, struct pollfd *p);
/* Close those that hung up (p as refuse_pollfds made it, or NULL) or are too old. */
void refuse_expire(struct refuse_list *l, const struct pollfd *p, unsigned int np, uint64_t now_us);
/* When the oldest has to go; UINT64_MAX when there is none. */
uint64_t refuse_deadline(const struct refuse_list *l);
