/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The workspace's seccomp program.  filter_build runs in provisiond, filter_load in the process that becomes ws-init.
 * Of argument values only the low 32 bits are compared: the kernel ignores the rest for int arguments, so a rule that
 * looked at all 64 could be stepped around.
 */
#include "filter.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#define LOW32 0xffffffffULL
/*
 * linux/sockios.h; the header clashes with net/if.h users.  Behind its pointer are commands that rewrite a NIC's EEPROM
 * and flash, reset it or test it off-line; the kernel asks for CAP_NET_ADMIN of the network namespace's owner only, which a
 * tenant is, and a filter cannot look behind pointers.  What a tenant needs of ethtool goes over netlink.
 */
#define SIOCETHTOOL_ 0x8946
#define SIOCSMIIREG_ 0x8949 /* any register of a PHY: power, loopback, what nobody restores */
#define NETLINK_SOCK 16     /* AF_NETLINK */

struct denied {
	const char *call;
	int code;
	bool nesting; /* allowed with nesting = yes */
};

static const struct denied calls[] = {
	/* kernel code and kernel state */
	{ "init_module", EPERM, false },
	{ "finit_module", EPERM, false },
	{ "delete_module", EPERM, false },
	{ "kexec_load", EPERM, false },
	{ "kexec_file_load", EPERM, false },
	{ "bpf", EPERM, false },
	{ "swapon", EPERM, false },
	{ "swapoff", EPERM, false },
	{ "acct", EPERM, false },
	{ "quotactl", EPERM, false },
	{ "quotactl_fd", EPERM, false },
	{ "nfsservctl", EPERM, false },
	{ "lookup_dcookie", EPERM, false },
	{ "iopl", EPERM, false },
	{ "ioperm", EPERM, false },
	{ "vm86", EPERM, false },
	{ "vm86old", EPERM, false },
	{ "uselib", EPERM, false },
	{ "ustat", EPERM, false },
	{ "sysfs", EPERM, false },
	{ "_sysctl", EPERM, false },
	{ "settimeofday", EPERM, false },
	{ "clock_settime", EPERM, false },
	{ "clock_settime64", EPERM, false },
	{ "stime", EPERM, false },
	{ "syslog", EPERM, false },
	{ "vhangup", EPERM, false },
	{ "kcmp", EPERM, false },
	/* escapes and surfaces with a history */
	{ "open_by_handle_at", EPERM, false },
	{ "userfaultfd", EPERM, false },
	{ "io_uring_setup", ENOSYS, false },
	{ "io_uring_enter", ENOSYS, false },
	{ "io_uring_register", ENOSYS, false },
	/* not namespaced */
	{ "add_key", ENOSYS, false },
	{ "request_key", ENOSYS, false },
	{ "keyctl", ENOSYS, false },
	/* nested containers; ENOSYS makes libraries fall back to a call whose flags can be seen here */
	{ "clone3", ENOSYS, true },
	{ "fsopen", ENOSYS, true },
	{ "fsconfig", ENOSYS, true },
	{ "fspick", ENOSYS, true },
};

static const int families[] = {
	AF_ALG,       AF_VSOCK, AF_KEY, AF_RDS,  AF_TIPC,   AF_CAN,
	AF_BLUETOOTH, AF_NFC,   AF_X25, AF_AX25, AF_NETROM, AF_ROSE,
};

static const struct {
	int protocol;
	unsigned int allowed; /* with this flag */
} netlinks[] = {
	{ 6, 0 },               /* NETLINK_XFRM */
	{ 9, 0 },               /* NETLINK_AUDIT */
	{ 12, FILTER_NESTING }, /* NETLINK_NETFILTER */
	{ 18, 0 },              /* NETLINK_SCSITRANSPORT */
	{ 20, FILTER_RDMA },    /* NETLINK_RDMA */
};

static const unsigned long ioctls[] = { TIOCSTI, TIOCLINUX };

static int deny_value(scmp_filter_ctx c, const char *call, unsigned int arg, uint64_t value,
		      int code)
{
	int nr = seccomp_syscall_resolve_name(call);

	return seccomp_rule_add(c, SCMP_ACT_ERRNO((uint32_t)code), nr, 1,
				SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, LOW32, value));
}

static int deny_calls(scmp_filter_ctx c, bool nesting)
{
	for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int r, nr = seccomp_syscall_resolve_name(calls[i].call);

		/* A name that this libseccomp does not know belongs to a newer kernel's call, or to another machine. */
		if (nr == __NR_SCMP_ERROR || (nesting && calls[i].nesting))
			continue;
		r = seccomp_rule_add(c, SCMP_ACT_ERRNO((uint32_t)calls[i].code), nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int deny_sockets(scmp_filter_ctx c, unsigned int flags)
{
	static const char *const makers[] = { "socket", "socketpair" };
	int r = 0;

	for (unsigned int k = 0; k < 2; k++)
		for (unsigned int i = 0; i < sizeof(families) / sizeof(families[0]) && r == 0; i++)
			r = deny_value(c, makers[k], 0, (uint64_t)families[i], EAFNOSUPPORT);
	for (unsigned int i = 0; i < sizeof(netlinks) / sizeof(netlinks[0]) && r == 0; i++) {
		if (flags & netlinks[i].allowed)
			continue;
		r = seccomp_rule_add(
			c, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 2,
			SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, LOW32, NETLINK_SOCK),
			SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, LOW32, (uint64_t)netlinks[i].protocol));
	}
	return r;
}

