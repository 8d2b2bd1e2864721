/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, addresses and host keys for a user's clients (proto/admin_identity.h). provisiond's main process. */
#pragma once
#include "admin_client.h"
#include "auth.h"
#include "workspace.h"

/* ADMIN_HOSTS. Makes the host keys that clients are about to be told of. `gate` is the gate's own. */
void admin_hosts_answer(struct admin_client *c, struct registry *reg, const struct hostkey *gate,
			const struct admin_name *req);
