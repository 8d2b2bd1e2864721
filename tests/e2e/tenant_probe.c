/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a hostile root inside a workspace tries, in one static program that tenant.sh copies in.  Each verb prints one
 * line per finding, and nothing when all is as it should be.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALLOWED (-1) /* anything but EPERM, ENOSYS, EAFNOSUPPORT */
#define NONE    (-2) /* not on this machine */
#define X32     0x40000000

/* --- the system call table --- */

struct row {
	const char *name;
	long nr, a, b, c, d;
	int want;
};

static char buf[4096];
static struct timespec now;
#define P(x) ((long)(x))

static const struct row rows[] = {
	{ "init_module", SYS_init_module, P(buf), 1, P(""), 0, EPERM },
	{ "finit_module", SYS_finit_module, -1, P(""), 0, 0, EPERM },
	{ "delete_module", SYS_delete_module, P("x"), 0, 0, 0, EPERM },
	{ "kexec_load", SYS_kexec_load, 0, 0, 0, 0, EPERM },
	{ "kexec_file_load", SYS_kexec_file_load, -1, -1, 0, 0, EPERM },
	{ "open_by_handle_at", SYS_open_by_handle_at, -1, P(buf), 0, 0, EPERM },
	{ "add_key", SYS_add_key, P("user"), P("x"), P("y"), 1, ENOSYS },
	{ "request_key", SYS_request_key, P("user"), P("x"), 0, 0, ENOSYS },
	{ "keyctl", SYS_keyctl, 0, -3, 0, 0, ENOSYS },
	{ "bpf", SYS_bpf, 0, P(buf), 72, 0, EPERM },
	{ "io_uring_setup", 425, 4, P(buf), 0, 0, ENOSYS },
	{ "io_uring_enter", 426, -1, 0, 0, 0, ENOSYS },
	{ "io_uring_register", 427, -1, 0, 0, 0, ENOSYS },
	{ "userfaultfd", SYS_userfaultfd, 1, 0, 0, 0, EPERM },
	{ "ioctl TIOCSTI", SYS_ioctl, 0, TIOCSTI, P("x"), 0, EPERM },
	{ "ioctl TIOCSTI, high bits", SYS_ioctl, 0, TIOCSTI | 1L << 40, P("x"), 0, EPERM },
	{ "ioctl TIOCLINUX", SYS_ioctl, 0, TIOCLINUX, P("\2"), 0, EPERM },
	{ "ioctl SIOCETHTOOL", SYS_ioctl, 0, 0x8946, P(buf), 0, EPERM },
	{ "ioctl SIOCSMIIREG", SYS_ioctl, 0, 0x8949, P(buf), 0, EPERM },
	{ "socket AF_ALG", SYS_socket, 38, SOCK_SEQPACKET, 0, 0, EAFNOSUPPORT },
	{ "socket AF_ALG, high bits", SYS_socket, 38 | 1L << 32, SOCK_SEQPACKET, 0, 0,
	  EAFNOSUPPORT },
	{ "socket AF_VSOCK", SYS_socket, 40, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
	{ "socket AF_KEY", SYS_socket, 15, SOCK_RAW, 2, 0, EAFNOSUPPORT },
	{ "socket AF_RDS", SYS_socket, 21, SOCK_SEQPACKET, 0, 0, EAFNOSUPPORT },
	{ "socket AF_TIPC", SYS_socket, 30, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
	{ "socket AF_CAN", SYS_socket, 29, SOCK_RAW, 1, 0, EAFNOSUPPORT },
	{ "socket AF_BLUETOOTH", SYS_socket, 31, SOCK_RAW, 1, 0, EAFNOSUPPORT },
	{ "socket AF_NFC", SYS_socket, 39, SOCK_RAW, 0, 0, EAFNOSUPPORT },
	{ "socket AF_X25", SYS_socket, 9, SOCK_SEQPACKET, 0, 0, EAFNOSUPPORT },
	{ "socket AF_AX25", SYS_socket, 3, SOCK_DGRAM, 0, 0, EAFNOSUPPORT },
	{ "socket AF_NETROM", SYS_socket, 6, SOCK_SEQPACKET, 0, 0, EAFNOSUPPORT },
	{ "socket AF_ROSE", SYS_socket, 11, SOCK_SEQPACKET, 0, 0, EAFNOSUPPORT },
	{ "netlink NETFILTER", SYS_socket, AF_NETLINK, SOCK_RAW, 12, 0, EAFNOSUPPORT },
	{ "netlink AUDIT", SYS_socket, AF_NETLINK, SOCK_RAW, 9, 0, EAFNOSUPPORT },
	{ "netlink XFRM", SYS_socket, AF_NETLINK, SOCK_RAW, 6, 0, EAFNOSUPPORT },
	{ "netlink SCSITRANSPORT", SYS_socket, AF_NETLINK, SOCK_RAW, 18, 0, EAFNOSUPPORT },
	{ "netlink RDMA", SYS_socket, AF_NETLINK, SOCK_RAW, 20, 0, EAFNOSUPPORT },
	{ "netlink ROUTE", SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0, ALLOWED },
	{ "socket AF_PACKET", SYS_socket, AF_PACKET, SOCK_RAW, 0, 0, ALLOWED },
	{ "unshare NEWUSER", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, EPERM },
	{ "unshare NEWUSER, high bits", SYS_unshare, CLONE_NEWUSER | 1L << 40, 0, 0, 0, EPERM },
	{ "clone NEWUSER", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, EPERM },
	{ "clone3", SYS_clone3, P(buf), 88, 0, 0, ENOSYS },
	{ "fsopen", SYS_fsopen, P("tmpfs"), 0, 0, 0, ENOSYS },
	{ "fsconfig", SYS_fsconfig, -1, 0, 0, 0, ENOSYS },
	{ "fspick", SYS_fspick, -100, P("/"), 0, 0, ENOSYS },
	{ "mount", SYS_mount, P("t"), P("/mnt"), P("tmpfs"), 0, ALLOWED },
	{ "umount2", SYS_umount2, P("/mnt"), 0, 0, 0, ALLOWED },
	{ "swapon", SYS_swapon, P("/x"), 0, 0, 0, EPERM },
	{ "swapoff", SYS_swapoff, P("/x"), 0, 0, 0, EPERM },
	{ "acct", SYS_acct, P("/x"), 0, 0, 0, EPERM },
	{ "quotactl", SYS_quotactl, 0x800001 << 8, 0, 0, P(buf), EPERM },
	{ "quotactl_fd", 443, -1, 0, 0, 0, EPERM },
	{ "nfsservctl", SYS_nfsservctl, 0, 0, 0, 0, EPERM },
	{ "lookup_dcookie", SYS_lookup_dcookie, 0, P(buf), 1, 0, EPERM },
	{ "iopl", SYS_iopl, 0, 0, 0, 0, EPERM },
	{ "ioperm", SYS_ioperm, 0, 1, 0, 0, EPERM },
	{ "uselib", SYS_uselib, P("/x"), 0, 0, 0, EPERM },
	{ "ustat", SYS_ustat, 0, P(buf), 0, 0, EPERM },
	{ "sysfs", SYS_sysfs, 3, 0, 0, 0, EPERM },
	{ "_sysctl", SYS__sysctl, P(buf), 0, 0, 0, EPERM },
	{ "settimeofday", SYS_settimeofday, P(&now), 0, 0, 0, EPERM },
	{ "clock_settime", SYS_clock_settime, 0, P(&now), 0, 0, EPERM },
	{ "syslog", SYS_syslog, 10, 0, 0, 0, EPERM },
	{ "vhangup", SYS_vhangup, 0, 0, 0, 0, EPERM },
	{ "kcmp", SYS_kcmp, 1, 1, 0, 0, EPERM },
	{ "personality 0", SYS_personality, 0, 0, 0, 0, ALLOWED },
	{ "personality ask", SYS_personality, 0xffffffff, 0, 0, 0, ALLOWED },
	{ "personality PER_LINUX32", SYS_personality, 8, 0, 0, 0, ALLOWED },
	{ "personality UNAME26", SYS_personality, 0x20000, 0, 0, 0, ALLOWED },
	{ "personality LINUX32 UNAME26", SYS_personality, 0x20008, 0, 0, 0, ALLOWED },
	{ "personality READ_IMPLIES_EXEC", SYS_personality, 0x400000, 0, 0, 0, EPERM },
	{ "personality BSD", SYS_personality, 6, 0, 0, 0, EPERM },
	{ "personality 0 again", SYS_personality, 0, 0, 0, 0, ALLOWED },
	{ "mbind", SYS_mbind, 0, 0, 0, 0, ALLOWED },
	{ "set_mempolicy", SYS_set_mempolicy, 0, 0, 0, 0, ALLOWED },
	{ "get_mempolicy", SYS_get_mempolicy, 0, 0, 0, 0, ALLOWED },
	{ "modify_ldt", SYS_modify_ldt, 0, P(buf), 1, 0, ALLOWED },
	{ "process_vm_readv", SYS_process_vm_readv, 1, 0, 0, 0, ALLOWED },
	{ "x32 getpid", X32 | SYS_getpid, 0, 0, 0, 0, ENOSYS },
	{ "x32 execve", X32 | 520, 0, 0, 0, 0, ENOSYS },
};

/* The same calls by their numbers of the 32-bit interface. */
static const struct row rows32[] = {
	{ "i386 init_module", 128, 0, 0, 0, 0, EPERM },
	{ "i386 kexec_load", 283, 0, 0, 0, 0, EPERM },
	{ "i386 keyctl", 288, 0, -3, 0, 0, ENOSYS },
	{ "i386 add_key", 286, 0, 0, 0, 0, ENOSYS },
	{ "i386 stime", 25, 0, 0, 0, 0, EPERM },
	{ "i386 settimeofday", 79, 0, 0, 0, 0, EPERM },
	{ "i386 clock_settime64", 404, 0, 0, 0, 0, EPERM },
	{ "i386 socket AF_ALG", 359, 38, 5, 0, 0, EAFNOSUPPORT },
	{ "i386 unshare NEWUSER", 310, CLONE_NEWUSER, 0, 0, 0, EPERM },
	{ "i386 io_uring_setup", 425, 4, 0, 0, 0, ENOSYS },
	{ "i386 clone3", 435, 0, 0, 0, 0, ENOSYS },
	{ "i386 bpf", 357, 0, 0, 0, 0, EPERM },
	{ "i386 vm86", 166, 0, 0, 0, 0, EPERM },
	{ "i386 personality", 136, 0x400000, 0, 0, 0, EPERM },
	{ "i386 getpid", 20, 0, 0, 0, 0, ALLOWED },
};

static int call32(const struct row *r)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(r->nr), "b"(r->a), "c"(r->b), "d"(r->c), "S"(r->d)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)ret < 0 ? -(int)ret : 0;
}

