/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Step `rdma`: the RDMA device of the workspace's NIC (rec->rdma, leased by allocate_rdma.h).  In the kernel's exclusive
 * mode it moves into the workspace's network namespace after the NIC and home before it; in shared mode it stays where
 * it is, and only its node is given.  Nothing of umad and issm is ever given: they reach past the device.
 */
#pragma once
#include "plan.h"

/* Adds the nodes to p->given. -EOPNOTSUPP: shared mode and [hardware] rdma_netns does not allow that. */
int rdma_up(struct plan *p, struct err *e);
/* 0 also when the device went into quarantine (kind "rdma"), so that its NIC can go home. */
int rdma_down(struct plan *p, struct err *e);
/* At the start of provisiond, in a helper: the kernel's mode as [hardware] rdma_netns wants it. Only warns. */
void rdma_host_up(const struct settings *s);
/* `sshbay nic recover`, in a worker: the device `id` is on the host again, so its quarantine is lifted. */
int rdma_recover(const struct settings *s, const char *id, bool force, struct err *e);
