/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the C tests of the network share: TAP lines, network namespaces of their own, commands and connections in them.
 * Everything is made below one unshared "host" namespace, so nothing of the real host is touched or left.
 */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/ip.h"
#include "base/str.h"
#include "plan.h"

static int tap_count, tap_failed;

static inline void ok(int good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void ok(int good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	tap_failed += !good;
}

static inline void same(const char *got, const char *want, const char *name)
{
	ok(strcmp(got, want) == 0, "%s", name);
	if (strcmp(got, want) != 0)
		printf("# wanted: %s\n# got:    %s\n", want, got);
}

/* 0, or the failing call's text as a comment. */
static inline void did(int ret, const struct err *e, const char *name)
{
	ok(ret == 0, "%s", name);
	if (ret)
		printf("# %d: %s\n", ret, e->text);
}

static inline void need(int good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A new network namespace, as a descriptor; the caller stays in its own. */
static inline int new_netns(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), made;

	need(home >= 0 && unshare(CLONE_NEWNET) == 0, "make a network namespace");
	made = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	need(made >= 0 && setns(home, CLONE_NEWNET) == 0, "come back");
	close(home);
	return made;
}

/* Run a shell command in namespace `ns` (-1: here); its exit status. stdout goes to `out` (cut, one line) if not NULL. */
static inline int sh_out(int ns, char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static inline int sh_out(int ns, char *out, size_t size, const char *fmt, ...)
{
	char cmd[1024];
	int pipefd[2], status;
	ssize_t got = 0, n;
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	need(pipe2(pipefd, O_CLOEXEC) == 0, "pipe");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ns >= 0 && setns(ns, CLONE_NEWNET))
			_exit(99);
		if (out)
			dup2(pipefd[1], 1);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(98);
	}
	close(pipefd[1]);
	while (out && (size_t)got + 1 < size &&
	       (n = read(pipefd[0], out + got, size - (size_t)got - 1)) > 0)
		got += n;
	close(pipefd[0]);
	if (out) {
		out[got] = '\0';
		out[strcspn(out, "\n")] = '\0';
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
#define sh(ns, ...) sh_out(ns, NULL, 0, __VA_ARGS__)

/*
 * Connect from `ns` to address:port, optionally from a given source port, and read one line into `out`; "refused",
 * "timeout" (0.7 s) or another reason when that fails.
 */
static inline void dial(int ns, const char *address, int port, char *out, size_t size)
{
	struct ipport at = { .port = (uint16_t)port };
	struct sockaddr_storage ss;
	struct timeval limit = { .tv_usec = 700000 };
	int pipefd[2], fd, code;
	char line[256] = "";
	socklen_t len;
	ssize_t n;
	pid_t pid;

	need(ip_parse(address, &at.addr, NULL) == 0 && pipe2(pipefd, O_CLOEXEC) == 0, "dial");
	len = ip_to_sockaddr(&at, &ss);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (ns >= 0 && setns(ns, CLONE_NEWNET))
			_exit(1);
		fd = socket(at.addr.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (connect(fd, (struct sockaddr *)&ss, len) == 0) {
			n = read(fd, line, sizeof(line) - 1);
			if (n <= 0)
				(void)snprintf(line, sizeof(line), "silent");
		} else {
			code = errno;
			(void)snprintf(line, sizeof(line), "%s",
				       code == ECONNREFUSED ? "refused"
				       : code == EINPROGRESS || code == EAGAIN || code == ETIMEDOUT
					       ? "timeout"
				       : code == EHOSTUNREACH || code == ENETUNREACH
					       ? "unreachable"
					       : strerror(code));
		}
		line[strcspn(line, "\n")] = '\0';
		(void)!write(pipefd[1], line, strlen(line) + 1);
		_exit(0);
	}
	close(pipefd[1]);
	n = read(pipefd[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(pipefd[0]);
	waitpid(pid, NULL, 0);
}

/*
 * One ICMP echo from `ns` to `to`, from source address `from` if not NULL. 0 answered, 1 silence for a second, 2 an
 * error came back at once.
 */
static inline int ping(int ns, const char *to, const char *from)
{
	static const uint8_t echo4[8] = { 8, 0, 0xb7, 0xfd, 0x40, 1, 0, 1 },
			     echo6[8] = { 128, 0, 0, 0, 0x40, 1, 0, 1 };
	struct ipport at = { 0 }, src = { 0 };
	struct sockaddr_storage ss;
	struct timeval limit = { .tv_sec = 1 };
	uint8_t buf[512];
	int on = 1, fd, status;
	socklen_t len;
	ssize_t n;
	pid_t pid;

	need(ip_parse(to, &at.addr, NULL) == 0 && (!from || ip_parse(from, &src.addr, NULL) == 0),
	     "ping");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		bool v4 = at.addr.family == AF_INET;

		if (ns >= 0 && setns(ns, CLONE_NEWNET))
			_exit(9);
		fd = socket(at.addr.family, SOCK_RAW, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
			   sizeof(on));
		if (from) {
			len = ip_to_sockaddr(&src, &ss);
			if (bind(fd, (struct sockaddr *)&ss, len))
				_exit(8);
		}
		len = ip_to_sockaddr(&at, &ss);
		if (connect(fd, (struct sockaddr *)&ss, len) ||
		    send(fd, v4 ? echo4 : echo6, 8, 0) < 0)
			_exit(2);
		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
			const uint8_t *icmp = v4 ? buf + (buf[0] & 15) * 4 : buf;

			if (icmp + 8 <= buf + n && icmp[0] == (v4 ? 0 : 129) && icmp[4] == 0x40 &&
			    icmp[5] == 1)
				_exit(0);
		}
		_exit(errno == EAGAIN ? 1 : 2);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

/* As ping, for an interface that has just come up: the kernel may tell its carrier up to a second later. */
static inline int ping_soon(int ns, const char *to)
{
	int ret = 1;

	for (int i = 0; i < 3 && ret == 1; i++)
		ret = ping(ns, to, NULL);
	return ret;
}

/* Answers every connection on these sockets with "LOCAL PEER\n" (addresses without ports for the peer), until killed. */
static inline pid_t start_gate(const int *fds, unsigned int n)
{
	struct pollfd p[16];
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	for (;;) {
		(void)poll(p, n, -1);
		for (unsigned int i = 0; i < n; i++) {
			struct sockaddr_storage a, b;
			socklen_t alen = sizeof(a), blen = sizeof(b);
			char ta[IP_TEXT_MAX], tb[IP_TEXT_MAX];
			struct ipport local, peer;
			int fd;

			if (!(p[i].revents & POLLIN))
				continue;
			fd = accept4(p[i].fd, (struct sockaddr *)&b, &blen, SOCK_CLOEXEC);
			if (fd < 0 || getsockname(fd, (struct sockaddr *)&a, &alen))
				continue;
			ip_from_sockaddr((struct sockaddr *)&a, alen, &local);
			ip_from_sockaddr((struct sockaddr *)&b, blen, &peer);
			dprintf(fd, "%s %s\n", ip_port_text(&local, ta, sizeof(ta)),
				ip_text(&peer.addr, tb, sizeof(tb)));
			close(fd);
		}
	}
}

static inline void stop(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A plan for a workspace that has nothing but a network namespace. */
static inline void make_plan(struct plan *p, struct settings *s, struct record *rec,
			     const char *name, uint32_t slot)
{
	memset(p, 0, sizeof(*p));
	memset(rec, 0, sizeof(*rec));
	(void)snprintf(rec->name, sizeof(rec->name), "%s", name);
	rec->slot = slot;
	p->settings = s;
	p->spec = &s->defaults;
	p->rec = rec;
	p->initfd = p->filterfd = p->userns = p->netns = p->rootfd = p->listenfd = p->pidfd =
		p->report = -1;
	(void)str_format(p->dir, sizeof(p->dir), "%s/ws/%s", s->storage.run, name);
}

/* Own network and mount namespaces, loopback up, a run directory that goes with the test. */
static inline void test_host(char dir[64])
{
	if (geteuid() != 0) {
		printf("1..0\nok 1 - network tests # SKIP needs root\n");
		exit(0);
	}
	need(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make mounts private");
	need(sh(-1, "ip link set lo up") == 0, "loopback");
	(void)snprintf(dir, 64, "/tmp/sshbay-net.XXXXXX");
	need(mkdtemp(dir) != NULL, "mkdtemp");
}

static inline int test_end(const char *dir)
{
	sh(-1, "rm -rf '%s'", dir);
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}
