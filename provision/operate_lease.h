/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a workspace leases when it starts: chosen, compared with what it kept, told to the audit log. */
#pragma once
#include "registry.h"

/*
 * Fill *rec and *spec with what the workspace will be: from its record, or for a new one; slot, addresses and devices
 * allocated. Nothing is recorded yet. -EBUSY and others: refused, with who has it.
 */
int operate_lease_choose(struct workspace *ws, struct spec *spec, struct record *rec,
			 struct err *e);
/* Has a stop kept what does not fit to `rec` any more (addresses, NIC and other devices)? */
bool operate_lease_outdated(const struct record *kept, const struct record *rec);
/* Audit what ws->rec has and `before` had not, and the GPUs that it has no more. */
void operate_lease_taken(const struct workspace *ws, const struct record *before);
/* One line: event "lease.*" of an object of that kind ("ip", "nic", "gpu", "rdma"). */
void operate_lease_audit(const struct workspace *ws, const char *event, const char *kind,
			 const char *object);
