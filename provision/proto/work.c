/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of the "work" conversation: a worker's reports to provisiond.
 */
#include "proto/work.h"
#include "proto/table.h"

static const struct msg_field step[] = {
	STR(work_step, step, 1),  STR(work_step, detail, 0),  U64(work_step, us),
	U32(work_step, up, 0, 1), U32(work_step, done, 0, 1),
};
static const struct msg_field done[] = {
	U32(work_done, init_pid, 0, INT32_MAX),
	U64(work_done, init_start),
	U64(work_done, ns_user),
	U64(work_done, ns_net),
	U64(work_done, ns_mnt),
	STR(work_done, nic_name, 0),
};
static const struct msg_field failed[] = { U32(work_failed, code, 0, 4095),
					   STR(work_failed, text, 0) };

static const struct msg_row rows[] = {
	{ ANSWER(WORK_STEP, work_step, step, 0, 0, 1, "a step begins or is done") },
	{ ANSWER(WORK_DONE, work_done, done, 0, 1, 1,
		 "the operation succeeded; fd: pidfd of ws-init"),
	  .once = true },
	{ ANSWER(WORK_FAILED, work_failed, failed, 0, 0, 1, "the operation failed and was undone"),
	  .once = true },
};
CHECK_ROWS(rows);

const struct msg_proto work_proto = {
	.name = "work",
	.version = 1,
	.rows = rows,
	.nrows = NROWS(rows),
};
