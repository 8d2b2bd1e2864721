/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The space of a mounted image: its mount is in the workspace's namespace alone, where nobody of the host goes, so the
 * kernel is asked by the device's number.  ustat(2) waits for a file system that is being unmounted; here nobody
 * else waits with it.  Runs in sshbay.
 */
#include "space.h"

#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 4096

/* As the kernel has it (ustat(2)); the C library has dropped it. */
struct free_space {
	int blocks;
	unsigned long inodes;
	char names[2][6];
};

static int ask(uint32_t device, struct free_space *f)
{
#ifdef SYS_ustat
	return (int)syscall(SYS_ustat, device, f);
#else
	(void)device, (void)f; /* newer architectures have no such call */
	return -1;
#endif
}

void space_fill(struct admin_workspace *row)
{
	struct free_space f = { 0 };

	if (!row->disk_device || ask(row->disk_device, &f) < 0 || f.blocks < 0 ||
	    (uint64_t)f.blocks > row->disk_blocks || f.inodes > row->inodes)
		return;
	row->disk_used = (row->disk_blocks - (uint64_t)f.blocks) * BLOCK;
	row->inodes_used = row->inodes - f.inodes;
}