static int call64(const struct row *r)
{
	long ret = syscall(r->nr, r->a, r->b, r->c, r->d, 0, 0);

	if (ret == 0 && r->nr == SYS_clone)
		_exit(0);
	return ret < 0 ? errno : 0;
}

static void check(const struct row *r, int got)
{
	int denied = got == EPERM || got == ENOSYS || got == EAFNOSUPPORT;

	if (r->want == ALLOWED ? denied : got != r->want)
		printf("%s: %s, expected %s\n", r->name, got ? strerrorname_np(got) : "it worked",
		       r->want == ALLOWED ? "no refusal" : strerrorname_np(r->want));
}

static int has_int80(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct row r = { .nr = 20 };

		_exit(call32(&r) != 0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void verb_syscalls(void)
{
	struct row perf = { "perf_event_open", SYS_perf_event_open, P(buf), 0, -1, -1, EPERM };
	FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int paranoid = -1;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], call64(&rows[i]));
	if (f && fscanf(f, "%d", &paranoid) == 1 && paranoid < 2)
		check(&perf, call64(&perf));
	if (has_int80())
		for (size_t i = 0; i < sizeof(rows32) / sizeof(rows32[0]); i++)
			check(&rows32[i], call32(&rows32[i]));
}

/* --- the scanner: does anything of the host appear in here, however shortly? --- */

