/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the workspace's root to the unix user of a login. Helper only; there is no way back. */
#pragma once
#include "passwd.h"
#include <sys/resource.h>

/* What children of PID 1 get; PID 1 raised both for itself. Only soft limits: sudo goes up to the hard one to get through. */
struct become_limits {
	struct rlimit nofile, nproc;
};

/*
 * Restore these limits, then set groups, gid and uid (real, effective, saved).
 * The kernel makes the process undumpable until it execs, so that no other process of the user can ptrace the helper.
 */
int become_user(const struct account *a, const struct become_limits *l, struct err *e);
