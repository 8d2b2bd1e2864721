/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interfaces of the caller's network namespace, and what stays the same about them.  ioctl(2), /proc and sysfs only, so
 * that provisiond's own process may look.
 *
 * The identity of an interface is never its name: "pci:0000:29:00.0" (with "/portN" where several ports share one
 * function), else "mac:" and the permanent MAC, else "name:" and the name, for virtual ones that have neither.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define NIC_FIND_NAME 16
#define NIC_FIND_ID   80
#define NIC_FIND_PCI  16

struct nic_seen {
	char name[NIC_FIND_NAME], id[NIC_FIND_ID];
	char pci[NIC_FIND_PCI]; /* "" for one that is no PCI function */
	char driver[32], firmware[32];
	uint8_t mac[6], perm[6]; /* perm all zero: the driver has none */
	uint32_t mtu;
	uint16_t flags; /* IFF_* */
	int ifindex;
	uint32_t speed; /* Mbit/s, 0 unknown */
	bool carrier;
};

/* Look at the interface with this name or alternative name. -ENODEV none, -EOPNOTSUPP not Ethernet. */
int nic_find_look(const char *sysfs, const char *name, struct nic_seen *out, struct err *e);
/* By "pci:..", "mac:.." (the present or the permanent one), "name:..", or a name. -ENODEV none, -ENOTUNIQ several. */
int nic_find(const char *sysfs, const char *what, struct nic_seen *out, struct err *e);
/* Call fn for every Ethernet interface but the control planes of workspaces. */
int nic_find_each(const char *sysfs, void (*fn)(void *ctx, const struct nic_seen *seen), void *ctx,
		  struct err *e);
/* PCI address of virtual function `vf` of the physical function `pf`. -ENODEV when it has no such one. */
int nic_find_vf(const char *sysfs, const struct nic_seen *pf, unsigned int vf,
		char pci[NIC_FIND_PCI], struct err *e);
/* A MAC address as text, 02:00:00:00:00:01; "" for zeros. */
const char *nic_find_mac_text(const uint8_t mac[6], char out[18]);
/* How many virtual functions the device with this id has; 0 also for what is no physical function. */
unsigned int nic_find_vfs(const char *sysfs, const char *id);
/* Is the PCI function `pci` a virtual one? Then its physical one, and which of its virtual ones it is. */
bool nic_find_pf(const char *sysfs, const char *pci, char pf[NIC_FIND_PCI], uint32_t *vf);
/* Is there such a PCI function at all, whichever driver it has? `pci` may go on with the "/portN" of an id. */
bool nic_find_pci_exists(const char *sysfs, const char *pci);
/* NUMA node of the device with this id; -1 unknown, or no PCI function. */
int nic_find_numa(const char *sysfs, const char *id);
/* 1 when a default route of the host (IPv4 or IPv6) goes through `name`, else 0. */
int nic_find_default_route(const char *name);
