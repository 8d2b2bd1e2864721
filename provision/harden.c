/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Process attributes of provisiond, set once by its main process before it opens anything.  Workers undo for
 * themselves what must not reach a workspace (worker.c).
 */
#include "harden.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"

/*
 * Listening below 1024, mount namespaces (setns wants SYS_CHROOT), immutable files at a purge and PAM, which fails where
 * it may not write to the kernel's audit log, need one each.
 */
static const int kept[] = {
	CAP_SYS_ADMIN,  CAP_NET_ADMIN,        CAP_SETUID,
	CAP_SETGID,     CAP_SETFCAP,          CAP_SETPCAP,
	CAP_CHOWN,      CAP_DAC_OVERRIDE,     CAP_DAC_READ_SEARCH,
	CAP_FOWNER,     CAP_FSETID,           CAP_KILL,
	CAP_MKNOD,      CAP_SYS_PTRACE,       CAP_SYS_RESOURCE,
	CAP_SYS_CHROOT, CAP_NET_BIND_SERVICE, CAP_LINUX_IMMUTABLE,
	CAP_BPF,        CAP_AUDIT_WRITE,
};

static int drop_bounding(struct err *e)
{
	uint64_t keep = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		keep |= 1ULL << kept[i];
	for (int cap = 0; cap < 64; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			return 0; /* beyond the kernel's last capability */
		if (has && !(keep & (1ULL << cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_sys(e, "drop capability '%d'", cap);
	}
	return 0;
}

static int open_standard(struct err *e)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, "open '/dev/null'");
	} while (fd <= 2);
	close(fd);
	return 0;
}

int harden_self(struct err *e)
{
	struct rlimit core, files;
	int ret;

	if (geteuid() != 0)
		return err_set(e, EPERM, "start provisiond: it must run as root");
	ret = open_standard(e);
	if (ret)
		return ret;
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, "set attributes of 'provisiond'");
	/* Soft limits only: the hard ones are for workspaces to inherit. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &core);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	path_write_sys("/proc/self/oom_score_adj", "-900", NULL);
	return drop_bounding(e);
}
