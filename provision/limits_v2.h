/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libcgroup 2.0 cannot do on v2: controllers from the top, a delegated child, bounds, a swap limit that may not exist. */
#pragma once
#include "plan.h"

/*
 * Enable `controller` for the children of every group from the mount point down to `base`.  libcgroup does that only
 * below the mount point, and systemd enables only what some unit uses.
 */
int limits_v2_reach(const char *mount, const char *base, const char *controller, struct err *e);
/*
 * Make NAME and NAME/payload (idempotent), bound what may be nested, hand payload to the workspace's root.  `enable`
 * ("+memory +pids ") are the controllers that the tenant may use below payload. NAME's own files stay root's.
 */
int limits_v2_delegate(const struct plan *p, const char *group, const char *enable, struct err *e);
/* Write memory.swap.max; an error when the kernel cannot and the host has swap in use. */
int limits_v2_swap(const struct plan *p, const char *group, struct err *e);
