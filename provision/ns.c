/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The user and network namespaces of a workspace: made by a helper that shares our memory and only waits, mapped by
 * root, and pinned by bind mounts, so that they and a NIC inside outlive every process.  Runs in workers; ns_connect
 * also in provisiond.
 */
#include "ns.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "netns.h"
#include "ns_child.h"
#include "proto/msg.h"

#define HOLDER_STACK (64 * 1024)
#define STACKED_MAX  64 /* mounts over one another that an unpin takes away */

/* The helper whose namespaces these are, until they are pinned. */
struct holder {
	char *stacks; /* its own, then that of the process which makes it */
	pid_t worker, pid;
	uid_t owner;
	const struct spec *spec; /* whose limits the namespace is made with */
	int pidfd, code;
};

/* --- the private mount point of the pins --- */

static int make_private(const char *dir)
{
	struct mount_attr a = { .propagation = MS_PRIVATE };

	return mount_setattr(AT_FDCWD, dir, 0, &a, sizeof(a)) < 0 ? -errno : 0;
}

/* Would a mount made in `dir` propagate? Reads mountinfo (proc(5)): optional fields stand before " - ". */
static int propagates(const char *dir, bool *out, struct err *e)
{
	auto_file FILE *f = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	struct statx sx;
	size_t cap = 0;

	*out = false;
	if (!f || statx(AT_FDCWD, dir, 0, STATX_MNT_ID, &sx) < 0)
		return err_sys(e, "find the mount of '%s'", dir);
	while (getline(&line, &cap, f) > 0) {
		char *end = strstr(line, " - ");

		if (strtoull(line, NULL, 10) != sx.stx_mnt_id || !end)
			continue;
		*end = '\0';
		*out = strstr(line, " shared:") != NULL;
		return 0;
	}
	return 0;
}

