/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See sandbox.h.  Runs in the zygote before it reads its first message, and in each session before it reads its first
 * byte.  A call that is missing here kills the process: libraries that only probe (open, socket) get an error instead.
 */
#include "sandbox.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define LOG_BYTES_MAX     (1UL << 30)
#define LOGIN_CPU_S       10
#define ADDRESS_SPACE_MAX (512UL << 20)
#define FDS_MAX           1024
#define FILTER_MAX        1024 /* instructions */

struct sandbox {
	struct sock_fprog prog;
	struct sock_filter code[FILTER_MAX];
};

static int limit(int what, rlim_t soft, rlim_t hard, const char *name, struct err *e)
{
	struct rlimit r, now;

	if (getrlimit(what, &now) < 0)
		return err_sys(e, "read limit '%s'", name);
	r.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
	r.rlim_cur = soft < r.rlim_max ? soft : r.rlim_max;
	return setrlimit(what, &r) < 0 ? err_sys(e, "set limit '%s'", name) : 0;
}

/* No file can be opened later on, so only a log that is a regular file needs room to grow. */
static rlim_t file_size_limit(void)
{
	struct stat st;

	return fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? LOG_BYTES_MAX : 0;
}

int sandbox_harden(struct err *e)
{
	rlim_t fsize = file_size_limit();
	sigset_t none;
	int ret;

	/* Whatever mask the listener had: its SIGTERM must reach us. */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* The log may be a file: a write past RLIMIT_FSIZE then fails instead of killing. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "set 'dumpable'");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "set 'no_new_privs'");
	ret = limit(RLIMIT_CORE, 0, 0, "core", e);
	if (!ret)
		ret = limit(RLIMIT_FSIZE, fsize, fsize, "fsize", e);
	if (!ret)
		ret = limit(RLIMIT_NOFILE, FDS_MAX, FDS_MAX, "nofile", e);
#if !defined(__SANITIZE_ADDRESS__)
	if (!ret)
		ret = limit(RLIMIT_AS, ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX, "as", e);
#endif
	return ret;
}

/* The access rights that the running kernel's Landlock knows (landlock(7)). */
static uint64_t landlock_rights(int abi)
{
	uint64_t fs = (1ULL << 13) - 1; /* ABI 1: EXECUTE .. MAKE_SYM */

	if (abi >= 2)
		fs |= 1ULL << 13; /* REFER */
	if (abi >= 3)
		fs |= 1ULL << 14; /* TRUNCATE */
	if (abi >= 5)
		fs |= 1ULL << 15; /* IOCTL_DEV */
	return fs;
}

static int landlock(struct err *e)
{
	struct {
		uint64_t fs, net, scoped;
	} attr = { 0 };
	int abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	auto_fd int fd = -1;

	if (abi < 1) {
		log_detail("Landlock is not in this kernel; the seccomp filter stands alone");
		return 0;
	}
	attr.fs = landlock_rights(abi);
	attr.net = abi >= 4 ? 3 : 0;    /* BIND_TCP, CONNECT_TCP */
	attr.scoped = abi >= 6 ? 3 : 0; /* abstract unix sockets, signals */
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, abi >= 6 ? 24 : abi >= 4 ? 16 : 8, 0);
	if (fd < 0)
		return err_sys(e, "create 'Landlock ruleset'");
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(e, "enter 'Landlock ruleset'");
	return 0;
}

/* What a session needs (LIBRARIES: measured with a killing filter), and the few calls of the zygote. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(close),
	SCMP_SYS(shutdown),
	SCMP_SYS(accept4),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(setitimer),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getrusage),
	SCMP_SYS(getrlimit),
	SCMP_SYS(setrlimit),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rseq),
	/* the zygote's own; the child's filter takes them away */
	SCMP_SYS(clone),
	SCMP_SYS(prctl),
	SCMP_SYS(seccomp),
};

static const int zygote_only[] = { SCMP_SYS(clone), SCMP_SYS(prctl), SCMP_SYS(seccomp) };

/* Probed by libraries, harmless when refused. */
static const struct {
	int call, code;
} refused[] = {
	{ SCMP_SYS(open), EACCES },      { SCMP_SYS(openat), EACCES },
	{ SCMP_SYS(openat2), EACCES },   { SCMP_SYS(access), EACCES },
	{ SCMP_SYS(faccessat), EACCES }, { SCMP_SYS(faccessat2), EACCES },
	{ SCMP_SYS(stat), EACCES },      { SCMP_SYS(lstat), EACCES },
	{ SCMP_SYS(readlink), EACCES },  { SCMP_SYS(readlinkat), EACCES },
	{ SCMP_SYS(uname), EPERM },      { SCMP_SYS(socket), EPERM },
	{ SCMP_SYS(socketpair), EPERM }, { SCMP_SYS(connect), EPERM },
	{ SCMP_SYS(bind), EPERM },       { SCMP_SYS(listen), EPERM },
	{ SCMP_SYS(kill), EPERM },       { SCMP_SYS(tgkill), EPERM },
	{ SCMP_SYS(statx), EACCES },     { SCMP_SYS(getdents64), EACCES },
	{ SCMP_SYS(pipe2), EPERM },
};

