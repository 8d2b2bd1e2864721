/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ws-init from the host's side: its sealed image, its socket, its start and its end.  Runs in workers (the image in
 * provisiond).  A process is ended by pidfd alone; a number is only believed together with its start time and boot.
 */
#include "ns.h"

#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "limits.h"
#include "limits_device.h"
#include "netns.h"
#include "ns_child.h"
#include "ns_talk.h"
#include "proto/msg.h"

#define IMAGE_MAX (32 << 20)
#define BACKLOG   1024 /* more than ws-init has rows for: whom it would take can wait */
#define GRACE_S   1    /* beyond the time ws-init gives its processes, for its own end */
#define CONNECT_S 2    /* to talk to a ws-init that is to be stopped */
#define GONE_S    20   /* from SIGKILL to the end of the pid namespace */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* kernel 6.3 */
#endif

/* --- the image --- */

static int sealed(struct err *e)
{
	int fd = fault_point("init.memfd");

	if (fd < 0)
		return err_ret(e, fd, "create memory for 'ws-init'");
	fd = memfd_create("ws-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("ws-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? err_sys(e, "create memory for 'ws-init'") : fd;
}

/* A dynamic one would run the tenant's ld.so: refused here, once, instead of failing in every workspace. */
static int check_static(const char *path, const uint8_t *at, size_t size, struct err *e)
{
	const Elf64_Ehdr *eh = (const void *)at;
	const Elf64_Phdr *ph;

	if (size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_phentsize != sizeof(*ph) ||
	    eh->e_phoff % 8 || eh->e_phoff > size ||
	    (size - eh->e_phoff) / sizeof(*ph) < eh->e_phnum)
		return err_set(e, ENOEXEC, "load '%s': not a 64-bit ELF program", path);
	ph = (const void *)(at + eh->e_phoff);
	for (unsigned int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_INTERP)
			return err_set(e, ENOEXEC, "load '%s': must be linked statically", path);
	return 0;
}

int ns_init_image(const char *path, struct err *e)
{
	auto_fd int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
	struct stat st;
	void *at;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(e, "load '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > IMAGE_MAX)
		return err_set(e, ENOEXEC, "load '%s': not a program", path);
	to = sealed(e);
	if (to < 0)
		return to;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, from, 0);
	if (at == MAP_FAILED)
		return err_sys(e, "load '%s'", path);
	r = check_static(path, at, (size_t)st.st_size, e);
	if (r == 0) {
		r = fd_write_all(to, at, (size_t)st.st_size);
		r = r < 0 ? err_ret(e, r, "load '%s'", path) : 0;
	}
	(void)munmap(at, (size_t)st.st_size);
	if (r < 0)
		return r;
	if (fchmod(to, 0555) < 0 ||
	    fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, "seal '%s'", path);
	return fd_take(&to);
}

/* --- start --- */

/* A socket of the workspace's network namespace: see ns_connect for why. */
static int open_listener(struct plan *p, struct err *e)
{
	char path[PATH_MAX];
	int home = -1, r;

	if (str_format(path, sizeof(path), "%s/init.sock", p->dir) < 0)
		return err_set(e, ENAMETOOLONG, "listen for '%s': path too long", p->rec->name);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s'", path);
	/* The name that is bound is what /proc/net/unix shows inside: no path of the host. */
	if (chdir(p->dir) < 0)
		return err_sys(e, "enter '%s'", p->dir);
	r = netns_visit(p->netns, &home, e);
	if (r == 0)
		r = msg_listen("init.sock", 0600, BACKLOG, e);
	netns_leave(&home);
	if (chdir("/") < 0)
		abort();
	return r;
}

static int identify(struct plan *p, pid_t pid, struct err *e)
{
	int r;

	/* Our own unreaped child: the number cannot have changed hands. */
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p->pidfd < 0)
		return err_sys(e, "open ws-init of '%s'", p->rec->name);
	r = proc_start_time(pid, &p->rec->init_start, e);
	if (r == 0)
		r = proc_ns_inode(pid, "mnt", &p->rec->ns_mnt, e);
	if (r < 0)
		return err_wrap(e, "start ws-init of '%s'", p->rec->name);
	p->rec->init_pid = (uint32_t)pid;
	return 0;
}

