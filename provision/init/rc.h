/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What runs before a login's program, as sshd(8) describes: ~/.ssh/rc, except for subsystems, else /etc/ssh/sshrc, for these
 * too. Helper of a spawn.
 */
#pragma once
#include "env.h"
#include "job.h"

/* The script of this login, or NULL. In the home directory, as the user. */
const char *rc_find(const struct init_spawn *s);
/*
 * Run it and wait for it, the user's with the user's shell (SHELL of `v`), the other with /bin/sh: its output is the
 * login's, its input "protocol cookie" of a forwarded display, or nothing. How it ends does not matter.
 */
void rc_run(const char *script, const struct init_spawn *s, const struct env *v);
