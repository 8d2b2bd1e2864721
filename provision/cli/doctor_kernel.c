/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel can do, found out by doing it: namespaces in child processes, mounts that are never attached, an nft
 * ruleset in a network namespace of its own.  Nothing of it outlives the process.
 */
#include "doctor.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"

static void check_version(struct doctor *d)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	if (major > 5 || (major == 5 && minor >= 19))
		doctor_ok(d, "kernel", "%s %s", u.release, u.machine);
	else
		/* overlayfs takes id-mapped layers since 5.19. */
		doctor_fail(d, "kernel", "install a newer one", "%s is older than 5.19", u.release);
}

static void found(struct doctor *d, const char *call, bool there)
{
	if (there)
		doctor_ok(d, call, "works");
	else
		doctor_fail(d, call, "install a newer kernel", "%s", strerror(errno));
}

static void check_calls(struct doctor *d)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	auto_fd int opened = -1, pidfd = -1, memfd = -1, tree = -1;
	long abi;

	opened = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));
	found(d, "openat2", opened >= 0);
	pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	found(d, "pidfd", pidfd >= 0);
	memfd = memfd_create("doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	found(d, "memfd", memfd >= 0);
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	found(d, "open_tree", tree >= 0);
	found(d, "seccomp", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi > 0)
		doctor_ok(d, "landlock", "version %ld", abi);
	else
		doctor_warn(d, "landlock", "boot with lsm=landlock,...",
			    "%s: the gate's sandbox goes without", strerror(errno));
}

/* --- id-mapped mounts and overlayfs --------------------------------------------------------------------------------- */

/* fd of a user namespace that maps id 0 to id 100000, or -1. */
static int make_userns(void)
{
	static const char map[] = "0 100000 65536";
	char path[64];
	int ready[2], fd = -1;
	pid_t pid;
	unsigned char c;
	int failed;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		c = unshare(CLONE_NEWUSER) < 0 ? (unsigned char)errno : 0;
		(void)!write(ready[1], &c, 1);
		pause();
		_exit(0);
	}
	if (pid > 0 && read(ready[0], &c, 1) == 1 && c == 0) {
		snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
		(void)path_write_sys(path, map, NULL);
		snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
		(void)path_write_sys(path, map, NULL);
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} else if (pid > 0) {
		errno = c;
	}
	failed = errno;
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(ready[0]);
	close(ready[1]);
	errno = failed;
	return fd;
}

/* The nearest directory that exists. */
static void existing(const char *path, char *buf, size_t size)
{
	(void)str_copy(buf, size, path);
	while (access(buf, F_OK) < 0 && strrchr(buf, '/') > buf)
		*strrchr(buf, '/') = '\0';
	if (access(buf, F_OK) < 0)
		(void)str_copy(buf, size, "/");
}

static void check_idmap(struct doctor *d, int userns)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
				   .userns_fd = (uint64_t)userns };
	auto_fd int tree = -1;
	char dir[PATH_MAX];

	existing(d->s ? d->s->storage.images : "/var/lib", dir, sizeof(dir));
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree >= 0 &&
	    syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
		doctor_ok(d, "id-mapped mounts", "work on the file system of %s", dir);
	else
		doctor_fail(d, "id-mapped mounts", "put [storage] images on ext4, xfs or btrfs",
			    "%s: %s", dir, strerror(errno));
}

static void check_mounts(struct doctor *d)
{
	auto_fd int userns = make_userns(), overlay = -1;

	if (userns < 0) {
		doctor_fail(d, "user namespaces", "sysctl user.max_user_namespaces=65536", "%s",
			    strerror(errno));
	} else {
		doctor_ok(d, "user namespaces", "can be made");
		check_idmap(d, userns);
	}
	overlay = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (overlay >= 0)
		doctor_ok(d, "overlayfs", "is there");
	else
		doctor_fail(d, "overlayfs", "modprobe overlay", "%s", strerror(errno));
}

/* --- nft ------------------------------------------------------------------------------------------------------------ */

