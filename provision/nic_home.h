/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving an interface back as it was: silenced where it is found, restored from its note, and compared with it field by
 * field.  Workers only.
 */
#pragma once
#include "nic_note.h"
#include "plan.h"

/* -EBUSY when the host itself lives by it: a port of a bridge or bond, the LAN interface. */
int nic_home_may_leave(const struct settings *s, const struct netif_link *link, struct err *e);
/* Read everything that an interface of the host is to be given back as. -EBUSY when the host uses what would be lost. */
int nic_home_read(struct netif *host, const struct netif_link *link, struct nic_note *note,
		  struct err *e);
/* Down, flags cleared, no XDP, no traffic control, no alias, no alternative names (`link` is read again). */
int nic_home_silence(struct netif *n, struct netif_link *link, struct err *e);
/*
 * Restore the interface `link`, which is on the host under any name, and verify it.  A virtual link whose other end is
 * elsewhere stays down: that end may be a tenant's, and an interface that is up is a way to the host past the control
 * plane's rules.  Tries everything, returns the first thing that failed or differs.
 */
int nic_home_restore(struct netif *host, const char *sysfs, struct netif_link *link,
		     const struct nic_note *note, struct err *e);
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
