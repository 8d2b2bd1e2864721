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
/* Is the device with this number in this socket's namespace? It keeps the number when it is renamed. */
bool rdma_netlink_has(struct rdma_netlink *n, uint32_t index);
struct rdma_netlink_ports {
	unsigned int own,
		other; /* with interface number `ifindex`, with another one, both of this socket's namespace */
	unsigned int unknown; /* with none, or with one of another namespace */
};
/* What the ports of a device are of. -ENODEV: not there. */
int rdma_netlink_ports(struct rdma_netlink *n, const char *name, uint32_t ifindex,
		       struct rdma_netlink_ports *out, struct err *e);
/*
 * Move a device of this socket's namespace to `netnsfd`, and tell its number. Its users are cut off, its nodes made anew.
 * -EOPNOTSUPP: its driver cannot, or the kernel is in shared mode.
 */
int rdma_netlink_move(struct rdma_netlink *n, const char *name, int netnsfd, uint32_t *index,
		      struct err *e);
