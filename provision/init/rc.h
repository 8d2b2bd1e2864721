/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What runs before a shell or a command, as sshd(8) describes: ~/.ssh/rc, else /etc/ssh/sshrc. Helper of a spawn. */
#pragma once
#include "env.h"
#include "job.h"

/* The script of this login, or NULL. In the home directory, as the user. */
const char *rc_find(const struct init_spawn *s);
/*
 * Run it with /bin/sh and wait for it: its output is the login's, its input "protocol cookie" of a forwarded display, or
 * nothing. How it ends does not matter.
 */
void rc_run(const char *script, const struct init_spawn *s, const struct env *v);