static int add(scmp_filter_ctx ctx, uint32_t action, int call, unsigned int n,
	       const struct scmp_arg_cmp *args)
{
	int ret = seccomp_rule_add_array(ctx, action, call, n, args);

	/* A call this architecture lacks needs no rule. */
	return ret == -EDOM || ret == -EFAULT ? 0 : ret;
}

/* Calls that are fine with some arguments only. */
static int add_by_argument(scmp_filter_ctx ctx)
{
	static const int fcntls[] = { F_GETFL,         F_SETFL,      F_GETFD,     F_SETFD,
				      F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ };
	static const unsigned int ioctls[] = { TIOCSWINSZ, TIOCGWINSZ, FIONREAD };
	/* No filters, no ULPs, nothing that reaches far into the kernel. */
	static const int options[][2] = {
		{ IPPROTO_TCP, TCP_NODELAY },
		{ IPPROTO_TCP, TCP_QUICKACK },
		{ SOL_SOCKET, SO_SNDBUF },
		{ SOL_SOCKET, SO_RCVBUF },
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(fcntls) / sizeof(*fcntls); i++)
		ret = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			  &SCMP_A1(SCMP_CMP_EQ, (uint64_t)fcntls[i]));
	for (size_t i = 0; !ret && i < sizeof(ioctls) / sizeof(*ioctls); i++)
		ret = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			  &SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, ioctls[i]));
	if (!ret)
		ret = add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
			  &SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TCGETS));
	if (!ret)
		ret = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			  &SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!ret)
		ret = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			  &SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	for (size_t i = 0; !ret && i < sizeof(options) / sizeof(*options); i++)
		ret = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
			  (struct scmp_arg_cmp[]){ SCMP_A1(SCMP_CMP_EQ, (uint64_t)options[i][0]),
						   SCMP_A2(SCMP_CMP_EQ, (uint64_t)options[i][1]) });
	/* Its own limits only: the kernel lets a process set those of every other one of its uid, the listener's too. */
	if (!ret)
		ret = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, &SCMP_A0(SCMP_CMP_EQ, 0));
	/* fstat(2) as glibc writes it: an empty path */
	if (!ret)
		ret = add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
			  &SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if (!ret)
		ret = add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 1,
			  &SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
	return ret;
}

static int zygote_filter(struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; !ret && i < sizeof(allowed) / sizeof(*allowed); i++)
		ret = add(ctx, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
	for (size_t i = 0; !ret && i < sizeof(refused) / sizeof(*refused); i++)
		ret = add(ctx, SCMP_ACT_ERRNO((uint32_t)refused[i].code), refused[i].call, 0, NULL);
	if (!ret)
		ret = add_by_argument(ctx);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	return ret < 0 ? err_ret(e, ret, "load 'zygote filter'") : 0;
}

/* Build the child's filter now, as a program: making it costs a millisecond, loading it is one call. */
static int child_filter(struct sandbox *sb, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int pipes[2] = { -1, -1 }, ret = ctx && pipe2(pipes, O_CLOEXEC) == 0 ? 0 : -ENOMEM;
	ssize_t n = -1;

	for (size_t i = 0; !ret && i < sizeof(zygote_only) / sizeof(*zygote_only); i++)
		ret = add(ctx, SCMP_ACT_KILL_PROCESS, zygote_only[i], 0, NULL);
	if (!ret) /* a few hundred bytes: the pipe takes them at once */
		ret = seccomp_export_bpf(ctx, pipes[1]);
	seccomp_release(ctx);
	if (!ret)
		n = read(pipes[0], sb->code, sizeof(sb->code));
	fd_close(&pipes[0]);
	fd_close(&pipes[1]);
	if (ret || n <= 0 || n % (ssize_t)sizeof(*sb->code))
		return err_ret(e, ret ? ret : -EIO, "build 'session filter'");
	sb->prog.filter = sb->code;
	sb->prog.len = (unsigned short)((size_t)n / sizeof(*sb->code));
	return 0;
}

int sandbox_enter(struct sandbox **out, struct err *e)
{
	struct sandbox *sb = calloc(1, sizeof(*sb));
	int ret;

	if (!sb)
		return err_set(e, ENOMEM, "build 'session filter': out of memory");
	ret = child_filter(sb, e);
	if (!ret)
		ret = landlock(e);
	if (!ret)
		ret = zygote_filter(e);
	if (ret < 0) {
		free(sb);
		return ret;
	}
	*out = sb;
	return 0;
}

int sandbox_child(const struct sandbox *sb, struct err *e)
{
	int ret = limit(RLIMIT_NPROC, 0, 0, "nproc", e);

	if (!ret)
		ret = limit(RLIMIT_CPU, LOGIN_CPU_S, RLIM_INFINITY, "cpu", e);
	if (ret < 0)
		return ret;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &sb->prog, 0, 0) < 0)
		return err_sys(e, "load 'session filter'");
	return 0;
}

void sandbox_login_done(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_CPU, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_CPU, &r);
	}
}
