/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place where a helper drops the workspace's root. */
#include "become.h"

#include <grp.h>
#include <unistd.h>

int become_user(const struct account *a, const struct become_limits *l, struct err *e)
{
	gid_t groups[PASSWD_GROUPS_MAX];

	for (uint32_t i = 0; i < a->ngroups; i++)
		groups[i] = a->groups[i];
	/*
	 * The number of processes last: a user who is at that limit, by a fork bomb say, can log in all the same.  Set
	 * before setresuid, it would make the exec fail (execve(2), EAGAIN).
	 */
	if (setrlimit(RLIMIT_NOFILE, &l->nofile) < 0 || setgroups(a->ngroups, groups) < 0 ||
	    setresgid(a->gid, a->gid, a->gid) < 0 || setresuid(a->uid, a->uid, a->uid) < 0 ||
	    setrlimit(RLIMIT_NPROC, &l->nproc) < 0)
		return err_sys(e, "become user '%s' (uid %u, gid %u)", a->name, a->uid, a->gid);
	return 0;
}
