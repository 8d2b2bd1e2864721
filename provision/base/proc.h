/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity of processes: a pid alone is never one. */
#pragma once
#include "base/err.h"
#include <stdint.h>
#include <sys/types.h>

/* Field 22 of /proc/PID/stat (clock ticks since boot). */
int proc_start_time(pid_t pid, uint64_t *ticks, struct err *e);
/* pidfd of the process that is `pid` and was started at `ticks`; -ESRCH when that process is gone. fd or -errno. */
int proc_open(pid_t pid, uint64_t ticks, struct err *e);
/* Inode of /proc/PID/ns/`kind`. */
int proc_ns_inode(pid_t pid, const char *kind, uint64_t *inode, struct err *e);
/* /proc/sys/kernel/random/boot_id, 36 characters and a NUL. */
int proc_boot_id(char out[37], struct err *e);
/*
 * Run argv (absolute argv[0]) with `input` (may be NULL) on stdin, /dev/null elsewhere, environment empty but PATH;
 * wait for it. stderr's first line lands in `e` on failure. 0 when it exits 0. Used for nft(8) and image building only.
 */
int proc_run(const char *const argv[], const char *input, struct err *e);
