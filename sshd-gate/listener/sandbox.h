/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The listener gives up what it started with, before the first connection is accepted. */
#pragma once
#include "base/err.h"
#include <sys/types.h>

/*
 * When root: empty the bounding set, become uid:gid without supplementary groups, and prove that there is no way back.
 * Otherwise check that we are uid already (a mismatch is an error).
 */
int sandbox_become(uid_t uid, gid_t gid, struct err *e);
/*
 * No capabilities, no_new_privs, not dumpable, no core, Landlock (exec of what `program` is open on, and reading what the dynamic loader
 * needs for it), seccomp. The filter is inherited by the sessions, which add their own tighter one.
 */
int sandbox_enter(int program, struct err *e);
