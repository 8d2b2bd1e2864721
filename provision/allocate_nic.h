/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lease of a NIC, in provisiond's main process.  The records are the leases; two of them clash when their ids do,
 * under whatever names the configurations know the device.
 */
#pragma once
#include "registry.h"

/*
 * rec->nic for spec->nic ("none" clears it): identified on the host, refused when another record holds it or when it is
 * in quarantine; what a stop kept is kept while it is what is asked for.  With nic_policy = optional a NIC that is not
 * to be had leaves rec->nic empty and rec->note says why.
 */
int allocate_nic(struct registry *r, struct workspace *ws, const struct spec *spec,
		 struct record *rec, struct err *e);
/* Whose lease clashes with `id`; NULL: nobody's (but that of `ws`, which may be NULL). */
const struct workspace *allocate_nic_holder(const struct registry *r, const struct workspace *ws,
					    const char *id);
