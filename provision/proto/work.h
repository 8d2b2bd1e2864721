/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "work": a worker -> provisiond.  The worker is a fork of provisiond that runs one workspace's step table; it reports
 * here and exits.  The reports are trusted (same code, same privilege); the workspace is not.
 */
#pragma once
#include "base/err.h"
#include "proto/msg.h"

enum work_type { WORK_STEP = 3, WORK_DONE = 5, WORK_FAILED = 7 };

struct work_step {
	char step[32];
	char detail[128]; /* "172.31.199.3" */
	uint64_t us;
	uint32_t up;   /* 1 up, 0 down */
	uint32_t done; /* 0 begins, 1 done */
};
/* fds: 0 or 1, pidfd of ws-init. */
struct work_done {
	uint32_t init_pid;                /* in provisiond's pid namespace; 0 after a stop */
	uint64_t init_start;              /* clock ticks, proc_start_time() */
	uint64_t ns_user, ns_net, ns_mnt; /* inodes; 0 = none */
	char nic_name[16]; /* data-plane interface as it was called on the host; empty = none */
};
struct work_failed {
	uint32_t code;
	char text[ERR_TEXT_MAX];
};

extern const struct msg_proto work_proto;
