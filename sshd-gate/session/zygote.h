/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The zygote: a warmed, sandboxed process that forks one session per connection for the listener ("zygote", ctl.h). */
#pragma once
#include "base/err.h"
#include "sandbox.h"

/*
 * Serve ZYGOTE_SPAWN on `sock` until its end. Returns 0 at the end of the stream, -errno on a broken listener; never
 * returns in a session, which exits.
 */
int zygote_serve(int sock, const struct sandbox *sb, struct err *e);
