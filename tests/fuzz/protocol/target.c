/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See target.h. */
#include "target.h"

#include <dirent.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../sshd-gate/session/selftest.h"
#include "../../../sshd-gate/session/session.h"
#include "base/fd.h"
#include "base/log.h"
#include "proto/ctl.h"

/* Of AddressSanitizer, when linked. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
__attribute__((weak)) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	/* What is left at the exit of a session or of this process is nobody's business: checks are asked for. */
	return "exitcode=77:leak_check_at_exit=0:allocator_may_return_null=1";
}

static struct {
	int zygote, log; /* -1: none */
} self = { -1, -1 };

static const struct ipport local = { { AF_INET, { 127, 0, 0, 1 } }, 22 },
			   peer = { { AF_INET, { 127, 0, 0, 2 } }, 4000 };

bool target_sanitized(void)
{
	return __lsan_do_recoverable_leak_check != NULL;
}

static void on_usr1(int sig)
{
	(void)sig;
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		_exit(TARGET_LEAKS);
}

static int start_zygote(const char *program)
{
	struct err e = { 0 };
	struct msg m;
	int sv[2];

	if (msg_pair(sv, &e) < 0)
		return -1;
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(self.log, STDERR_FILENO);
		if (sv[1] == 3)
			(void)fcntl(3, F_SETFD, 0);
		else
			(void)dup2(sv[1], 3);
		(void)execl(program, "sshd-gate-session", (char *)NULL);
		_exit(127);
	}
	close(sv[1]);
	self.zygote = sv[0];
	if (msg_recv(sv[0], &zygote_proto, NULL, 0, &m, &e) != 1 || m.type != ZYGOTE_READY) {
		(void)fprintf(stderr, "start '%s': no zygote: %s\n", program, e.text);
		return -1;
	}
	return 0;
}

int target_setup(const char *program, bool verbose)
{
	struct err e = { 0 };

	self.log = memfd_create("log", MFD_CLOEXEC);
	if (self.log < 0)
		return -1;
	(void)fcntl(self.log, F_SETFL, O_APPEND);
	if (program)
		return start_zygote(program);
	log_setup("session", verbose ? LOG_LEVEL_DETAIL : LOG_LEVEL_NOTE);
	ssh_init();
	if (selftest_run(&e) < 0) {
		(void)fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	return 0;
}

static _Noreturn void session(int conn, int prov)
{
	int fds[2];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGUSR1, on_usr1);
	(void)dup2(self.log, STDERR_FILENO);
	fds[0] = fcntl(conn, F_DUPFD_CLOEXEC, 500);
	fds[1] = fcntl(prov, F_DUPFD_CLOEXEC, 500);
	(void)close_range(3, 499, 0);
	conn = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	prov = fcntl(fds[1], F_DUPFD_CLOEXEC, 3);
	(void)close_range(500, ~0U, 0);
	_exit(session_run(conn, prov, &peer, &local));
}

static pid_t ask_zygote(int conn, int prov)
{
	const struct zygote_spawn q = { .peer = peer, .local = local };
	const int fds[2] = { conn, prov };
	struct zygote_spawned a = { 0 };
	struct err e = { 0 };
	struct msg m;

	if (msg_send_fds(self.zygote, &zygote_proto, &(struct msg_out){ ZYGOTE_SPAWN, &q, fds, 2 },
			 &e) < 0 ||
	    msg_recv(self.zygote, &zygote_proto, &a, sizeof(a), &m, &e) != 1) {
		printf("# zygote: %s\n", e.text);
		target_show_log();
		return 0;
	}
	return (pid_t)a.pid;
}

int target_start(struct target *t)
{
	int conn[2], prov[2];
	struct err e = { 0 };

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, conn) < 0 || msg_pair(prov, &e) < 0)
		return -1;
	(void)fcntl(conn[0], F_SETFL, O_NONBLOCK);
	*t = (struct target){ .conn = conn[0], .prov = prov[0] };
	(void)fflush(stdout);
	if (self.zygote >= 0)
		t->pid = ask_zygote(conn[1], prov[1]);
	else if ((t->pid = fork()) == 0)
		session(conn[1], prov[1]);
	close(conn[1]);
	close(prov[1]);
	return t->pid > 0 ? 0 : -1;
}

bool target_ended(struct target *t)
{
	struct rusage r;

	if (t->pid && wait4(t->pid, &t->status, WNOHANG, &r) == t->pid) {
		t->pid = 0;
		t->cpu_us = (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 +
			    (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
	}
	return !t->pid;
}

void target_kill(struct target *t)
{
	if (!t->pid)
		return;
	(void)kill(t->pid, SIGKILL);
	(void)waitpid(t->pid, &t->status, 0);
	t->pid = 0;
}

unsigned int target_fds(const struct target *t)
{
	char path[64];
	unsigned int n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)t->pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n;
}

void target_show_fds(const struct target *t)
{
	for (int i = 0; i < 1024; i++) {
		char path[64], to[256];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)t->pid, i);
		n = readlink(path, to, sizeof(to) - 1);
		if (n > 0)
			printf("#   %d: %.*s\n", i, (int)n, to);
	}
}

static unsigned long long proc_number(pid_t pid, const char *file, const char *key)
{
	char path[64], line[256];
	unsigned long long v = 0;
	FILE *in;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in))
		if (strncmp(line, key, strlen(key)) == 0) {
			v = strtoull(line + strlen(key), NULL, 10);
			break;
		}
	if (in)
		(void)fclose(in);
	return v;
}

unsigned long target_peak_kib(const struct target *t)
{
	return (unsigned long)proc_number(t->pid, "status", "VmHWM:");
}

uint64_t target_cpu_now_us(const struct target *t)
{
	return proc_number(t->pid, "schedstat", "") / 1000;
}

void target_check_leaks(const struct target *t)
{
	if (self.zygote < 0 && target_sanitized() && t->pid)
		(void)kill(t->pid, SIGUSR1);
}

void target_drop_log(void)
{
	(void)!ftruncate(self.log, 0);
}

void target_show_log(void)
{
	static char text[32768];
	ssize_t n = pread(self.log, text, sizeof(text) - 1, 0);
	char *line, *save = NULL;

	text[n > 0 ? n : 0] = 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		printf("#   %s\n", line);
	target_drop_log();
}
