/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lease of a NIC's RDMA device, in provisiond's main process. The records are the leases. */
#pragma once
#include "registry.h"

/*
 * rec->rdma for spec->rdma, after allocate_nic ("none", or a NIC that is optional and not there: cleared).  Refused when
 * the device is not the NIC's, is leased or in quarantine, or when the kernel's mode keeps no workspace from another's;
 * and, with rdma = none, when the move of the NIC would end a device that was made in software on it.
 */
int allocate_rdma(struct registry *r, struct workspace *ws, const struct spec *spec,
		  struct record *rec, struct err *e);
