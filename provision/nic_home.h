/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving an interface back as it was: silenced where it is found, restored from its note, and compared with it field by
 * field.  Workers only.
 */
#pragma once
#include "nic_note.h"
#include "settings.h"

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
 * `sshbay nic recover`, in a worker: restore and verify the interface `id` from the note of its quarantine and lift
 * that; `force`: take it as it is, provided that it is on the host.
 */
int nic_home_recover(const struct settings *s, const char *id, bool force, struct err *e);
