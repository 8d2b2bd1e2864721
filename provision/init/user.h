/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper of INIT_BIND: finds the unix user of a login, or makes it. Runs as the workspace's root, inside. */
#pragma once
#include "job.h"

#define USER_LIMIT_MS 10000 /* of which waiting for the lock: ETC_LOCK_MS */

/* job_work of JOB_BIND: fills h->report.account. */
int user_bind_work(struct job_helper *h, int *fd, struct err *e);
/*
 * For helpers of a connection that was bound from memory: look the user up, and make it again if it vanished. `was` gives
 * the name. 0 or -errno as BIND would have failed.
 */
int user_again(const struct account *was, bool sudo, struct account *a, struct err *e);
/*
 * The same below the directory `root` (O_PATH or readable).  A user that exists is taken as it is; its home and its sudo
 * rights are completed where that works, and no failure of that refuses a login.  "root" always works, even without a
 * readable /etc/passwd: somebody has to be able to repair it.  Everything may be repeated after a crash at any point.
 */
int user_bind(int root, const char *name, bool sudo, struct account *a, struct err *e);
