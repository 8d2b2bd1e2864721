/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* provisiond as a whole: its parts put together at the start, reload, and its end. */
#pragma once
#include "settings.h"

/* Exit statuses of provisiond. */
enum daemon_exit { DAEMON_OK = 0, DAEMON_FAILED = 1, DAEMON_USAGE = 2, DAEMON_CONFIG = 78 };

/* Load `file`; every problem goes to stderr. NULL: it does not load. */
struct settings *daemon_settings(const char *file);
/* Run until SIGTERM or SIGINT; workspaces live on. Takes over `s`. Returns the exit status. */
int daemon_run(const char *file, struct settings *s);
/*
 * `provisiond --teardown`: remove the host's network set-up and what the run directory holds. Refused (DAEMON_FAILED)
 * while a provisiond runs, and while workspaces run unless `force`, which takes them down first. Files and records stay.
 */
int daemon_teardown(const struct settings *s, bool force);
