/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Giving an interface back as it was: silenced where it is found, restored from its note, and compared with it field by
 * field.  Workers only.
 */
#pragma once
#include "nic_note.h"

/*
 * Delete what was made on top of it in the same namespace: VLANs, macvlans and the like stay connected to an interface
 * that moves away.
 */
int nic_restore_uncover(struct netif *n, const struct netif_link *link, struct err *e);
/* Down, flags cleared, no XDP, no traffic control, no alias, no alternative names (`link` is read again). */
int nic_restore_silence(struct netif *n, struct netif_link *link, struct err *e);
/*
 * Restore the interface `link`, which is on the host under any name, and verify it.  A virtual link whose other end is
 * elsewhere stays down: that end may be a tenant's, and an interface that is up is a way to the host past the control
 * plane's rules.  Tries everything, returns the first thing that failed or differs.
 */
int nic_restore_all(struct netif *host, const char *sysfs, struct netif_link *link,
		    const struct nic_note *note, struct err *e);
