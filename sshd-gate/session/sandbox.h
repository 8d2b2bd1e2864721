/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the zygote and the sessions may do.  Two layers, both by the zygote's own hand: an allow-list for the zygote (it
 * may also clone), and on top of it, in each child, a filter that takes away what only the zygote needs.
 */
#pragma once
#include "base/err.h"

struct sandbox; /* the child's filter, ready to load */

/* Not dumpable, no new privileges, limits, signals that a log write must survive. First thing in the process. */
int sandbox_harden(struct err *e);
/*
 * Close the zygote in: Landlock (where the kernel has it) without any file system or TCP port, then the seccomp
 * allow-list. *out is the child's filter, kept for the life of the process. Everything libraries load must be loaded.
 */
int sandbox_enter(struct sandbox **out, struct err *e);
/* In the child: no new processes, a CPU budget until the login, and the tighter filter. */
int sandbox_child(const struct sandbox *sb, struct err *e);
/* After the login: the CPU budget of the login phase ends. */
void sandbox_login_done(void);
