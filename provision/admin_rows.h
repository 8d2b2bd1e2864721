/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `sshbay list`, `show` and `leases` say about a workspace, as rows of the "admin" conversation. */
#pragma once
#include "proto/admin.h"
#include "workspace.h"

void admin_rows_workspace(struct registry *reg, const struct workspace *ws,
			  struct admin_workspace *row);
/* Calls fn for each lease of the workspace; row->tag is left 0. */
void admin_rows_leases(struct registry *reg, const struct workspace *ws,
		       void (*fn)(void *ctx, struct admin_lease *row), void *ctx);
