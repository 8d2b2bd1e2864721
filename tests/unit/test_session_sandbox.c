/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session that somebody has taken over can still do (THREATS D03): each probe in a process of its own. */
#include "../../sshd-gate/session/sandbox.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define DENIED  0 /* an error, or death */
#define GRANTED 1

static int sock, victim; /* a TCP socket; a process of the same uid */

static long read_shadow(void)
{
	return open("/etc/shadow", O_RDONLY);
}
static long read_by_directory(void)
{
	return syscall(SYS_openat, 0, "/etc/shadow", O_RDONLY);
}
static long look_at_path(void)
{
	struct stat st;

	return syscall(SYS_newfstatat, AT_FDCWD, "/etc/shadow", &st, 0);
}
static long run_program(void)
{
	char *argv[] = { (char *)"true", NULL };

	return execve("/bin/true", argv, argv);
}
static long make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}
static long connect_socket(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(22),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return connect(sock, (struct sockaddr *)&to, sizeof(to));
}
static long make_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
static long make_process3(void)
{
	return syscall(SYS_clone3, NULL, 0);
}
static long kill_all(void)
{
	return kill(-1, SIGKILL);
}
static long kill_victim(void)
{
	return kill(victim, SIGUSR1);
}
static long trace_victim(void)
{
	return ptrace(PTRACE_SEIZE, victim, NULL, NULL);
}
static long limit_victim(void)
{
	struct rlimit none = { 0 };

	return prlimit(victim, RLIMIT_NOFILE, &none, NULL);
}
static long read_limits_of_victim(void)
{
	struct rlimit r;

	return prlimit(victim, RLIMIT_NOFILE, NULL, &r);
}
static long executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}
static long turn_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static long attach_filter(void)
{
	struct sock_filter code = { BPF_RET | BPF_K, 0, 0, 0 };
	struct sock_fprog prog = { 1, &code };

	return setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}
static long choose_congestion(void)
{
	return setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}
static long inject_typing(void)
{
	return ioctl(0, TIOCSTI, "x");
}
static long own_signals(void)
{
	return fcntl(sock, F_SETOWN, victim);
}
static long unshare_all(void)
{
	return unshare(CLONE_NEWUSER);
}
static long no_delay(void)
{
	int on = 1;

	return setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}
static long own_limits(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_CPU, &r) < 0 ? -1 : setrlimit(RLIMIT_CPU, &r);
}
static long larger_buffers(void)
{
	int size = 1 << 18;

	return setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}
static long duplicate(void)
{
	return fcntl(sock, F_DUPFD_CLOEXEC, 3);
}

static const struct {
	const char *name;
	long (*fn)(void);
	int want;
} probes[] = {
	{ "open a file", read_shadow, DENIED },
	{ "open a file by a directory", read_by_directory, DENIED },
	{ "look at a path", look_at_path, DENIED },
	{ "execute a program", run_program, DENIED },
	{ "make a socket", make_socket, DENIED },
	{ "connect a socket", connect_socket, DENIED },
	{ "fork", make_process, DENIED },
	{ "fork by clone3", make_process3, DENIED },
	{ "kill everybody", kill_all, DENIED },
	{ "signal another process of the uid", kill_victim, DENIED },
	{ "trace another process of the uid", trace_victim, DENIED },
	{ "limit another process of the uid", limit_victim, DENIED },
	{ "read the limits of another process", read_limits_of_victim, DENIED },
	{ "executable memory", executable_memory, DENIED },
	{ "turn memory executable", turn_executable, DENIED },
	{ "attach a filter to a socket", attach_filter, DENIED },
	{ "choose a congestion control", choose_congestion, DENIED },
	{ "type into a terminal", inject_typing, DENIED },
	{ "direct signals", own_signals, DENIED },
	{ "make namespaces", unshare_all, DENIED },
	{ "switch Nagle off", no_delay, GRANTED },
	{ "change the limits of its own", own_limits, GRANTED },
	{ "enlarge a socket's buffer", larger_buffers, GRANTED },
	{ "duplicate a descriptor", duplicate, GRANTED },
};

/* In the child. */
static _Noreturn void attempt(long (*fn)(void))
{
	struct sandbox *sb = NULL;
	struct err e = { 0 };

	if (sandbox_harden(&e) < 0 || sandbox_enter(&sb, &e) < 0 || sandbox_child(sb, &e) < 0)
		_exit(99);
	_exit(fn() < 0 ? DENIED : GRANTED);
}

static void taken_over(void **state)
{
	struct rlimit before, after;

#ifdef __SANITIZE_ADDRESS__
	print_message("AddressSanitizer makes system calls of its own that the filter forbids\n");
	skip();
#endif
	assert_int_equal(prlimit(victim, RLIMIT_NOFILE, NULL, &before), 0);
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		int status, got;
		pid_t pid = fork();

		if (pid == 0)
			attempt(probes[i].fn);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		got = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? DENIED
									: WEXITSTATUS(status);
		if ((WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS) || got != probes[i].want)
			fail_msg("%s: status 0x%x", probes[i].name, (unsigned int)status);
	}
	assert_int_equal(prlimit(victim, RLIMIT_NOFILE, NULL, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(waitpid(victim, NULL, WNOHANG), 0);
}

static int setup(void **state)
{
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	victim = fork();
	if (victim == 0)
		for (;;)
			pause();
	return sock < 0 || victim < 0;
}

static int teardown(void **state)
{
	close(sock);
	kill(victim, SIGKILL);
	return waitpid(victim, NULL, 0) != victim;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(taken_over) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("session sandbox", tests, setup, teardown);
}
