/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NETLINK_RDMA through libnl's core: the kernel's namespace mode, and moving a device (rdma/rdma_netlink.h, kernel 5.2).
 * Worker processes and helpers only: libnl aborts on misuse, and a move waits for the device's users to be cut off.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct rdma_netlink; /* a socket that stays in one network namespace, and sees that one's devices */

/* Open a socket in the namespace `netnsfd` (-1: the caller's own). -EPROTONOSUPPORT: this kernel has no RDMA. */
int rdma_netlink_open(int netnsfd, struct rdma_netlink **out, struct err *e);
/* The same over a socket that the caller has connected to something that answers; the fd is taken. NULL: out of memory. */
struct rdma_netlink *rdma_netlink_over(int fd);
void rdma_netlink_close(struct rdma_netlink *n); /* NULL is fine */
void rdma_netlink_closep(struct rdma_netlink **n);
#define auto_rdma_netlink __attribute__((cleanup(rdma_netlink_closep)))

int rdma_netlink_mode(struct rdma_netlink *n, bool *exclusive, struct err *e);
/* Each device in one namespace from now on. -EBUSY: there is a network namespace besides the first. */
int rdma_netlink_set_exclusive(struct rdma_netlink *n, struct err *e);
/* The kernel's number of the device in this socket's namespace. -ENODEV: not there. */
int rdma_netlink_find(struct rdma_netlink *n, const char *name, uint32_t *index, struct err *e);
/*
 * Move a device of this socket's namespace to `netnsfd`. Its users are cut off, its nodes made anew. -EOPNOTSUPP: its
 * driver cannot, or the kernel is in shared mode.
 */
int rdma_netlink_move(struct rdma_netlink *n, const char *name, int netnsfd, struct err *e);
