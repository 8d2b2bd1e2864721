/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the workspace's root to the unix user of a login. Helper only; there is no way back. */
#pragma once
#include "passwd.h"
#include <sys/resource.h>

/*
 * Restore the limit of open files that PID 1 raised for itself, then set groups, gid and uid (real, effective, saved).
 * The kernel makes the process undumpable until it execs, so that no other process of the user can ptrace the helper.
 */
int become_user(const struct account *a, const struct rlimit *nofile, struct err *e);
