/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Confinement of the listener.  Landlock and seccomp stay on across exec, so that both have to leave room for the
 * session program's start; the session then closes that room for itself.
 */
#include "sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

int sandbox_become(uid_t uid, gid_t gid, struct err *e)
{
	if (geteuid() != 0) {
		if (geteuid() != uid)
			return err_set(
				e, EPERM,
				"run 'sshd-gate' as uid %u: configured is uid %u ([gate] user)",
				geteuid(), uid);
		return 0;
	}
	/* EINVAL ends the list of what this kernel knows; EPERM: a container took CAP_SETPCAP, exec cannot gain then. */
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	if (setgroups(0, NULL) < 0)
		return err_sys(e, "drop the groups of 'sshd-gate'");
	if (setresgid(gid, gid, gid) < 0)
		return err_sys(e, "become gid %u", gid);
	if (setresuid(uid, uid, uid) < 0)
		return err_sys(e, "become uid %u", uid);
	if (uid != 0 && (setresuid(0, 0, 0) == 0 || setuid(0) == 0))
		return err_set(e, EPERM, "become uid %u: the way back to root is open", uid);
	if (gid != 0 && setresgid(0, 0, 0) == 0)
		return err_set(e, EPERM, "become gid %u: the way back to root is open", gid);
	return 0;
}

static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) < 0)
		return err_sys(e, "drop the capabilities of 'sshd-gate'");
	return 0;
}

/*
 * Landlock.  The header of the build machine may be older than the kernel that runs this, so that the numbers of
 * landlock(7) stand here.
 */
#define LL_EXECUTE    (1ULL << 0)
#define LL_WRITE_FILE (1ULL << 1)
#define LL_READ_FILE  (1ULL << 2)
#define LL_ABI1       ((1ULL << 13) - 1)
#define LL_REFER      (1ULL << 13) /* ABI 2 */
#define LL_TRUNCATE   (1ULL << 14) /* ABI 3 */
#define LL_IOCTL_DEV  (1ULL << 15) /* ABI 5 */
#define LL_NET_ALL    3ULL         /* ABI 4: bind and connect TCP */
#define LL_SCOPE_ALL                                                                               \
	3ULL /* ABI 6: abstract sockets, signals: none outside of listener and sessions */
#define LL_PATH_BENEATH 1

struct ll_ruleset {
	uint64_t fs, net, scoped;
};
struct ll_path {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

static const struct {
	const char *path;
	uint64_t rights;
} readable[] = {
	{ "/lib", LL_READ_FILE | LL_EXECUTE }, /* execute: the dynamic loader itself */
	{ "/lib64", LL_READ_FILE | LL_EXECUTE },       { "/usr/lib", LL_READ_FILE | LL_EXECUTE },
	{ "/usr/lib64", LL_READ_FILE | LL_EXECUTE },   { "/etc/ld.so.cache", LL_READ_FILE },
	{ "/etc/ld.so.preload", LL_READ_FILE },        { "/etc/ssl/openssl.cnf", LL_READ_FILE },
	{ "/dev/null", LL_READ_FILE | LL_WRITE_FILE }, { "/dev/urandom", LL_READ_FILE },
#ifdef __SANITIZE_ADDRESS__
	{ "/proc", LL_READ_FILE | (1ULL << 3) },
#endif
};

static int allow_fd(int ruleset, int fd, uint64_t rights)
{
	struct ll_path rule = { rights, fd };

	return (int)syscall(SYS_landlock_add_rule, ruleset, LL_PATH_BENEATH, &rule, 0);
}

static int allow_path(int ruleset, const char *path, uint64_t rights, struct err *e)
{
	auto_fd int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	return allow_fd(ruleset, fd, rights) < 0 ? err_sys(e, "permit '%s' by Landlock", path) : 0;
}

static int landlock(int program, struct err *e)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	struct ll_ruleset all = { LL_ABI1, 0, 0 };
	auto_fd int ruleset = -1;
	size_t size = sizeof(all.fs);

