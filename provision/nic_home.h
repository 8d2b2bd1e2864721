/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of an interface may be leased and is noted before, and the ways out of a lease: to its kernel driver, into
 * quarantine, and out of that.  Workers only.
 */
#pragma once
#include "nic_note.h"
#include "plan.h"

/* -EBUSY when the host itself lives by it: a port of a bridge or bond, below a VLAN or macvlan, the LAN interface. */
int nic_home_may_leave(const struct settings *s, struct netif *host, const struct netif_link *link,
		       struct err *e);
/* Read everything that an interface of the host is to be given back as. -EBUSY when the host uses what would be lost. */
int nic_home_read(struct netif *host, const struct netif_link *link, struct nic_note *note,
		  struct err *e);
/*
 * The PCI function `id` has its kernel driver (and driver_override) back, and its interface is there; `note` may be NULL.
 * Nothing to do for one that a kernel driver has, or that is no PCI function.
 */
int nic_home_kernel(const struct settings *s, const char *id, const struct nic_note *note,
		    struct err *e);
/* Put the plan's NIC into quarantine with its note; `name`: what it is called now, "" nothing. */
int nic_home_quarantine(const struct plan *p, const struct nic_note *note, const char *name,
			const struct err *why, struct err *e);
/*
 * `sshbay nic recover`, in a worker: restore and verify the interface `id` from the note of its quarantine and lift
 * that; `force`: take it as it is, provided that it is on the host.
 */
int nic_home_recover(const struct settings *s, const char *id, bool force, struct err *e);