int ns_init_up(struct plan *p, struct err *e)
{
	pid_t pid = -1;
	int r;

	if (p->userns < 0 || p->netns < 0 || p->rootfd < 0 || p->initfd < 0)
		return err_set(e, EINVAL, "start ws-init of '%s': an earlier step is missing",
			       p->rec->name);
	r = limits_device_up(p, e);
	if (r == 0)
		r = open_listener(p, e);
	if (r < 0)
		return r;
	p->listenfd = r;
	r = ns_child_start(p, &pid, e);
	/* Both live on inside; a copy out here would keep the root mounted and the socket open after its end. */
	fd_close(&p->listenfd);
	fd_close(&p->rootfd);
	return r < 0 ? r : identify(p, pid, e);
}

int ns_ready_up(struct plan *p, struct err *e)
{
	unsigned int limit =
		p->settings->limits.start_timeout ? p->settings->limits.start_timeout : 30;
	auto_fd int sock = ns_talk_open(p, limit, e);
	int r = sock < 0 ? sock : ns_talk_setup(p, sock, limit, e);

	return r < 0 ? err_wrap(e, "set up '%s'", p->rec->name) : 0;
}

/* --- stop --- */

/* The living ws-init of this boot, or -1. */
static int find_init(const struct plan *p)
{
	char boot[37];
	struct err ignored;
	int fd;

	if (p->rec->init_pid == 0 || proc_boot_id(boot, &ignored) < 0 ||
	    strcmp(boot, p->rec->boot_id))
		return -1;
	fd = proc_open((pid_t)p->rec->init_pid, p->rec->init_start, &ignored);
	return fd < 0 ? -1 : fd;
}

static bool gone_within(int pidfd, unsigned int seconds)
{
	uint64_t end = clk_now_us() + (uint64_t)seconds * 1000000;

	for (;;) {
		struct pollfd f = { .fd = pidfd, .events = POLLIN };
		uint64_t now = clk_now_us();
		int n = poll(&f, 1, now >= end ? 0 : (int)((end - now + 999) / 1000));

		if (n > 0)
			return true;
		if (n == 0 && clk_now_us() >= end)
			return false;
	}
}

static bool stop_politely(struct plan *p)
{
	unsigned int limit = p->settings->limits.stop_timeout;
	struct err ignored;
	auto_fd int sock = -1;

	if (limit == 0)
		return false;
	sock = ns_talk_open(p, CONNECT_S, &ignored);
	if (sock < 0 || ns_talk_stop(sock, limit, &ignored) < 0)
		return false;
	return gone_within(p->pidfd, limit + GRACE_S);
}

/* Readable pidfd of PID 1: the kernel has reaped every process of the namespace before (pid_namespaces(7)). */
static int end_init(struct plan *p, struct err *e)
{
	siginfo_t si;

	if (!gone_within(p->pidfd, 0) && !stop_politely(p)) {
		(void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		if (!gone_within(p->pidfd, GONE_S))
			return err_set(
				e, ETIMEDOUT,
				"stop '%s': ws-init (pid %u) does not end, %u s after SIGKILL",
				p->rec->name, p->rec->init_pid, GONE_S);
	}
	/* Ours when this worker has started it; else provisiond's, who reaps it. */
	(void)waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOHANG);
	return 0;
}

int ns_init_down(struct plan *p, struct err *e)
{
	char path[PATH_MAX];
	int r = 0, r2;
	struct err second;

	if (p->pidfd < 0)
		p->pidfd = find_init(p);
	if (p->pidfd >= 0)
		r = end_init(p, e);
	/* What a killed worker started and nobody has recorded. */
	r2 = limits_kill(p, r < 0 ? &second : e);
	fd_close(&p->listenfd);
	if (str_format(path, sizeof(path), "%s/init.sock", p->dir) == 0)
		(void)unlink(path);
	if (r < 0 || r2 < 0)
		return r < 0 ? r : r2;
	fd_close(&p->pidfd);
	p->rec->init_pid = 0;
	p->rec->init_start = p->rec->ns_mnt = 0;
	return 0;
}
