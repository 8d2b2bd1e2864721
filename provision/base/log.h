/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operational log lines to stderr (or syslog-style <N> prefixes under systemd).  Called by process mains and request
 * handlers only.  One line per call, control bytes escaped with str_vis, cut at 1 KiB, one write(2).
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_NOTE, LOG_LEVEL_DETAIL };

/* `ident` (static storage) names the process; level from the command line. */
void log_setup(const char *ident, enum log_level max);
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Send the lines to `fd` (not owned) instead of stderr; used before a sandbox closes stderr. */
void log_to_fd(int fd);
#define log_error(...)  log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)   log_msg(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_note(...)   log_msg(LOG_LEVEL_NOTE, __VA_ARGS__)
#define log_detail(...) log_msg(LOG_LEVEL_DETAIL, __VA_ARGS__)
