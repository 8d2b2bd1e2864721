/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the host's mount namespace into the workspace's root.  Runs in the helper and in the process that becomes
 * ws-init.  The upper may hold anything a tenant could make there: every name on it goes through openat2, and nothing
 * of the host is reachable by the time tenant code runs.
 */
#include "rootfs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "devices.h"
#include "rootfs_mask.h"
#include "rootfs_place.h"

#define SHM  "mode=1777,nr_inodes=65536"
#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* A filesystem to mount: the mount point is `name` in an opened directory. Options "key=value,flag". */
struct fresh {
	const char *type, *name, *options;
	uint64_t attrs;
};

/* --- 1. on the host's side --- */

static int open_device(const struct devices_node *n, struct err *e)
{
	char path[64];
	auto_fd int fd = -1;
	struct stat st;

	(void)str_format(path, sizeof(path), "/dev/%s", n->name);
	fd = rootfs_place_source(path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(n->major, n->minor))
		return err_set(e, ENODEV, "open '%s' for the workspace: not device %u:%u", path,
			       n->major, n->minor);
	return fd_take(&fd);
}

static int open_hosts(const struct plan *p, struct err *e)
{
	char path[PATH_MAX];
	int fd;

	if (str_format(path, sizeof(path), "%s/hosts",
		       p->settings->network.isolate ? p->dir : p->settings->storage.run) < 0)
		return err_set(e, ENAMETOOLONG, "open the hosts file: path too long");
	fd = rootfs_place_source(path, MOUNT_ATTR_RDONLY | SAFE, e);
	return fd == -ENOENT ? -1 : fd;
}

static int open_bundle(struct err *e)
{
	int fd = rootfs_place_source(rootfs_bundle_path,
				     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, e);

	return fd == -ENOENT ? -1 : fd;
}

int rootfs_gather(struct plan *p, struct rootfs_sources *src, struct err *e)
{
	int r;

	memset(src, 0xff, sizeof(*src));
	r = given_enter_stage(p, &src->given, e);
	for (unsigned int k = 0; k < HUGEPAGES_KINDS && r >= 0; k++)
		if (*hugepages_promised(p->rec, k))
			r = src->huge[k] = hugepages_mount(p, k, e);
	return r < 0 ? r : 0;
}

int rootfs_stage(struct plan *p, struct rootfs_sources *src, struct err *e)
{
	int r;

	for (unsigned int i = 0; i < ROOTFS_DEVICES_MAX && devices_nodes[i].name; i++) {
		if (devices_nodes[i].nesting && !p->spec->nesting)
			continue;
		r = open_device(&devices_nodes[i], e);
		if (r < 0 && devices_nodes[i].needed)
			return r;
		src->dev[i] = r < 0 ? -1 : r;
	}
	src->hosts = open_hosts(p, e);
	if (src->hosts < -1)
		return src->hosts;
	src->bundle = open_bundle(e);
	if (src->bundle < -1)
		return src->bundle;
	if (move_mount(p->rootfd, "", AT_FDCWD, p->dir, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "attach the root of '%s'", p->rec->name);
	return 0;
}

/* --- 2. in between --- */

int rootfs_claim(struct plan *p, struct err *e)
{
	auto_fd int fd = open_tree(AT_FDCWD, p->dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open the root of '%s'", p->rec->name);
	if (move_mount(fd, "", AT_FDCWD, p->dir, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "attach the root of '%s' inside", p->rec->name);
	fd_close(&p->rootfd);
	p->rootfd = fd_take(&fd);
	return 0;
}

/* --- 3. as the workspace's root --- */

/* A new mount of f->type, not attached. fd. */
static int new_mount(const struct fresh *f, struct err *e)
{
	auto_fd int fs = fsopen(f->type, FSOPEN_CLOEXEC), mnt = -1;
	char options[160], *save = NULL;

	if (fs < 0)
		return err_sys(e, "open filesystem '%s'", f->type);
	/* What df(1) and mount(8) show. */
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", f->type, 0);
	(void)str_copy(options, sizeof(options), f->options ? f->options : "");
	for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		char *value = strchr(o, '=');
		int r;

		if (value)
			*value++ = '\0';
		r = fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, o, value, 0);
		if (r < 0)
			return err_sys(e, "set '%s' of %s", o, f->type);
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "create %s", f->type);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)f->attrs);
	return mnt < 0 ? err_sys(e, "mount %s", f->type) : fd_take(&mnt);
}