static char own_user[64];
static unsigned long long own_net;
static dev_t known[128];
static int nknown;

static void learn(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), p[2];
	socklen_t len = sizeof(own_net);
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned int ma, mi;
	char line[4096], at[1024];
	struct stat st;

	if (readlink("/proc/self/ns/user", own_user, sizeof(own_user) - 1) < 0)
		exit(1);
	(void)getsockopt(s, SOL_SOCKET, SO_NETNS_COOKIE, &own_net, &len);
	while (f && fgets(line, sizeof(line), f) && nknown < 100)
		/* /etc/hosts is the one file of the host that is meant to be here; nobody holds it open. */
		if (sscanf(line, "%*d %*d %u:%u %*s %1023s", &ma, &mi, at) == 3 &&
		    strcmp(at, "/etc/hosts"))
			known[nknown++] = makedev(ma, mi);
	if (pipe(p) == 0 && fstat(p[0], &st) == 0)
		known[nknown++] = st.st_dev;
}

static int foreign(const struct stat *st)
{
	if (S_ISCHR(st->st_mode) || S_ISSOCK(st->st_mode) || S_ISFIFO(st->st_mode) ||
	    !(st->st_mode & S_IFMT))
		return 0;
	for (int i = 0; i < nknown; i++)
		if (known[i] == st->st_dev)
			return 0;
	return 1;
}

