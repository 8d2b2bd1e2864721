/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The workspace's system call filter, by what a process under it gets back. Needs no root: no_new_privs stands in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "filter.h"

/* Raw results: 0 or -errno. Bad arguments on purpose: what is allowed fails in the kernel with another errno. */
static long call(long nr, long a, long b, long c)
{
	long r = syscall(nr, a, b, c, 0L, 0L, 0L);

	return r < 0 ? -errno : 0;
}

static int failures;

static void want(const char *what, long got, long expected)
{
	if (got == expected)
		return;
	failures++;
	fprintf(stderr, "%s: got %ld, wanted %ld\n", what, got, expected);
}

static void want_not(const char *what, long got, long refused)
{
	if (got != refused)
		return;
	failures++;
	fprintf(stderr, "%s: got %ld\n", what, got);
}

static void check_both(void)
{
	want("keyctl", call(SYS_keyctl, 0, 0, 0), -ENOSYS);
	want("add_key", call(SYS_add_key, 0, 0, 0), -ENOSYS);
	want("bpf", call(SYS_bpf, -1, 0, 0), -EPERM);
	want("io_uring_setup", call(SYS_io_uring_setup, 0, 0, 0), -ENOSYS);
	want("userfaultfd", call(SYS_userfaultfd, -1, 0, 0), -EPERM);
	want("open_by_handle_at", call(SYS_open_by_handle_at, -1, 0, 0), -EPERM);
	want("kexec_load", call(SYS_kexec_load, 0, 0, 0), -EPERM);
	want("syslog", call(SYS_syslog, 9, 0, 0), -EPERM);
	want("TIOCSTI", call(SYS_ioctl, -1, TIOCSTI, 0), -EPERM);
	want("TIOCSTI with high bits", call(SYS_ioctl, -1, (long)TIOCSTI | 1L << 40, 0), -EPERM);
	want("SIOCETHTOOL", call(SYS_ioctl, -1, 0x8946, 0), -EPERM);
	want("SIOCSMIIREG", call(SYS_ioctl, -1, 0x8949, 0), -EPERM);
	want("another ioctl", call(SYS_ioctl, -1, TIOCGWINSZ, 0), -EBADF);
	want("AF_VSOCK", call(SYS_socket, AF_VSOCK, SOCK_STREAM, 0), -EAFNOSUPPORT);
	want("AF_ALG, high bits", call(SYS_socket, AF_ALG | 1L << 33, SOCK_SEQPACKET, 0),
	     -EAFNOSUPPORT);
	want("netlink xfrm", call(SYS_socket, AF_NETLINK, SOCK_RAW, 6), -EAFNOSUPPORT);
	want("netlink rdma", call(SYS_socket, AF_NETLINK, SOCK_RAW, 20), -EAFNOSUPPORT);
	want("netlink audit", call(SYS_socket, AF_NETLINK, SOCK_RAW, 9), -EAFNOSUPPORT);
	want("netlink route", call(SYS_socket, AF_NETLINK, SOCK_RAW, 0), 0);
	want("inet", call(SYS_socket, AF_INET, SOCK_STREAM, 0), 0);
	want("unix protocol 12", call(SYS_socket, AF_UNIX, SOCK_STREAM, 12), -EPROTONOSUPPORT);
	want("x32", call(0x40000000 | SYS_getpid, 0, 0, 0), -ENOSYS);
	want_not("mount", call(SYS_mount, 0, 0, 0), -ENOSYS);
}

static void check_personality(void)
{
	static const unsigned int allowed[] = { 0, 8, 0x20000, 0x20008, 0xffffffff };
	static const unsigned int refused[] = { 1,          4,          0xc,        0x10,
						0x18,       0x30000,    0x20004,    0x2000c,
						0x60000,    0x40000,    0x0400000,  0x80000000,
						0x80000008, 0x7fffffff, 0xfffffffe, 0xfffffff7,
						0xfffdffff, 0x00020009 };

	for (unsigned int i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		want("a refused personality", call(SYS_personality, refused[i], 0, 0), -EPERM);
	for (unsigned int i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		want("an allowed personality", call(SYS_personality, allowed[i], 0, 0), 0);
	(void)call(SYS_personality, 0, 0, 0);
}

static void check_usual(void)
{
	check_both();
	check_personality();
	want("clone3", call(SYS_clone3, 0, 0, 0), -ENOSYS);
	want("unshare user", call(SYS_unshare, CLONE_NEWUSER, 0, 0), -EPERM);
	want("clone user", call(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0), -EPERM);
	want("fsopen", call(SYS_fsopen, 0, 0, 0), -ENOSYS);
	want("netlink netfilter", call(SYS_socket, AF_NETLINK, SOCK_RAW, 12), -EAFNOSUPPORT);
	want("unshare nothing", call(SYS_unshare, 0, 0, 0), 0);
}

static void check_nesting(void)
{
	check_both();
	check_personality();
	want("clone3", call(SYS_clone3, 0, 0, 0), -EINVAL);
	want_not("fsopen", call(SYS_fsopen, 0, 0, 0), -ENOSYS);
	want_not("netlink netfilter", call(SYS_socket, AF_NETLINK, SOCK_RAW, 12), -EAFNOSUPPORT);
}

/* Descriptor -1 is refused after the filter has let the call pass. */
static void check_nic_full(void)
{
	check_personality();
	want("ethtool", call(SYS_ioctl, -1, 0x8946, 0), -EBADF);
	want("SIOCSMIIREG", call(SYS_ioctl, -1, 0x8949, 0), -EBADF);
	want("ioctl TIOCSTI", call(SYS_ioctl, -1, TIOCSTI, 0), -EPERM);
	want("clone3", call(SYS_clone3, 0, 0, 0), -ENOSYS);
}

/* A kernel without RDMA has no such protocol (-EPROTONOSUPPORT); what matters is who says no. */
static void check_rdma(void)
{
	want_not("netlink rdma", call(SYS_socket, AF_NETLINK, SOCK_RAW, 20), -EAFNOSUPPORT);
	want("netlink netfilter", call(SYS_socket, AF_NETLINK, SOCK_RAW, 12), -EAFNOSUPPORT);
	want("ethtool", call(SYS_ioctl, -1, 0x8946, 0), -EPERM);
	want("clone3", call(SYS_clone3, 0, 0, 0), -ENOSYS);
}

static void under(unsigned int flags, void (*check)(void))
{
	struct err e = { 0 };
	auto_fd int fd = filter_build(&e);
	int status;
	pid_t pid;

	assert_true(fd >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || filter_load(fd, flags, &e) < 0)
			_exit(100);
		check();
		_exit(failures);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_usual(void **state)
{
	(void)state;
	under(0, check_usual);
}

static void test_nesting(void **state)
{
	(void)state;
	under(FILTER_NESTING, check_nesting);
}

static void test_nic_full(void **state)
{
	(void)state;
	under(FILTER_NIC_FULL, check_nic_full);
}

static void test_rdma(void **state)
{
	(void)state;
	under(FILTER_RDMA, check_rdma);
	under(FILTER_RDMA | FILTER_NIC_FULL, check_nic_full);
}

static void test_bad_program(void **state)
{
	auto_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(filter_load(-1, 0, &e), -EBADF);
	assert_int_equal(filter_load(fd, 0, &e), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),       cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_nic_full),    cmocka_unit_test(test_rdma),
		cmocka_unit_test(test_bad_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
