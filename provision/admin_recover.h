/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device's way out of quarantine, on request of an admin client: one worker each. Main process of provisiond. */
#pragma once
#include "admin_client.h"
#include "registry.h"

struct admin_recover {
	const char *kind; /* "nic", "rdma", "gpu" */
	const char *id;
	const char *done; /* what the client is told in the end, and the audit log; a literal */
	uint32_t tag;
	bool force; /* NICs */
};

/* ADMIN_DONE or ADMIN_FAILED follows. */
void admin_recover_start(struct admin_client *c, struct registry *reg,
			 const struct admin_recover *what);
/* The client is gone: what it began goes on, and nobody is told. */
void admin_recover_forget(struct admin_client *c);
