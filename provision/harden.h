/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What provisiond denies to itself and sets for itself at the start (THREATS section 5.1). */
#pragma once
#include "base/err.h"

/*
 * umask 077, not dumpable, no core file, child subreaper, capability bounding set cut to what it needs, soft limit of
 * open files raised to the hard one, OOM score -900 (best effort), descriptors 0-2 open, SIGPIPE ignored. Needs root.
 * Never no_new_privs: workspaces inherit it, and sudo inside would fail.
 */
int harden_self(struct err *e);
