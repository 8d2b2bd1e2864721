/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes between a worker and ws-init: a helper with the host's rights, and the one that gives them up. */
#pragma once
#include "plan.h"

#include <sys/types.h>

/*
 * Start ws-init inside p->userns and p->netns on p->rootfd, listening on p->listenfd. When this returns 0 it has been
 * exec'd and is a child of the caller; *pid is its number here. On failure nothing of it lives.
 */
int ns_child_start(struct plan *p, pid_t *pid, struct err *e);
/*
 * RLIMIT_MEMLOCK for what becomes a workspace: 64 MiB, or none for one whose programs speak to a device directly (rdma,
 * dpdk) and must pin what that reads and writes; that counts against its `memory` and huge pages all the same.  The
 * kernel holds it against each process, and against all of a user namespace as what its maker had (kernel 5.14), so it
 * is set before that is made, too.
 */
void ns_child_memlock(const struct spec *s);