static const char *const nft_paths[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft" };

/* What net_nft.c uses: tproxy, fib, a route hook, and nat. */
static const char nft_probe[] =
	"table inet doctor {\n"
	"  chain pre { type filter hook prerouting priority mangle;\n"
	"    fib saddr . iif oif missing drop\n"
	"    ip daddr 10.0.0.0/8 tcp dport 22 tproxy ip to :61022 meta mark set 1 accept\n"
	"  }\n"
	"  chain out { type route hook output priority mangle; meta mark set 1\n  }\n"
	"  chain post { type nat hook postrouting priority srcnat; masquerade\n  }\n"
	"}\n";

/* In a child with a network namespace of its own. The reason for a failure comes back through `out`. */
static void try_nft(const char *nft, int out)
{
	const char *const argv[] = { nft, "-f", "-", NULL };
	struct err e = { 0 };

	if (unshare(CLONE_NEWNET) < 0)
		(void)err_sys(&e, "make a network namespace");
	else
		(void)proc_run(argv, nft_probe, &e);
	(void)!write(out, e.text, strlen(e.text));
	_exit(e.code ? 1 : 0);
}

static void check_nft(struct doctor *d)
{
	const char *nft = NULL;
	char reason[ERR_TEXT_MAX] = "";
	int out[2], status = -1;
	size_t i;
	pid_t pid;

	for (i = 0; i < 3 && !nft; i++)
		nft = access(nft_paths[i], X_OK) == 0 ? nft_paths[i] : NULL;
	if (!nft) {
		doctor_fail(d, "nft", "apt install nftables", "there is no nft program");
		return;
	}
	if (pipe2(out, O_CLOEXEC) < 0)
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		try_nft(nft, out[1]);
	close(out[1]);
	if (pid > 0 && read(out[0], reason, sizeof(reason) - 1) < 0)
		reason[0] = '\0';
	close(out[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		doctor_ok(d, "nft", "%s: tproxy, fib, route and nat work", nft);
	else
		doctor_fail(d, "nft", "modprobe nf_tables nft_tproxy nft_fib_inet nft_nat", "%s",
			    reason);
}

void doctor_kernel(struct doctor *d)
{
	check_version(d);
	check_calls(d);
	check_mounts(d);
	check_nft(d);
}

/* --- sysctls -------------------------------------------------------------------------------------------------------- */

struct sysctl {
	const char *name;
	uint64_t min, max;
	bool optional; /* this kernel need not have it */
	const char *remedy, *danger;
};

static const struct sysctl sysctls[] = {
	{ "fs/protected_symlinks", 1, 1, false, "sysctl fs.protected_symlinks=1",
	  "links in /tmp are followed" },
	{ "fs/protected_hardlinks", 1, 1, false, "sysctl fs.protected_hardlinks=1",
	  "links to foreign files" },
	{ "dev/tty/legacy_tiocsti", 0, 0, true, "sysctl dev.tty.legacy_tiocsti=0",
	  "input can be pushed into terminals" },
	{ "kernel/unprivileged_bpf_disabled", 1, 2, true,
	  "sysctl kernel.unprivileged_bpf_disabled=2", "every user may load bpf" },
	{ "kernel/io_uring_disabled", 1, 2, true, "sysctl kernel.io_uring_disabled=1",
	  "every user of the host may use io_uring; workspaces may not in any case" },
	{ "kernel/kptr_restrict", 1, 2, true, "sysctl kernel.kptr_restrict=1",
	  "kernel addresses are shown" },
	{ "kernel/perf_event_paranoid", 2, 4, true, "sysctl kernel.perf_event_paranoid=2",
	  "users may profile the kernel" },
	/* Two numbers that the kernel counts for the whole host: nothing else keeps one tenant from taking them all. */
	{ "kernel/pty/max", 65536, UINT32_MAX, false, "sysctl kernel.pty.max=1048576",
	  "one workspace can take all terminals" },
	{ "fs/aio-max-nr", 1048576, UINT32_MAX, true, "sysctl fs.aio-max-nr=1048576",
	  "one workspace can take all asynchronous i/o contexts" },
	{ "vm/memfd_noexec", 0, 1, true, "sysctl vm.memfd_noexec=0", "ws-init cannot be started" },
	{ "net/bridge/bridge-nf-call-iptables", 0, 0, true,
	  "sysctl net.bridge.bridge-nf-call-iptables=0",
	  "bridged packets go through the host's firewall" },
};

/* The value, or -errno. */
static int read_sysctl(const char *name, char *buf, size_t size)
{
	char path[128];
	size_t len;
	int ret;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	ret = path_read(AT_FDCWD, path, buf, size, &len, NULL);
	if (ret == 0)
		buf[strcspn(buf, "\n")] = '\0';
	return ret;
}

static void check_sysctl(struct doctor *d, const struct sysctl *c)
{
	char value[64], *dash;
	uint64_t v;

	if (read_sysctl(c->name, value, sizeof(value)) < 0) {
		if (!c->optional)
			doctor_warn(d, c->name, c->remedy, "cannot be read");
		return;
	}
	dash = value[0] == '-' ? value : NULL;
	if (!dash && num_u64(value, c->min, c->max, &v, NULL) == 0)
		doctor_ok(d, c->name, "%s", value);
	else
		doctor_warn(d, c->name, c->remedy, "is %s: %s", value, c->danger);
}

/* Each workspace needs one of these, and its tenants some more. */
static void check_ucount(struct doctor *d, const char *kind)
{
	uint64_t need = d->s ? d->s->storage.id_slots : 1, v;
	char name[64], value[64];

	snprintf(name, sizeof(name), "user/max_%s_namespaces", kind);
	if (read_sysctl(name, value, sizeof(value)) < 0 ||
	    num_u64(value, 0, UINT64_MAX, &v, NULL) < 0)
		doctor_warn(d, name, "is the kernel built with it?", "cannot be read");
	else if (v == 0)
		doctor_fail(d, name, "set it to 65536", "is 0: no workspace can start");
	else if (v < need)
		doctor_warn(d, name, "raise it, or lower [storage] id_slots",
			    "is %s, and %llu workspaces may exist", value,
			    (unsigned long long)need);
	else
		doctor_ok(d, name, "%s", value);
}

void doctor_sysctls(struct doctor *d)
{
	static const char *const kinds[] = { "user", "net", "mnt", "pid" };
	char pattern[256];
	size_t i;

	for (i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++)
		check_sysctl(d, &sysctls[i]);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		check_ucount(d, kinds[i]);
	if (read_sysctl("kernel/core_pattern", pattern, sizeof(pattern)) < 0)
		return;
	if (pattern[0] == '|')
		doctor_warn(d, "kernel/core_pattern", "sysctl kernel.core_pattern=core",
			    "'%s' runs on the host with what tenants' processes leave behind",
			    pattern);
	else
		doctor_ok(d, "kernel/core_pattern", "%s", pattern);
}