	if (abi < 1) {
		log_warn("this kernel has no Landlock: the file system is guarded by permissions "
			 "and seccomp alone");
		return 0;
	}
	all.fs |= (abi >= 2 ? LL_REFER : 0) | (abi >= 3 ? LL_TRUNCATE : 0) |
		  (abi >= 5 ? LL_IOCTL_DEV : 0);
	if (abi >= 4) {
		all.net = LL_NET_ALL;
		size = sizeof(all.fs) + sizeof(all.net);
	}
	if (abi >= 6) {
		all.scoped = LL_SCOPE_ALL;
		size = sizeof(all);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
	if (ruleset < 0)
		return err_sys(e, "create a Landlock ruleset");
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
		int ret = allow_path(ruleset, readable[i].path, readable[i].rights, e);

		if (ret < 0 && ret != -ENOENT)
			return ret;
	}
	if (allow_fd(ruleset, program, LL_READ_FILE | LL_EXECUTE) < 0)
		return err_sys(e, "permit the session program by Landlock");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(e, "restrict 'sshd-gate' by Landlock");
	return 0;
}

/* What the listener does, and what starting and running a session needs. Everything else is EPERM. */
static const char *const allowed[] = {
	/* descriptors and files */
	"accept4",
	"close",
	"close_range",
	"dup",
	"dup2",
	"dup3",
	"fcntl",
	"fstat",
	"fstatfs",
	"ioctl",
	"lseek",
	"lstat",
	"access",
	"faccessat",
	"faccessat2",
	"getcwd",
	"newfstatat",
	"open",
	"openat",
	"pread64",
	"pwrite64",
	"read",
	"readlink",
	"readlinkat",
	"readv",
	"stat",
	"statfs",
	"statx",
	"write",
	"writev",
	"pipe",
	"pipe2",
	"splice",
	"tee",
	"getdents64",
	"umask",
	/* sockets; socket() itself below */
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	"accept",
	/* waiting */
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_wait",
	"eventfd2",
	"poll",
	"ppoll",
	"pselect6",
	"select",
	"signalfd4",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* processes; clone() itself below */
	"arch_prctl",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"fork",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getpgrp",
	"getpid",
	"getppid",
	"getresgid",
	"getresuid",
	"getsid",
	"gettid",
	"getuid",
	"kill",
	"pidfd_open",
	"pidfd_send_signal",
	"prctl",
	"restart_syscall",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"seccomp",
	"set_robust_list",
	"set_tid_address",
	"setsid",
	"sigaltstack",
	"tgkill",
	"tkill",
	"vfork",
	"wait4",
	"waitid",
	"capget",
	"capset",
	"landlock_create_ruleset",
	"landlock_add_rule",
	"landlock_restrict_self",
	/* memory, time, numbers */
	"brk",
	"futex",
	"madvise",
	"membarrier",
	"mlock",
	"mlock2",
	"mmap",
	"mprotect",
	"mremap",
	"munlock",
	"munmap",
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"getrandom",
	"getrlimit",
	"getrusage",
	"gettimeofday",
	"nanosleep",
	"prlimit64",
	"sched_getaffinity",
	"sched_yield",
	"setrlimit",
	"sysinfo",
	"time",
	"times",
	"uname",
};

#define NAMESPACES                                                                                 \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |              \
	 CLONE_NEWUSER | CLONE_NEWUTS)

static int add_rules(scmp_filter_ctx f)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		int nr = seccomp_syscall_resolve_name(allowed[i]);

		if (nr != __NR_SCMP_ERROR)
			ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	}
	if (ret == 0)
		ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (ret == 0)
		ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				       SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (ret == 0)
		ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
	/* Its flags lie in memory where no filter sees them: ENOSYS makes libc use clone(). */
	if (ret == 0)
		ret = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return ret;
}

static int filter(struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret = -ENOMEM;

	if (f) {
		ret = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
		if (ret == 0)
			ret = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		if (ret == 0)
			ret = add_rules(f);
		if (ret == 0)
			ret = seccomp_load(f);
		seccomp_release(f);
	}
	return ret < 0 ? err_ret(e, ret, "load the seccomp filter of 'sshd-gate'") : 0;
}

int sandbox_enter(int program, struct err *e)
{
	static const struct rlimit no_core;
	int ret = drop_capabilities(e);

	if (ret < 0)
		return ret;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &no_core) < 0)
		return err_sys(e, "confine 'sshd-gate'");
	ret = landlock(program, e);
	return ret < 0 ? ret : filter(e);
}
