/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What would become of a login (proto/admin_identity.h). provisiond's main process; changes nothing. */
#pragma once
#include "admin_client.h"
#include "workspace.h"

/* ADMIN_EXPLAIN: one ADMIN_FACT per answer, by the functions that decide real logins. */
void admin_explain_answer(struct admin_client *c, struct registry *reg,
			  const struct admin_explain *req);
