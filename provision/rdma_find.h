/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RDMA devices as sysfs shows them (Documentation/ABI/stable/sysfs-class-infiniband): whose NIC they are of, and their
 * nodes.  Files only, so that provisiond's own process may look.  A mount of sysfs shows, in exclusive mode, the devices
 * of one network namespace; the nodes of /sys/class/infiniband_verbs are always all there.
 */
#pragma once
#include "base/err.h"
#include "nic_find.h"
#include "record.h"
#include <stdbool.h>

#define RDMA_FIND_NAME  64 /* IB_DEVICE_NAME_MAX */
#define RDMA_FIND_PORTS 16

/* Does a device belong to one network namespace (ib_core's netns_mode), or is it in all of them? */
enum rdma_find_mode { RDMA_FIND_ABSENT, RDMA_FIND_SHARED, RDMA_FIND_EXCLUSIVE };

struct rdma_find {
	char name[RDMA_FIND_NAME];
	char pci[NIC_FIND_PCI]; /* function that it belongs to; "" for one made in software */
	uint64_t device
		[2]; /* what it is part of, as numbers of its folder in sysfs; zeros: nothing */
	char parent[NIC_FIND_NAME]; /* interface under one made in software (rxe, siw), or "" */
	unsigned int nports;
	char netdev
		[RDMA_FIND_PORTS]
		[NIC_FIND_NAME]; /* interface of each port, "" unknown: as it is called wherever it is */
};
struct rdma_find_node {
	char name[32]; /* below /dev/infiniband */
	unsigned int major, minor;
};

/* ABSENT: this kernel has no RDMA, or ib_core is not loaded. */
enum rdma_find_mode rdma_find_mode(const char *sysfs);
/* -ENODEV: there is no device of this name (in the namespace of this sysfs). */
int rdma_find_look(const char *sysfs, const char *name, struct rdma_find *out, struct err *e);
/*
 * The device of the NIC rec->nic: the one called `name`, or, when that is NULL, the only one. A macvlan's is that of its
 * parent.  Both must be of the same PCI function or, where the NIC has no such identity (a part of a function), of the
 * same device; a name of an interface proves nothing, since a tenant may choose it.  A NIC of that kind that is not on
 * the host cannot be compared here: then `name` is believed if it is no function's own, and its ports have to be asked.
 * -ENODEV none, -ENOTUNIQ several, -EXDEV when `name` is another NIC's, or has ports of another NIC.
 */
int rdma_find_of(const char *sysfs, const struct record *rec, const char *name,
		 struct rdma_find *out, struct err *e);
/* A device made in software on this interface; it would end with the interface's move. Its name, or -ENOENT. */
int rdma_find_soft(const char *sysfs, const char *netdev, char name[RDMA_FIND_NAME]);
/* Call fn for every device. */
int rdma_find_each(const char *sysfs, void (*fn)(void *ctx, const struct rdma_find *dev), void *ctx,
		   struct err *e);
/* Its uverbs node. -ENOENT: ib_uverbs is not loaded. */
int rdma_find_uverbs(const char *sysfs, const char *name, struct rdma_find_node *out,
		     struct err *e);
/* The node of the connection manager, one for all devices. -ENOENT: rdma_ucm is not loaded. */
int rdma_find_cm(const char *sysfs, struct rdma_find_node *out, struct err *e);