static void look_by_proc(const char *pid)
{
	static const char *const names[] = { "root", "cwd", "exe" };
	char path[600], link[256];
	struct stat st;
	const struct dirent *d;
	DIR *dir;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/ns/user", pid);
	n = readlink(path, link, sizeof(link) - 1);
	if (n > 0 && (link[n] = 0, strcmp(link, own_user)))
		printf("HIT process %s is in %s\n", pid, link);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, names[i]);
		if (stat(path, &st) == 0 && foreign(&st))
			printf("HIT %s leads to device %u:%u\n", path, major(st.st_dev),
			       minor(st.st_dev));
	}
	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, d->d_name);
		if (stat(path, &st) == 0 && foreign(&st)) {
			n = readlink(path, link, sizeof(link) - 1);
			link[n > 0 ? n : 0] = 0;
			printf("HIT %s -> %s\n", path, link);
		}
	}
	if (dir)
		closedir(dir);
}

/* Sockets of the host's network would answer interface ioctls for it. */
static void look_by_pidfd(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int fd = 0; pidfd >= 0 && fd < 32; fd++) {
		int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
		unsigned long long net = 0;
		socklen_t len = sizeof(net);
		struct stat st;

		if (got < 0)
			continue;
		if (fstat(got, &st) == 0 && foreign(&st) && st.st_nlink)
			printf("HIT descriptor %d of %d is on device %u:%u\n", fd, pid,
			       major(st.st_dev), minor(st.st_dev));
		if (getsockopt(got, SOL_SOCKET, SO_NETNS_COOKIE, &net, &len) == 0 && net != own_net)
			printf("HIT socket %d of %d belongs to another network\n", fd, pid);
		close(got);
	}
	if (pidfd >= 0)
		close(pidfd);
}

static void look_by_memory(pid_t pid, const char *secret)
{
	static char chunk[1 << 16];
	char path[64], line[512];
	FILE *maps;
	int mem;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (mem >= 0 && maps && fgets(line, sizeof(line), maps)) {
		unsigned long lo, hi;
		char mode[8];

		if (sscanf(line, "%lx-%lx %7s", &lo, &hi, mode) != 3 || mode[1] != 'w' ||
		    hi - lo > 32 << 20)
			continue;
		for (; lo < hi; lo += sizeof(chunk)) {
			struct iovec l = { chunk,
					   hi - lo < sizeof(chunk) ? hi - lo : sizeof(chunk) };
			struct iovec r = { (void *)lo, l.iov_len };
			ssize_t n = pread(mem, chunk, l.iov_len, (off_t)lo);

			if (n <= 0)
				n = process_vm_readv(pid, &l, 1, &r, 1, 0);
			if (n > 0 && memmem(chunk, (size_t)n, secret, strlen(secret)))
				printf("HIT memory of %d at %lx knows '%s'\n", pid, lo, secret);
		}
	}
	if (maps)
		fclose(maps);
	if (mem >= 0)
		close(mem);
}

