/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A visit to another network namespace, for what belongs to the one it was made in (sockets).  Workers and helpers; never
 * for a path or a program of a tenant's: it is the thread's network alone that changes.
 */
#pragma once
#include "base/err.h"

/*
 * The thread is in the namespace `netnsfd` until *home (-1 before) is left; with netnsfd -1 it stays where it is, and
 * leaving does nothing. 0 or -errno.
 */
int netns_visit(int netnsfd, int *home, struct err *e);
/* Back. A thread that cannot return aborts: nothing may go on in a tenant's network by mistake. Keeps errno. */
void netns_leave(int *home);
#define auto_netns __attribute__((cleanup(netns_leave)))
