/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running workspaces on a bridge (attach) against reality, in provisiond's main process: at the start, every minute, and a
 * second after an interface of the host has changed.  A bridge that has gone, or a port that was taken off it, is told, in
 * the record's note, the audit log and to the sessions; the next start of the workspace heals it. A bridge that has come, was
 * down, or got another MAC or address is told to a worker (registry_refresh_host).
 */
#pragma once
#include "registry.h"

int reconcile_bridge_start(struct registry *r, struct err *e);
void reconcile_bridge_stop(struct registry *r);
/* The worker has failed: the next look asks for another, whatever it sees. */
void reconcile_bridge_again(struct registry *r);
/* One look. */
void reconcile_bridge_now(struct registry *r);
