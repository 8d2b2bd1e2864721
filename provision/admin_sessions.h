/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The admin conversation about connections: who is in, with which channels. Main process of provisiond. */
#pragma once
#include "admin_client.h"

/* A row per authenticated connection, each followed by a row per open channel. `workspace` empty: of all. */
void admin_sessions_send(struct admin_client *c, uint32_t tag, const char *workspace);
