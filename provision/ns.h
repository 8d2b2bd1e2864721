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
/* Detach what ns_up may have mounted once for the whole instance: run/ws on itself. For --teardown. */
int ns_host_down(const struct settings *s, struct err *e);
/*
 * Connect to ws-init of workspace `name` with a socket born in the workspace's network namespace. fd or -errno.
 * The accepted end inherits the namespace of the connecting socket (unix(7)), and interface ioctls on it answer for that
 * namespace: a socket made in the host's would tell a tenant the host's interfaces and addresses. Enters the pinned
 * namespace for two system calls; aborts when it cannot come back. Single-threaded processes only.
 */
int ns_connect(const struct settings *s, const char *name, struct err *e);

/* Read a static ws-init into a sealed memfd, once at the start of provisiond. fd or -errno. */
int ns_init_image(const char *path, struct err *e);
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