/* Mount it on `name` of `dirfd`. O_PATH-like fd of the new mount's root. */
static int mount_at(int dirfd, const struct fresh *f, struct err *e)
{
	auto_fd int at = rootfs_place_dir(dirfd, f->name, 0755, e), mnt = -1;

	if (at < 0)
		return at;
	mnt = new_mount(f, e);
	if (mnt < 0 || rootfs_place_attach(mnt, at, f->name, e) < 0)
		return err_wrap(e, "prepare '/%s'", f->name);
	return fd_take(&mnt);
}

static int mount_kernel(const struct plan *p, struct err *e)
{
	static const struct fresh proc = { "proc", "proc", NULL, SAFE };
	static const struct fresh sys = { "sysfs", "sys", NULL, SAFE | MOUNT_ATTR_RDONLY };
	static const struct fresh groups = { "cgroup2", "", NULL, SAFE };
	auto_fd int procfd = mount_at(p->rootfd, &proc, e), sysfd = -1, at = -1, mnt = -1;
	struct err ignored;

	if (procfd < 0)
		return procfd;
	sysfd = mount_at(p->rootfd, &sys, e);
	if (sysfd < 0)
		return sysfd;
	/* A host without v2 groups has none to show; v1 is never shown. */
	at = path_open_in_root(sysfd, "fs/cgroup", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS,
			       &ignored);
	if (at < 0)
		return 0;
	mnt = new_mount(&groups, &ignored);
	return mnt < 0 ? 0 : rootfs_place_attach(mnt, at, "/sys/fs/cgroup", e);
}

static int place_device(int dev, const char *name, int source, struct err *e)
{
	const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	auto_fd int sub = -1, at = -1;
	char dir[32];

	if (base != name) {
		(void)str_format(dir, sizeof(dir), "%.*s", (int)(base - name - 1), name);
		sub = rootfs_place_dir(dev, dir, 0755, e);
		if (sub < 0)
			return sub;
	}
	at = openat(sub < 0 ? dev : sub, base, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0666);
	if (at < 0)
		return err_sys(e, "make '/dev/%s'", name);
	return rootfs_place_attach(source, at, name, e);
}

