/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Run a function in a forked child and wait: for what must not run in provisiond's own process (libnl aborts on misuse). */
#pragma once
#include "base/err.h"

/* fn's result and error, or -ECHILD when the child died ("verb 'object'" is told in `what`). */
int helper_run(const char *what, int (*fn)(void *ctx, struct err *e), void *ctx, struct err *e);
