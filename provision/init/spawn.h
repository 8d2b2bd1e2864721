/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper of INIT_SPAWN: becomes the shell, the command or the sftp server of a login. */
#pragma once
#include "job.h"

#define SPAWN_LIMIT_MS 30000 /* from fork to exec; only a hanging file system takes long */

/*
 * job_work of JOB_SPAWN. Terminal or three pipes are made here and reported; then the program is exec'd with nothing but
 * 0, 1, 2 open.  Returns only on failure: -ENOENT, -EACCES ... with the name of what could not be run.
 */
int spawn_work(struct job_helper *h, int *fd, struct err *e);
