/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A complete SSH handshake and login of this process with itself, over a socket pair.  Proves that libssh reaches the
 * interposed functions, on the very library that will serve, and builds libcrypto's tables before the first fork.
 */
#pragma once
#include "base/err.h"

/* 0, or -errno with the reason: the process must not serve. Takes some milliseconds; before the sandbox. */
int selftest_run(struct err *e);
