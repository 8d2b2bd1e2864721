/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's NICs as `sshbay nic` and `sshbay leases` tell of them, and their way out of quarantine. Main process. */
#pragma once
#include "admin_client.h"
#include "workspace.h"

/* Answer ADMIN_NICS: rows, or a worker that recovers one; ADMIN_DONE or ADMIN_FAILED follows. */
void admin_nic_answer(struct admin_client *c, struct registry *reg, const struct admin_nics *req);
/* The rows that no workspace has: free members of the pool and what is in quarantine, as leases. */
void admin_nic_leases(struct registry *reg, void (*fn)(void *ctx, struct admin_lease *row),
		      void *ctx);
/* "vfio-pci, IOMMU group 7" for a workspace whose NIC is there, else "". */
const char *admin_nic_vfio(const struct settings *s, const struct record *rec, char *buf,
			   size_t size);
/* NUMA node and speed of the NIC with this id, in words (", NUMA node 0"); "" when unknown. */
const char *admin_nic_place(const struct settings *s, const char *id, char *buf, size_t size);
