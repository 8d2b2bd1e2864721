/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's GPUs as `sshbay leases` tells of them, and `sshbay gpu recover`. Main process of provisiond; only looks. */
#pragma once
#include "admin_client.h"
#include "workspace.h"

/* Answer ADMIN_GPU_RECOVER by a worker. */
void admin_gpu_recover(struct admin_client *c, struct registry *reg, const struct admin_gpu *req);
/* The rows that no workspace has: free members of the pool and what is in quarantine, as leases. */
void admin_gpu_leases(struct registry *reg, void (*fn)(void *ctx, struct admin_lease *row),
		      void *ctx);
/* row->numa and detail for the GPU row->id of a workspace: "STATE, NVIDIA H100, NUMA node 0", or that it is not here. */
void admin_gpu_place(const struct settings *s, const char *state, struct admin_lease *row);
