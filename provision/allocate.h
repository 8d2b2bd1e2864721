/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a workspace gets for itself alone: an id range (slot), control addresses; leases: allocate_nic.h.  Each call is one
 * scan over the records in memory; the record that is then saved is the allocation.
 */
#pragma once
#include "registry.h"

/*
 * rec->slot, id_base, id_count: the lowest slot whose id range touches no other record's and no files of unknown
 * owner.  A range is free again only when the purge of its former owner is complete (its record is gone then).
 */
int allocate_slot(struct registry *r, struct workspace *ws, struct record *rec, struct err *e);
/* As allocate_slot, but exactly the range that starts at `id_base`: for files that were found without a record. */
int allocate_slot_at(struct registry *r, struct workspace *ws, uint64_t id_base, struct record *rec,
		     struct err *e);
/*
 * rec->control_ip and control_ip6: as configured; else what the record has; else the lowest that nobody has or is
 * configured for. The network's first, its last and its last but one address are never given out.
 */
int allocate_address(struct registry *r, struct workspace *ws, const struct spec *spec,
		     struct record *rec, struct err *e);
/*
 * rec->data_ip, and spec->data_ip made the same: as configured; else one of data_cidr, like allocate_address, with the
 * host number of the control address where that is free.  None without a NIC of the kernel's, by data_ip = none, and
 * where data_ip6 alone is configured.
 */
int allocate_data_ip(struct registry *r, struct workspace *ws, struct spec *spec,
		     struct record *rec, struct err *e);
