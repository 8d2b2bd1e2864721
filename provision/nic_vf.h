/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A leased NIC that is a virtual function: its physical one, which stays on the host, tells what it may do.  That is
 * noted with the rest, set as configured while it is leased, and set back.  Workers only.
 */
#pragma once
#include "nic_note.h"
#include "spec.h"

/* Fill note->pf and note->vf for the device note->id; leaves note->pf "" when it is no virtual function. */
int nic_vf_note(struct netif *host, const char *sysfs, struct nic_note *note, struct err *e);
/*
 * Set what `spec` asks for (vf_*), and look that it is so: 1 when something changed, which the function's driver may see
 * only when it is reset (the interface goes down), 0 when not. Nothing for what is no virtual function. Needs the
 * physical function only, so also while the virtual one is inside or at vfio-pci.
 */
int nic_vf_give(struct netif *host, const char *sysfs, const struct nic_note *note,
		const struct spec *spec, struct err *e);
/* Set back what the note says, and look that it is so. Before the function's own MAC address, over which it decides. */
int nic_vf_restore(struct netif *host, const char *sysfs, const struct nic_note *note,
		   struct err *e);
/* Its physical function has a MAC address for it that is not the one it had itself: which of the two counts is the driver's. */
bool nic_vf_rules_mac(const struct nic_note *note);
