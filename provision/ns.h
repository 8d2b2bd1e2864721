/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Steps `namespaces` and `init`: the pinned user and network namespaces, and the process tree inside.  Worker only.
 * Pins are bind mounts of the nsfs files at run/ws/NAME/{user,net}; a stop keeps them, so that a NIC stays.
 */
#pragma once
#include "plan.h"

/* Make (or reopen, when pinned already) user and net namespaces; id map 0 -> rec->id_base, rec->id_count ids. */
int ns_up(struct plan *p, struct err *e);
int ns_down(struct plan *p, struct err *e);
/*
 * Bind run/ws/NAME/init.sock, then start ws-init in new mount, pid, ipc, uts and cgroup namespaces inside the pinned
 * ones: cgroups joined, root pivoted (rootfs_enter), capabilities bounded, seccomp program loaded, fds closed, exec'd
 * from the sealed memfd. Fills rec->init_pid, init_start, ns_* and p->pidfd.
 */
int ns_init_up(struct plan *p, struct err *e);
/* Ask ws-init to stop (INIT_POWER, settings->limits.stop_timeout), then SIGKILL; waits until the pid namespace is gone. */
int ns_init_down(struct plan *p, struct err *e);
/* Step `ready`: connect, INIT_SETUP (hostname, resolv.conf), one INIT_BIND per listed user is left to logins. */
int ns_ready_up(struct plan *p, struct err *e);
