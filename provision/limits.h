/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `limits`: memory, swap, cpus, pids of a workspace through libcgroup, on v1, v2 and hybrid hosts.  The only home
 * of libcgroup.  Layout below each hierarchy: <our own group>/<settings.limits.cgroup>/NAME (limits) and on v2
 * NAME/payload (delegated, the cgroup namespace's root).  When our own group is a systemd service or scope, the slice
 * around it takes its place: a unit's group holds processes, and its end must not end workspaces.
 *
 * The groups of a workspace are listed in run/ws/NAME/groups before they are made ("memory /sys/fs/cgroup/memory/...");
 * everything after limits_up works from that list, wherever the daemon itself may live by then.
 */
#pragma once
#include "plan.h"

int limits_up(struct plan *p, struct err *e);
int limits_down(struct plan *p, struct err *e);
/*
 * Put the calling process, which must have one thread, into the workspace's v1 groups.  Writing "0" to `tasks` is the
 * one way that does not wait for an RCU grace period (6..12 ms, kernel 5.16).  On v2 a process is born in the payload.
 */
int limits_join(struct plan *p, struct err *e);
/* The payload directory for CLONE_INTO_CGROUP: fd, or -ENOENT when there is no v2 hierarchy. */
int limits_payload(struct plan *p, struct err *e);
/* OOM kills in the workspace since it started; 0 and *kills, -ENOENT when it has no group. Used by the daemon. */
int limits_oom_kills(const struct settings *s, const char *name, uint64_t *kills, struct err *e);
/* Kill every process in the workspace's groups (cgroup.kill, or freeze + kill + thaw). No group: nothing to do. */
int limits_kill(struct plan *p, struct err *e);
/* Path of the group that carries the memory limit (or the first there is), for `sshbay show`. */
int limits_path(const struct settings *s, const char *name, char *buf, size_t size, struct err *e);
/*
 * Which controllers are there: fills a line such as "v1: cpu cpuset memory pids; v2: none" for `sshbay doctor`. Also
 * initialises libcgroup (1 ms): called once at the start of provisiond, it spares every worker that.
 */
int limits_describe(char *buf, size_t size, struct err *e);
