/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GPUs against reality, in provisiond's main process: dirty ones that nobody holds any more leave quarantine, and running
 * workspaces whose driver or CDI device the host has changed are told.  A look every minute, soon after a GPU came back dirty
 * (then ever less often), and when a file in a directory of CDI changes.
 */
#pragma once
#include "registry.h"

int reconcile_gpu_start(struct registry *r, struct err *e);
void reconcile_gpu_stop(struct registry *r);
/* The lease of these has ended: to the audit log, as lease.return or lease.quarantine. */
void reconcile_gpu_returned(const struct workspace *ws, const char *ids);
/* Look again soon: a GPU was refused because it is dirty. */
void reconcile_gpu_soon(struct registry *r);