static int fill_dev(int dev, struct rootfs_sources *src, struct err *e)
{
	static const char *const links[][2] = {
		{ "pts/ptmx", "ptmx" },          { "/proc/self/fd", "fd" },
		{ "/proc/self/fd/0", "stdin" },  { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" },
	};
	int r = 0;

	for (unsigned int i = 0; devices_nodes[i].name && r == 0; i++) {
		if (src->dev[i] < 0)
			continue;
		r = place_device(dev, devices_nodes[i].name, src->dev[i], e);
		fd_close(&src->dev[i]);
	}
	for (unsigned int i = 0; i < sizeof(links) / sizeof(links[0]) && r == 0; i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			r = err_sys(e, "make '/dev/%s'", links[i][1]);
	return r;
}

static int place_hugepages(int dev, struct rootfs_sources *src, struct err *e)
{
	for (unsigned int k = 0; k < HUGEPAGES_KINDS; k++) {
		auto_fd int at = -1;
		int r;

		if (src->huge[k] < 0)
			continue;
		at = rootfs_place_dir(dev, hugepages_kinds[k].folder, 0755, e);
		r = at < 0 ? at
			   : rootfs_place_attach(src->huge[k], at, hugepages_kinds[k].folder, e);
		fd_close(&src->huge[k]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int mount_dev(struct plan *p, struct rootfs_sources *src, struct err *e)
{
	static const struct fresh tmp = { "tmpfs", "dev", "mode=755,size=64k,nr_inodes=1024",
					  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	static const struct fresh pts = { "devpts", "pts",
					  "newinstance,ptmxmode=0666,mode=0620,gid=5,max=256",
					  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	static const struct fresh queue = { "mqueue", "mqueue", NULL, SAFE };
	struct fresh shm = { "tmpfs", "shm", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	auto_fd int dev = mount_at(p->rootfd, &tmp, e), fd = -1;
	char options[64];
	int r;

	if (dev < 0)
		return dev;
	r = fill_dev(dev, src, e);
	if (r == 0)
		r = given_enter_nodes(p, &src->given, dev, e);
	if (r == 0)
		r = place_hugepages(dev, src, e);
	if (r < 0)
		return r;
	fd = mount_at(dev, &pts, e);
	if (fd < 0)
		return fd;
	fd_close(&fd);
	fd = mount_at(dev, &queue, e);
	if (fd < 0)
		return fd;
	fd_close(&fd);
	/* Its pages count against the workspace's memory; half of that is what Linux gives by default. */
	if (p->spec->memory == SETTINGS_UNLIMITED)
		(void)str_copy(options, sizeof(options), SHM);
	else
		(void)str_format(options, sizeof(options), SHM ",size=%llu",
				 (unsigned long long)(p->spec->memory / 2));
	shm.options = options;
	fd = mount_at(dev, &shm, e);
	return fd < 0 ? fd : 0;
}

/* dirfd/name exists as a directory with exactly this mode. */
static int open_dir_mode(int dirfd, const char *name, mode_t mode, struct err *e)
{
	auto_fd int path = rootfs_place_dir(dirfd, name, mode, e), fd = -1;
	struct stat st;

	if (path < 0)
		return path;
	fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open '%s' in the workspace", name);
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return err_sys(e, "set the mode of '%s' in the workspace", name);
	return fd_take(&fd);
}

static int mount_run(const struct plan *p, const struct rootfs_sources *src, struct err *e)
{
	static const struct fresh tmp = { "tmpfs", "run", "mode=755,size=256m,nr_inodes=65536",
					  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	auto_fd int run = mount_at(p->rootfd, &tmp, e), lock = -1, own = -1, sftp = -1;

	if (run < 0)
		return run;
	lock = open_dir_mode(run, "lock", 01777, e);
	if (lock < 0)
		return lock;
	if (src->bundle < 0)
		return 0;
	own = rootfs_place_dir(run, "sshbay", 0755, e);
	if (own < 0)
		return own;
	sftp = rootfs_place_dir(own, "sftp", 0755, e);
	return sftp < 0 ? sftp : rootfs_place_attach(src->bundle, sftp, "/run/sshbay/sftp", e);
}

static int mount_files(const struct plan *p, const struct rootfs_sources *src, struct err *e)
{
	auto_fd int tmp = open_dir_mode(p->rootfd, "tmp", 01777, e), etc = -1, hosts = -1;

	if (tmp < 0)
		return tmp;
	if (src->hosts < 0)
		return 0;
	etc = rootfs_place_dir(p->rootfd, "etc", 0755, e);
	if (etc < 0)
		return etc;
	hosts = rootfs_place_file(etc, "hosts", e);
	return hosts < 0 ? hosts : rootfs_place_attach(src->hosts, hosts, "/etc/hosts", e);
}

/* pivot_root(2), NOTES: new and old root may be the same directory; the old root then lies on top and is taken off. */
static int change_root(const struct plan *p, struct err *e)
{
	if (fchdir(p->rootfd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, "enter the root of '%s'", p->rec->name);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "leave the host's root for '%s'", p->rec->name);
	return 0;
}

int rootfs_enter(struct plan *p, struct rootfs_sources *src, struct err *e)
{
	/* proc and sysfs first: the kernel grants them only while the host's are still visible. */
	int r = mount_kernel(p, e);

	if (r == 0)
		r = mount_dev(p, src, e);
	if (r == 0)
		r = mount_run(p, src, e);
	if (r == 0)
		r = mount_files(p, src, e);
	if (r == 0)
		r = rootfs_mask(p->rootfd, p, e);
	if (r == 0)
		r = given_enter_files(p, &src->given, e);
	if (r == 0)
		r = change_root(p, e);
	fd_close(&src->hosts);
	fd_close(&src->bundle);
	fd_close(&p->rootfd);
	return r < 0 ? err_wrap(e, "enter workspace '%s'", p->rec->name) : 0;
}
