/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See misbehave.h.  Session process of the test build; empty otherwise.  "granted" in the log is a hole: everything here
 * must be refused by the sandbox, and provisiond must survive what it is told.
 */
#include "misbehave.h"

#ifdef SSHBAY_FAULTS
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "lens.h"
#include "refusal.h"

#define MESSAGES 10000

static long open_file(struct session *s, int pid)
{
	return open("/etc/shadow", O_RDONLY | O_CLOEXEC);
}
static long exec_program(struct session *s, int pid)
{
	char *argv[] = { (char *)"true", NULL };

	return execve("/bin/true", argv, argv);
}
static long make_socket(struct session *s, int pid)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
static long make_process(struct session *s, int pid)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
static long trace(struct session *s, int pid)
{
	return ptrace(PTRACE_SEIZE, pid, NULL, NULL);
}
static long read_memory(struct session *s, int pid)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	return process_vm_readv(pid, &here, 1, &there, 1, 0);
}
static long kill_all(struct session *s, int pid)
{
	return kill(-1, SIGKILL);
}
static long kill_one(struct session *s, int pid)
{
	return kill(pid, SIGKILL);
}
static long mount_something(struct session *s, int pid)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}
static long make_namespace(struct session *s, int pid)
{
	return unshare(CLONE_NEWUSER);
}
/* Not a hole: the session goes on as with a libssh that the lens does not know. */
static long lens_off(struct session *s, int pid)
{
	lens_switch(false);
	refusal_login(s);
	errno = 0;
	return -1;
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Every type, right and wrong in turn: bodies of noise, of no and of every length, descriptors that nobody wants. */
static void send_noise(const struct session *s, uint64_t *seed)
{
	static uint8_t bytes[GATE_KEY_MAX + GATE_SIG_MAX];
	union {
		char room[CMSG_SPACE(10 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec io = { bytes, 8 + next(seed) % (next(seed) % 4 ? 64 : sizeof(bytes) - 8) };
	struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1 };
	struct err e = { 0 };

	/* The head of a good message, so that not everything fails at its first word. */
	if (msg_encode(&gate_proto, GATE_WHY, NULL, bytes, sizeof(bytes), &e) < 0)
		return;
	bytes[4] = (uint8_t)(next(seed) % 40);
	for (size_t i = 8; i < io.iov_len; i++)
		bytes[i] = next(seed) % 3 ? 0 : (uint8_t)next(seed);
	if (next(seed) % 8 == 0) {
		struct cmsghdr *c;

		h.msg_control = control.room;
		h.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(10 * sizeof(int));
		for (int i = 0; i < 10; i++)
			memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &s->prov, sizeof(int));
	}
	(void)sendmsg(s->prov, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static long flood(struct session *s, int pid)
{
	uint64_t seed = 0x9e3779b97f4a7c15ULL + (uint64_t)pid;

	for (int i = 0; i < MESSAGES; i++)
		send_noise(s, &seed);
	errno = 0;
	return -1;
}

static const struct {
	const char *name;
	long (*fn)(struct session *s, int pid);
} ways[] = {
	{ "open", open_file },         { "exec", exec_program }, { "socket", make_socket },
	{ "fork", make_process },      { "ptrace", trace },      { "memory", read_memory },
	{ "kill-all", kill_all },      { "kill", kill_one },     { "mount", mount_something },
	{ "unshare", make_namespace }, { "messages", flood },    { "lens-off", lens_off },
};

void misbehave_asked(struct session *s, const char *variable, const char *value)
{
	const char *colon = strchr(value, ':');
	size_t len = colon ? (size_t)(colon - value) : strlen(value);
	int pid = colon ? atoi(colon + 1) : 0;

	if (strcmp(variable, "LC_MISBEHAVE") != 0)
		return;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (strlen(ways[i].name) != len || strncmp(ways[i].name, value, len))
			continue;
		log_warn("misbehave '%s': begun", ways[i].name);
		if (ways[i].fn(s, pid) >= 0)
			log_warn("misbehave '%s': granted", ways[i].name);
		else
			log_warn("misbehave '%s': refused (%s)", ways[i].name, strerror(errno));
	}
}
#endif
