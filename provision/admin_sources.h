/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `sshbay penalties`: ADMIN_SOURCES is the listener's to answer, which keeps the table; its words are passed on here. */
#pragma once
#include "admin_client.h"
#include "admin_server.h"

void admin_sources_answer(struct admin_client *c, const struct admin_daemon *d,
			  const struct admin_sources *req);
/* This client goes: a lift whose answer it has not heard is in the audit log, too. */
void admin_sources_forget(struct admin_client *c);
