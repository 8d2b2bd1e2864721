/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases against reality, at the start and every minute, in provisiond's main process: NICs that were missing and have
 * appeared move in, ones that were pulled out are told, an attach that a crash interrupted is finished.
 */
#pragma once
#include "registry.h"

/* Look now, and from now on every minute. */
int reconcile_start(struct registry *r, struct err *e);
void reconcile_stop(struct registry *r);
/* One look. */
void reconcile_now(struct registry *r);
