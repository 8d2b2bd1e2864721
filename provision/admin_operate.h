/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Create, start, stop, destroy, attach: on request of an admin client. Main process of provisiond. */
#pragma once
#include "admin_client.h"
#include "workspace.h"

/* ADMIN_PROGRESS and in the end ADMIN_DONE or ADMIN_FAILED follow. -EPROTO: an operation that is not known. */
int admin_operate_start(struct admin_client *c, struct registry *reg,
			const struct admin_operate *req, struct err *e);
/* The client is gone: what it began goes on, and nobody is told. */
void admin_operate_forget(struct admin_client *c);
