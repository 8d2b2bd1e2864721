/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where cgroups are and how they end: hierarchies, our own place in them, the list of a workspace's groups, killing and
 * removing.  Plain files; libcgroup stays in limits.c.
 */
#pragma once
#include "base/err.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define LIMITS_GROUPS_MAX 10
#define LIMITS_UNIFIED    "unified" /* stands for the v2 hierarchy in a list of groups */

struct limits_group {
	char controller[16];
	char path[PATH_MAX];
};
struct limits_groups {
	unsigned int n;
	struct limits_group g[LIMITS_GROUPS_MAX];
};

/* Mount point of the v2 hierarchy, or NULL. Static storage. */
const char *limits_group_unified(void);
bool limits_group_is_v2(const char *mountpoint);
/*
 * Our own group of `controller` (LIMITS_UNIFIED for v2) below `mountpoint`, as a full path; a systemd unit's group is
 * replaced by the slice around it.
 */
int limits_group_base(const char *controller, const char *mountpoint, char *buf, size_t size,
		      struct err *e);
/* dir/groups. -ENOENT when there is no such file. */
int limits_group_load(const char *dir, struct limits_groups *out, struct err *e);
int limits_group_save(const char *dir, const struct limits_groups *g, struct err *e);
const struct limits_group *limits_group_find(const struct limits_groups *g, const char *controller);
/* Kill every process of the workspace. */
int limits_group_kill(const struct limits_groups *g, struct err *e);
/* rmdir the group and every group below it, waiting up to `ms` for dying processes. No such group: 0. */
int limits_group_remove(const char *path, unsigned int ms, struct err *e);
/* Value of a "key value" line of a cgroup file. */
int limits_group_counter(const char *path, const char *file, const char *key,
			 unsigned long long *out, struct err *e);
