/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* utmp and wtmp records of terminal sessions, for who(1) and last(1). Best effort; helper only, as root. */
#pragma once
#include "job.h"

/* Record that `user` uses pts/`number` from now on, in this process; `host` may be NULL. True when utmp took it. */
bool login_record(uint32_t number, const char *user, const char *host);
/* JOB_LOGOUT: request is the uint32_t number of the terminal. */
int login_logout_work(struct job_helper *h, int *fd, struct err *e);