/*
 * Personalities other than 0, 8, 0x20000, 0x20008 and 0xffffffff (ask).  A rule holds one comparison per argument and
 * the default allows, so the rest is told by bits, looked at in a circle: a run of ones must end somewhere (unless all
 * are ones), and in the allowed values every run is a single one at bit 3 or 17.  So deny a run that ends at another
 * bit, and a run of two or more that ends at one of these.
 */
static int deny_personality(scmp_filter_ctx c)
{
	for (unsigned int b = 0; b < 32; b++) {
		uint64_t ones = 1ULL << b, after = 1ULL << ((b + 1) % 32);
		int r;

		if (b == 3 || b == 17)
			ones |= 1ULL << (b - 1);
		r = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(personality), 1,
				     SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, ones | after, ones));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Profiling is for those to whom the host's own administrator leaves it. */
static bool perf_is_tame(void)
{
	char text[32];
	struct err e;
	uint64_t v;
	size_t len;

	if (path_read(AT_FDCWD, "/proc/sys/kernel/perf_event_paranoid", text, sizeof(text), &len,
		      &e) < 0 ||
	    len < 2)
		return false;
	text[len - 1] = '\0';
	return num_u64(text, 0, 100, &v, NULL) == 0 && v >= 2;
}

static int deny_rest(scmp_filter_ctx c, bool nesting, bool nic_full)
{
	static const char *const makers[] = { "clone", "unshare" };
	int r = 0;

	for (unsigned int i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]) && r == 0; i++)
		r = deny_value(c, "ioctl", 1, ioctls[i], EPERM);
	if (r == 0 && !nic_full)
		r = deny_value(c, "ioctl", 1, SIOCETHTOOL_, EPERM);
	if (r == 0 && !nic_full)
		r = deny_value(c, "ioctl", 1, SIOCSMIIREG_, EPERM);
	for (unsigned int i = 0; i < 2 && r == 0 && !nesting; i++)
		r = seccomp_rule_add(
			c, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(makers[i]), 1,
			SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
	if (r == 0 && !perf_is_tame())
		r = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(perf_event_open), 0);
	return r < 0 ? r : deny_personality(c);
}

static int fill(scmp_filter_ctx c, unsigned int flags)
{
	bool nesting = flags & FILTER_NESTING;
	int r = 0;

	if (seccomp_arch_native() == SCMP_ARCH_X86_64)
		r = seccomp_arch_add(c, SCMP_ARCH_X86);
	/* x32, and machines that are not in the list. */
	if (r == 0)
		r = seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	/* A binary tree over the call numbers instead of a chain. */
	if (r == 0)
		r = seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = deny_calls(c, nesting);
	if (r == 0)
		r = deny_sockets(c, flags);
	return r < 0 ? r : deny_rest(c, nesting, flags & FILTER_NIC_FULL);
}

/* The memfd starts with this: a program for each combination of flags. */
struct head {
	uint32_t bytes[FILTER_PROGRAMS]; /* of the program at these flags */
};
_Static_assert(sizeof(struct head) % sizeof(struct sock_filter) == 0, "programs must stay aligned");

static int append(int fd, unsigned int flags, uint32_t *bytes)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
	off_t before = lseek(fd, 0, SEEK_END), after;
	int r = c ? fill(c, flags) : -ENOMEM;

	if (r == 0)
		r = seccomp_export_bpf(c, fd);
	if (c)
		seccomp_release(c);
	after = lseek(fd, 0, SEEK_END);
	if (r == 0 && (before < 0 || after <= before))
		r = -EIO;
	*bytes = (uint32_t)(after - before);
	return r;
}

int filter_build(struct err *e)
{
	auto_fd int fd = memfd_create("sshbay-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct head h = { { 0 } };
	int r;

	if (fd < 0)
		return err_sys(e, "create memory for the system call filter");
	r = fd_write_all(fd, &h, sizeof(h));
	for (unsigned int i = 0; i < FILTER_PROGRAMS && r == 0; i++)
		r = append(fd, i, &h.bytes[i]);
	if (r == 0 && pwrite(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		r = -EIO;
	if (r == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	return r < 0 ? err_ret(e, r, "build the system call filter") : fd_take(&fd);
}

static int load(const uint8_t *at, size_t bytes, struct err *e)
{
	struct sock_fprog prog = {
		.len = (unsigned short)(bytes / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)at,
	};

	/* No PR_SET_NO_NEW_PRIVS: sudo must work inside. */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0
		       ? err_sys(e, "load the system call filter")
		       : 0;
}

int filter_load(int fd, unsigned int flags, struct err *e)
{
	const struct head *h;
	uint8_t *at;
	size_t from = sizeof(*h);
	uint64_t size = sizeof(*h);
	bool bad = false;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(*h))
		return err_set(e, EBADF, "load the system call filter: there is none");
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(e, "load the system call filter");
	h = (const void *)at;
	for (unsigned int i = 0; i < FILTER_PROGRAMS; i++) {
		if (i < flags)
			from += h->bytes[i];
		bad |= h->bytes[i] % sizeof(struct sock_filter) ||
		       h->bytes[i] / sizeof(struct sock_filter) > BPF_MAXINSNS;
		size += h->bytes[i];
	}
	if (flags >= FILTER_PROGRAMS || bad || (uint64_t)st.st_size != size)
		r = err_set(e, EINVAL, "load the system call filter: bad size");
	else
		r = load(at + from, h->bytes[flags], e);
	(void)munmap(at, (size_t)st.st_size);
	return r;
}