static void look_by_ptrace(pid_t pid)
{
	pid_t child = fork();

	if (child == 0) {
		char path[64], text[256];
		ssize_t n;

		if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
			(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
			n = readlink(path, text, sizeof(text) - 1);
			if (n > 0 && (text[n] = 0, strcmp(text, own_user)))
				printf("HIT traced %d of %s\n", pid, text);
		}
		_exit(0);
	}
	if (child > 0)
		(void)waitpid(child, NULL, 0);
}

/*
 * scan SECONDS TERCES: "rounds N" at the end, so that a scanner that did nothing is noticed.  What is looked for in memory
 * is given backwards: it would be found in the shell that starts this otherwise.
 */
static void verb_scan(int seconds, const char *backwards)
{
	time_t end = time(NULL) + seconds;
	unsigned long rounds = 0;
	size_t len = strlen(backwards);
	char secret[256] = "";

	for (size_t i = 0; i < len && i < sizeof(secret) - 1; i++)
		secret[i] = backwards[len - 1 - i];
	learn();
	printf("begun\n");
	fflush(stdout);
	while (time(NULL) < end) {
		DIR *dir = opendir("/proc");
		const struct dirent *d;

		while (dir && (d = readdir(dir))) {
			pid_t pid = atoi(d->d_name);

			if (pid <= 0 || pid == getpid())
				continue;
			look_by_proc(d->d_name);
			look_by_pidfd(pid);
			if (rounds % 4 == 0) {
				look_by_memory(pid, secret);
				look_by_ptrace(pid);
			}
		}
		if (dir)
			closedir(dir);
		rounds++;
		fflush(stdout);
	}
	printf("rounds %lu\n", rounds);
}

/* --- exchange names as fast as possible --- */

static void verb_race(int argc, char **argv)
{
	for (;;)
		for (int i = 0; i + 1 < argc; i += 2)
			(void)syscall(SYS_renameat2, AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], 2);
}

/* --- what can be opened for writing below a tree? --- */

static int is_writable(const char *path, const struct stat *st, int type, struct FTW *f)
{
	int fd;

	(void)st, (void)f;
	if (type != FTW_F)
		return 0;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		puts(path);
		close(fd);
	}
	return 0;
}

/* --- how much of a countable resource can be had? --- */

static int take_pty(void)
{
	return posix_openpt(O_RDWR | O_NOCTTY);
}

static int take_inotify(void)
{
	return inotify_init1(0);
}

static int take_timer(void)
{
	timer_t t;

	return timer_create(CLOCK_MONOTONIC, &(struct sigevent){ .sigev_notify = SIGEV_NONE }, &t);
}

static int take_net(void)
{
	return unshare(CLONE_NEWNET) < 0 ? -1 : open("/proc/self/ns/net", O_RDONLY);
}

/* exhaust WHAT MAX SECONDS: take up to MAX, print how many, keep them for a while. */
static void verb_exhaust(const char *what, int max, unsigned int seconds)
{
	static const struct {
		const char *name;
		int (*take)(void);
	} kinds[] = { { "pty", take_pty },
		      { "inotify", take_inotify },
		      { "timer", take_timer },
		      { "net", take_net } };
	int n = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		while (!strcmp(kinds[i].name, what) && n < max && kinds[i].take() >= 0)
			n++;
	printf("%d\n", n);
	fflush(stdout);
	sleep(seconds);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "syscalls"))
		verb_syscalls();
	else if (!strcmp(verb, "scan") && argc == 4)
		verb_scan(atoi(argv[2]), argv[3]);
	else if (!strcmp(verb, "race"))
		verb_race(argc - 2, argv + 2);
	else if (!strcmp(verb, "writable") && argc == 3)
		(void)nftw(argv[2], is_writable, 32, FTW_PHYS | FTW_MOUNT);
	else if (!strcmp(verb, "exhaust") && argc == 5)
		verb_exhaust(argv[2], atoi(argv[3]), (unsigned int)atoi(argv[4]));
	else
		return 2;
	return 0;
}
