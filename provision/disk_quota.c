/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Project quotas by the kernel's generic calls, which ext4 and xfs both answer.
 */
#include "disk_quota.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"

/* QCMD of the header shifts into the sign. */
#define COMMAND(c) ((uint32_t)(c) << SUBCMDSHIFT | PRJQUOTA)

static int ask(int fd, uint32_t command, uint32_t project, void *what)
{
	return syscall(SYS_quotactl_fd, fd, command, project, what) < 0 ? -errno : 0;
}

bool disk_quota_on(int fd)
{
	struct fs_quota_statv st = { .qs_version = FS_QSTATV_VERSION1 };

	return ask(fd, COMMAND(Q_XGETQSTATV), 0, &st) == 0 && (st.qs_flags & FS_QUOTA_PDQ_ENFD);
}

int disk_quota_get(int fd, uint32_t project, struct disk_quota *q, struct err *e)
{
	struct if_dqblk b = { 0 };
	int r = ask(fd, COMMAND(Q_GETQUOTA), project, &b);

	*q = (struct disk_quota){ 0 };
	/* xfs: a project that never had a file. */
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_ret(e, r, "read the quota of project %u", project);
	q->bytes = b.dqb_bhardlimit * QIF_DQBLKSIZE;
	q->inodes = b.dqb_ihardlimit;
	q->bytes_used = b.dqb_curspace;
	q->inodes_used = b.dqb_curinodes;
	return 0;
}

int disk_quota_set(int fd, uint32_t project, uint64_t bytes, uint64_t inodes, struct err *e)
{
	struct if_dqblk b = {
		.dqb_bhardlimit = bytes / QIF_DQBLKSIZE,
		.dqb_bsoftlimit = bytes / QIF_DQBLKSIZE,
		.dqb_ihardlimit = inodes,
		.dqb_isoftlimit = inodes,
		.dqb_valid = QIF_LIMITS,
	};
	int r = fault_point("disk.quota");

	if (r == 0)
		r = ask(fd, COMMAND(Q_SETQUOTA), project, &b);
	return r < 0 ? err_ret(e, r, "set the quota of project %u", project) : 0;
}

bool disk_quota_marked(int dir, uint32_t project)
{
	struct fsxattr x;

	return ioctl(dir, FS_IOC_FSGETXATTR, &x) == 0 && x.fsx_projid == project &&
	       (x.fsx_xflags & FS_XFLAG_PROJINHERIT);
}
