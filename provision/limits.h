/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `limits`: memory, swap, cpus, pids of a workspace through libcgroup, on v1, v2 and hybrid hosts.  The only home
 * of libcgroup.  Layout below each hierarchy: <our own group>/<settings.limits.cgroup>/NAME (limits) and on v2
 * NAME/payload (delegated, the cgroup namespace's root).  Never touches a group that is not below ours.
 */
#pragma once
#include "plan.h"

int limits_up(struct plan *p, struct err *e);
int limits_down(struct plan *p, struct err *e);
/* Put process `pid` into the workspace's groups (payload on v2). */
int limits_join(struct plan *p, pid_t pid, struct err *e);
/* OOM kills in the workspace since it started; 0 and *kills, -ENOENT when it has no group. Used by the daemon. */
int limits_oom_kills(const struct settings *s, const char *name, uint64_t *kills, struct err *e);
/* Kill every process in the workspace's groups (cgroup.kill, or freeze + kill + thaw). */
int limits_kill(struct plan *p, struct err *e);
/* Path of the group that carries the memory limit (or the first there is), for `sshbay show`. */
int limits_path(const struct settings *s, const char *name, char *buf, size_t size, struct err *e);
/* Which controllers are there: fills a line such as "v1: cpu cpuset memory pids; v2: none" for `sshbay doctor`. */
int limits_describe(char *buf, size_t size, struct err *e);