/* Pins that propagate would hold a namespace in every other mount namespace of the host. */
static int private_place(const struct plan *p, struct err *e)
{
	char dir[PATH_MAX];
	auto_fd int fd = -1;
	bool shared;
	int r;

	if (str_format(dir, sizeof(dir), "%s/ws", p->settings->storage.run) < 0)
		return err_set(e, ENAMETOOLONG, "make '%s/ws' private: path too long",
			       p->settings->storage.run);
	/* EINVAL: not a mount point. Anything else: it is one, and it is private now. */
	if (make_private(dir) == 0)
		return 0;
	r = propagates(dir, &shared, e);
	if (r < 0 || !shared)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(e, "lock '%s'", dir);
	if (make_private(dir) == 0)
		return 0;
	if (mount(dir, dir, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "bind '%s' on itself", dir);
	r = make_private(dir);
	return r < 0 ? err_ret(e, r, "make '%s' private", dir) : 0;
}

int ns_host_down(const struct settings *s, struct err *e)
{
	char dir[PATH_MAX];
	struct statx sx;

	if (str_format(dir, sizeof(dir), "%s/ws", s->storage.run) < 0)
		return err_set(e, ENAMETOOLONG, "unmount '%s/ws': path too long", s->storage.run);
	if (statx(AT_FDCWD, dir, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &sx) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "unmount '%s'", dir);
	if (!(sx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return 0;
	return umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? err_sys(e, "unmount '%s'", dir) : 0;
}

/* --- pins --- */

static int pin_path(const struct plan *p, const char *kind, char *buf, struct err *e)
{
	return str_format(buf, PATH_MAX, "%s/%s", p->dir, kind) < 0
		       ? err_set(e, ENAMETOOLONG, "pin '%s' of '%s': path too long", kind,
				 p->rec->name)
		       : 0;
}

/* Open a pinned namespace of the given type. fd, or -ENOENT when there is none. */
static int open_pin(const char *path, int type, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != type)
		return err_set(e, ENOENT, "open '%s': no namespace is pinned there", path);
	return fd_take(&fd);
}

/* The network namespace must belong to the user namespace: else the tenant's root would have no power in it. */
static bool belongs(int netns, int userns)
{
	auto_fd int owner = ioctl(netns, NS_GET_USERNS);
	struct stat a, b;

	return owner >= 0 && fstat(owner, &a) == 0 && fstat(userns, &b) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static bool reopen(struct plan *p)
{
	char path[PATH_MAX];
	struct err ignored;

	fd_close(&p->userns);
	fd_close(&p->netns);
	if (pin_path(p, "user", path, &ignored) == 0)
		p->userns = open_pin(path, CLONE_NEWUSER, &ignored);
	if (pin_path(p, "net", path, &ignored) == 0)
		p->netns = open_pin(path, CLONE_NEWNET, &ignored);
	if (p->userns >= 0 && p->netns >= 0 && belongs(p->netns, p->userns))
		return true;
	p->userns = p->userns < 0 ? -1 : p->userns;
	p->netns = p->netns < 0 ? -1 : p->netns;
	return false;
}

static int pin(const struct plan *p, const char *kind, int nsfd, struct err *e)
{
	char path[PATH_MAX], from[32];
	auto_fd int fd = -1;
	int r = pin_path(p, kind, path, e);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create '%s'", path);
	(void)str_format(from, sizeof(from), "/proc/self/fd/%d", nsfd);
	return mount(from, path, NULL, MS_BIND, NULL) < 0 ? err_sys(e, "pin '%s'", path) : 0;
}

static int unpin(const struct plan *p, const char *kind, struct err *e)
{
	char path[PATH_MAX];
	int r = pin_path(p, kind, path, e);

	for (int i = 0; r == 0 && i < STACKED_MAX; i++) {
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno != EINVAL && errno != ENOENT)
			return err_sys(e, "unpin '%s'", path);
		return unlink(path) < 0 && errno != ENOENT ? err_sys(e, "remove '%s'", path) : 0;
	}
	return r < 0 ? r : err_set(e, EBUSY, "unpin '%s': mounts do not end", path);
}

/* --- making them --- */

static int hold(void *arg)
{
	pid_t worker = *(const pid_t *)arg;

	/* The worker may have been killed before the request was made: then nobody will ever end this. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == worker)
		(void)pause();
	return 0;
}

/*
 * Whoever makes a user namespace pays, in the one above it, for all that is counted per user: inotify instances, network
 * namespaces, queued signals, locked memory.  Made by root, all workspaces would share root's account, and one of them
 * could empty it for the rest and for the host.  So the maker is the workspace's own first id, for this one call; the
 * helper is the worker's child (CLONE_PARENT).
 */
static int make_holder(void *arg)
{
	struct holder *h = arg;

	ns_child_memlock(h->spec);
	/* The system call: glibc's function would change every thread, and the memory is the worker's. */
	if (syscall(SYS_setresuid, -1, h->owner, -1) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0) {
		h->code = errno;
		_exit(0);
	}
	h->pid = clone(hold, h->stacks + HOLDER_STACK,
		       CLONE_VM | CLONE_NEWUSER | CLONE_NEWNET | CLONE_PIDFD | CLONE_PARENT |
			       SIGCHLD,
		       &h->worker, &h->pidfd);
	h->code = h->pid < 0 ? errno : 0;
	_exit(0);
}

static int holder_start(struct holder *h, struct err *e)
{
	pid_t maker;

	h->stacks = mmap(NULL, 2 * HOLDER_STACK, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (h->stacks == MAP_FAILED) {
		h->stacks = NULL;
		return err_sys(e, "start the namespace helper");
	}
	h->worker = getpid();
	h->code = ECHILD; /* what it is if the maker is killed */
	/* CLONE_VM: a fork would copy the page tables of provisiond only to wait and die. CLONE_FILES: for the pidfd. */
	maker = clone(make_holder, h->stacks + 2 * HOLDER_STACK,
		      CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, h);
	if (maker < 0)
		return err_sys(e, "start the namespace helper");
	while (waitpid(maker, NULL, 0) < 0 && errno == EINTR)
		;
	if (h->code == ENOSPC || h->code == EUSERS)
		return err_set(
			e, h->code,
			"make namespaces: %s (user.max_user_namespaces, user.max_net_namespaces)",
			strerror(h->code));
	return h->code ? err_set(e, h->code, "make user and network namespaces: %s",
				 strerror(h->code))
		       : 0;
}

static void holder_end(struct holder *h)
{
	siginfo_t si;

	if (h->pid > 0) {
		(void)syscall(SYS_pidfd_send_signal, h->pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PID, (id_t)h->pid, &si, WEXITED) < 0 && errno == EINTR)
			;
		fd_close(&h->pidfd);
	}
	if (h->stacks)
		(void)munmap(h->stacks, 2 * HOLDER_STACK);
}

static int write_map(pid_t pid, const char *kind, const struct record *r, struct err *e)
{
	char path[64], map[64];

	(void)str_format(path, sizeof(path), "/proc/%d/%s", (int)pid, kind);
	(void)str_format(map, sizeof(map), "0 %llu %u\n", (unsigned long long)r->id_base,
			 r->id_count);
	return path_write_sys(path, map, e);
}

static int open_ns(pid_t pid, const char *kind, struct err *e)
{
	char path[64];
	int fd;

	(void)str_format(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open '%s'", path) : fd;
}

static int take_from(struct plan *p, const struct holder *h, struct err *e)
{
	int r = write_map(h->pid, "uid_map", p->rec, e);

	if (r == 0)
		r = write_map(h->pid, "gid_map", p->rec, e);
	if (r < 0)
		return r;
	r = open_ns(h->pid, "user", e);
	if (r < 0)
		return r;
	p->userns = r;
	r = open_ns(h->pid, "net", e);
	if (r < 0)
		return r;
	p->netns = r;
	/* net last: a pair is complete when it is there. */
	r = pin(p, "user", p->userns, e);
	return r < 0 ? r : pin(p, "net", p->netns, e);
}

static int make(struct plan *p, struct err *e)
{
	struct holder h = {
		.pid = -1, .owner = (uid_t)p->rec->id_base, .spec = p->spec, .pidfd = -1
	};
	int r = unpin(p, "net", e);

	if (r == 0)
		r = unpin(p, "user", e);
	fd_close(&p->userns);
	fd_close(&p->netns);
	if (r == 0)
		r = holder_start(&h, e);
	if (r == 0)
		r = take_from(p, &h, e);
	holder_end(&h);
	return r;
}

int ns_up(struct plan *p, struct err *e)
{
	struct stat user, net;
	int r = path_mkdirs(p->dir, 0700, e);

	if (r == 0)
		r = private_place(p, e);
	if (r < 0)
		return err_wrap(e, "make namespaces of '%s'", p->rec->name);
	if (p->rec->id_base < 65536 || p->rec->id_count == 0 ||
	    p->rec->id_base + p->rec->id_count > UINT32_MAX)
		return err_set(e, ERANGE, "make namespaces of '%s': id range %llu+%u is not usable",
			       p->rec->name, (unsigned long long)p->rec->id_base, p->rec->id_count);
	if (!reopen(p))
		r = make(p, e);
	if (r < 0)
		return err_wrap(e, "make namespaces of '%s'", p->rec->name);
	if (fstat(p->userns, &user) < 0 || fstat(p->netns, &net) < 0)
		return err_sys(e, "make namespaces of '%s'", p->rec->name);
	p->rec->ns_user = user.st_ino;
	p->rec->ns_net = net.st_ino;
	return proc_boot_id(p->rec->boot_id, e);
}

/* What path_write_atomic leaves when its process is killed: the directory is to go. */
static void remove_unfinished(const struct plan *p)
{
	auto_dir DIR *d = opendir(p->dir);

	for (const struct dirent *entry; d && (entry = readdir(d));) {
		size_t n = strlen(entry->d_name);

		if (entry->d_name[0] == '.' && n > 5 && !strcmp(entry->d_name + n - 4, ".new"))
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	}
}

int ns_down(struct plan *p, struct err *e)
{
	static const char *const files[] = { "init.sock", "hosts" };
	char path[PATH_MAX];
	struct err second;
	int r = unpin(p, "net", e), r2 = unpin(p, "user", r < 0 ? &second : e);

	fd_close(&p->userns);
	fd_close(&p->netns);
	p->rec->ns_user = p->rec->ns_net = 0;
	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (pin_path(p, files[i], path, &second) == 0)
			(void)unlink(path);
	remove_unfinished(p);
	/* Stays while `limits` keeps its list there; that step removes it then. */
	(void)rmdir(p->dir);
	return r < 0 ? r : r2;
}

int ns_connect(const struct settings *s, const char *name, struct err *e)
{
	auto_fd int there = -1, sock = -1;
	int home = -1, ret;
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s/ws/%s/net", s->storage.run, name) < 0)
		return err_set(e, ENAMETOOLONG, "connect to ws-init of '%s': path too long", name);
	there = open_pin(path, CLONE_NEWNET, e);
	if (there < 0)
		return err_wrap(e, "connect to ws-init of '%s'", name);
	(void)str_format(path, sizeof(path), "%s/ws/%s/init.sock", s->storage.run, name);
	ret = netns_visit(there, &home, e);
	if (ret)
		return err_wrap(e, "connect to ws-init of '%s'", name);
	sock = msg_connect(path, e);
	netns_leave(&home);
	return sock < 0 ? err_wrap(e, "connect to ws-init of '%s'", name) : fd_take(&sock);
}
