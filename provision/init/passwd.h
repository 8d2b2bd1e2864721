/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The texts of /etc/passwd, group, shadow and gshadow: pure functions over memory, no file, no allocation.  A line that
 * is malformed in any way is skipped, never repaired.  First match wins, as in the C library.
 */
#pragma once
#include "base/err.h"
#include "proto/init.h"

#define PASSWD_FILE_MAX   (1024 * 1024) /* largest file that is read */
#define PASSWD_GROUPS_MAX 64            /* supplementary groups of a login */
#define PASSWD_ID_FIRST   1000          /* ids for new users: Debian's FIRST_UID .. LAST_UID */
#define PASSWD_ID_LAST    59999

/* Who a connection is. Filled by user.c, used by every spawn, dial and listen of that connection. */
struct account {
	char name[STR_NAME_MAX];
	uint32_t uid, gid;
	uint32_t ngroups;
	uint32_t groups[PASSWD_GROUPS_MAX];
	char home[INIT_PATH_MAX], shell[INIT_PATH_MAX];
};

/* A text of n bytes; need not end in a newline. */
struct passwd_text {
	const char *data;
	size_t n;
};

/* Find `name`; fills name, uid, gid, home, shell. True when found. */
bool passwd_find(struct passwd_text passwd, const char *name, struct account *out);
/* Is any line of this name there, well-formed or not? (A malformed one must not be shadowed by a second.) */
bool passwd_has_line(struct passwd_text t, const char *name);
/* Gid of the group `name`. */
bool passwd_find_group(struct passwd_text group, const char *name, uint32_t *gid);
/* Is `user` listed in group `name`? */
bool passwd_is_member(struct passwd_text group, const char *name, const char *user);
/* Supplementary groups of a->name, a->gid first; at most PASSWD_GROUPS_MAX, the rest is dropped. */
void passwd_groups(struct passwd_text group, struct account *a);
/* Smallest id in [PASSWD_ID_FIRST, PASSWD_ID_LAST] used neither as uid nor as gid; 0 = none. */
uint32_t passwd_free_id(struct passwd_text passwd, struct passwd_text group);
/* Where a new text is composed. */
struct passwd_out {
	char *data;
	size_t cap, len;
};

/* `t`, every line ending in a newline, with `line` appended. 0 or -EFBIG. */
int passwd_append(struct passwd_text t, const char *line, struct passwd_out *out);
/*
 * `t` with `user` added to (add) or removed from the member list of `name`, which is the last field of a group or
 * gshadow line. 0, -ENOENT when there is no such line or nothing to change, -EFBIG.
 */
int passwd_edit_member(struct passwd_text t, const char *name, const char *user, bool add,
		       struct passwd_out *out);
