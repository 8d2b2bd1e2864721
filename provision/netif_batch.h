/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between netif.c, which carries requests, and netif_msg.c, which writes them. Nobody else includes this. */
#pragma once
#include "netif.h"

struct nl_msg;
struct nlmsghdr;

/*
 * Start a request of `type` (RTM_*) with the NLM_F_* `flags` and its fixed header. The text says what it does and
 * becomes the error message. NULL after a failure, which is remembered.
 */
struct nl_msg *netif_begin(struct netif *n, int type, int flags, const void *header, size_t size);
/* Queue the finished request and free it; `bad` (a failed nla_put) turns it into a remembered failure. */
void netif_end(struct netif *n, struct nl_msg *msg, bool bad, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * Send one request (freed; NULL: -ENOMEM) that is answered by one message, of any size, and call fn for that: 0 or its
 * -errno. -EBUSY while requests are queued.
 */
int netif_ask(struct netif *n, struct nl_msg *msg, int (*fn)(void *ctx, struct nlmsghdr *h),
	      void *ctx);
extern const int netif_link_tunings[NETIF_TUNINGS]; /* IFLA_* */
int netif_fd(const struct netif *n);                /* its socket, for ioctls */
/* Send the dump request `msg` (freed), call fn for each object. Nothing may be queued. `what` is for messages. */
int netif_walk(struct netif *n, struct nl_msg *msg, void (*fn)(void *ctx, struct nlmsghdr *h),
	       void *ctx, struct err *e);
