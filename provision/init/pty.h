/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pseudo-terminal of the workspace's own devpts. Helper only, before it drops root. */
#pragma once
#include "passwd.h"

struct pty {
	int master, slave; /* both CLOEXEC, owned by the caller */
	uint32_t number;
	char name[32]; /* "/dev/pts/N" */
};

/*
 * Open a pair; the slave belongs to a->uid and group tty, mode 0620, with the request's modes and size, and is the
 * controlling terminal of this process, which must lead a session.  The slave is opened by TIOCGPTPEER, never by name.
 */
int pty_open(const struct account *a, const struct init_spawn *s, struct pty *p, struct err *e);
