/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches ws-init of each running workspace by its pidfd, and tells jobs.c when it ends by itself. */
#pragma once
#include "registry.h"

/* Watch `pidfd` (taken over, also on failure). */
int watch_start(struct workspace *ws, int pidfd, struct err *e);
void watch_stop(struct workspace *ws);
/* Orphan handler of the worker pool: remembers how a ws-init ended; ctx is the registry. */
void watch_reaped(void *ctx, const siginfo_t *si);
/* How it ended, in words: "ws-init was killed by signal 9 (2 out-of-memory kills in the workspace)". */
const char *watch_reason(const struct workspace *ws, char *buf, size_t size);
/* Did it end, as far as is known, neither by a reboot(2) nor by a poweroff from inside? */
bool watch_crashed(const struct workspace *ws);
/* Did it end by a reboot(2) from inside, after some time of use? Then it is started again, as a machine would. */
bool watch_rebooted(const struct workspace *ws);
