/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shows a workspace what it is given.  Runs in the helper (stage) and in the process that becomes ws-init (the rest).
 * The host's own nodes are neither changed nor bound: chmod and chown inside reach the workspace's copies alone.
 */
#include "given_enter.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "given_left.h"
#include "rootfs_place.h"

#define SHOWN  (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define FOLDER "dev" /* in run/ws/NAME: mount point for a moment */
#define TEXTS  "driver"
#define COMPAT "/usr/local/cuda/compat"

/* --- on the host's side --- */

static int make_node(const struct plan *p, const char *path, const struct given_node *n,
		     struct err *e)
{
	if (n->uid >= p->rec->id_count || n->gid >= p->rec->id_count)
		return err_set(e, EINVAL, "give device '%s': owner %u:%u is outside of its ids",
			       n->path, n->uid, n->gid);
	if (mknod(path, (n->block ? S_IFBLK : S_IFCHR) | 0600, makedev(n->major, n->minor)) < 0)
		return err_sys(e, "make device '%s' (%u:%u) for the workspace", n->path, n->major,
			       n->minor);
	if (chown(path, (uid_t)p->rec->id_base + n->uid, (gid_t)p->rec->id_base + n->gid) < 0 ||
	    chmod(path, n->mode & 0666) < 0)
		return err_sys(e, "hand over device '%s'", n->path);
	return 0;
}

static int stage_nodes(const struct plan *p, const char *dir, struct given_sources *src,
		       struct err *e)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i < p->given->nnodes; i++) {
		int r;

		if (str_format(path, sizeof(path), "%s/%u", dir, i) < 0)
			return err_set(e, ENAMETOOLONG, "give devices: path too long");
		r = make_node(p, path, &p->given->nodes[i], e);
		if (r == 0)
			r = rootfs_place_source(path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e);
		if (r < 0)
			return r;
		src->node[i] = r;
	}
	return 0;
}

static int write_text(const char *dir, const struct given_text *t, struct err *e)
{
	struct path_content c = { .buf = t->text, .len = strlen(t->text), .mode = 0444 };
	char path[PATH_MAX], *slash;
	int r;

	if (str_format(path, sizeof(path), "%s/" TEXTS "/%s", dir, t->path) < 0)
		return err_set(e, ENAMETOOLONG, "give text '%s': path too long", t->path);
	slash = strrchr(path, '/');
	*slash = '\0';
	r = path_mkdirs(path, 0755, e);
	*slash = '/';
	return r < 0 ? r : path_write_atomic(AT_FDCWD, path, &c, e);
}

static int stage_texts(const struct plan *p, const char *dir, struct given_sources *src,
		       struct err *e)
{
	char path[PATH_MAX];
	int r = 0;

	for (unsigned int i = 0; i < p->given->ntexts && r == 0; i++)
		r = write_text(dir, &p->given->texts[i], e);
	if (r < 0 || p->given->ntexts == 0)
		return r;
	if (str_format(path, sizeof(path), "%s/" TEXTS, dir) < 0)
		return err_set(e, ENAMETOOLONG, "give texts: path too long");
	r = rootfs_place_source(path, SHOWN | MOUNT_ATTR_NOEXEC, e);
	src->texts = r;
	return r < 0 ? r : 0;
}

static int stage_mounts(const struct plan *p, struct given_sources *src, struct err *e)
{
	for (unsigned int i = 0; i < p->given->nmounts; i++) {
		src->mount[i] = rootfs_place_tree(p->given->mounts[i].host, SHOWN, e);
		if (src->mount[i] == -ENOENT)
			return err_set(
				e, ENOENT,
				"open '%s' for the workspace: there is no such file (after a "
				"driver upgrade the CDI specification must be made anew)",
				p->given->mounts[i].host);
		if (src->mount[i] < 0)
			return src->mount[i];
	}
	return 0;
}

int given_enter_stage(struct plan *p, struct given_sources *src, struct err *e)
{
	char dir[PATH_MAX];
	int r;

	memset(src, 0xff, sizeof(*src));
	r = given_left_note(p, &src->old, e);
	if (r < 0 || !p->given)
		return r;
	if (str_format(dir, sizeof(dir), "%s/" FOLDER, p->dir) < 0)
		return err_set(e, ENAMETOOLONG, "give devices to '%s': path too long",
			       p->rec->name);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make '%s'", dir);
	if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=1m,nr_inodes=512") <
	    0)
		return err_sys(e, "mount '%s'", dir);
	r = stage_nodes(p, dir, src, e);
	if (r == 0)
		r = stage_texts(p, dir, src, e);
	if (r == 0)
		r = stage_mounts(p, src, e);
	/* The clones keep it alive; by its path nobody needs it. */
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	return r;
}

void given_enter_clean(const char *dir)
{
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s/" FOLDER, dir) == 0)
		(void)rmdir(path);
}

/* --- inside --- */

int given_enter_nodes(struct plan *p, struct given_sources *src, int dev, struct err *e)
{
	for (unsigned int i = 0; p->given && i < p->given->nnodes; i++) {
		const char *path = p->given->nodes[i].path, *base;
		auto_fd int dir = rootfs_place_parent(dev, path + strlen("/dev"), &base, e),
			    at = -1;
		int r;

		if (dir < 0)
			return dir;
		at = openat(dir, base, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (at < 0)
			return err_sys(e, "make '%s'", path);
		r = rootfs_place_attach(src->node[i], at, path, e);
		fd_close(&src->node[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int place_mount(const struct plan *p, int *source, const char *path, struct err *e)
{
	const char *base;
	auto_fd int dir = rootfs_place_parent(p->rootfd, path, &base, e), at = -1;
	struct stat st;
	int r;

	if (dir < 0)
		return dir;
	if (fstat(*source, &st) < 0)
		return err_sys(e, "look at '%s'", path);
	at = S_ISDIR(st.st_mode) ? rootfs_place_dir(dir, base, 0755, e)
				 : rootfs_place_file(dir, base, e);
	r = at < 0 ? at : rootfs_place_attach(*source, at, path, e);
	fd_close(source);
	return r;
}

static int place_link(const struct plan *p, const struct given_link *l, struct err *e)
{
	const char *base;
	auto_fd int dir = rootfs_place_parent(p->rootfd, l->path, &base, e);
	char there[GIVEN_PATH_MAX];
	ssize_t n;

	if (dir < 0)
		return dir;
	for (int try = 0; try < 3; try++) {
		if (symlinkat(l->target, dir, base) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "make link '%s' in the workspace", l->path);
		n = readlinkat(dir, base, there, sizeof(there));
		if (n == (ssize_t)strlen(l->target) && memcmp(there, l->target, (size_t)n) == 0)
			return 0;
		if (rootfs_place_aside(dir, base, e) < 0)
			return -e->code;
	}
	return err_set(e, EAGAIN, "make link '%s' in the workspace: it does not stay", l->path);
}

/* Has the image, or the tenant, libraries of CUDA's compatibility package, newer than the host's driver? */
static bool wants_compat(const struct plan *p)
{
	unsigned long driver = strtoul(p->given->compat, NULL, 10);
	struct err ignored;
	auto_dir DIR *d = NULL;
	int fd = driver ? path_open_in_root(p->rootfd, COMPAT + 1, O_RDONLY | O_DIRECTORY, 0,
					    &ignored)
			: -1;

	if (fd < 0)
		return false;
	d = fdopendir(fd);
	if (!d)
		fd_close(&fd);
	for (const struct dirent *entry; d && (entry = readdir(d));) {
		static const char prefix[] = "libcuda.so.";
		const char *version = entry->d_name + sizeof(prefix) - 1;
		char *end;

		/* libcuda.so.1 is a link to one like libcuda.so.550.54.14. */
		if (!strncmp(entry->d_name, prefix, sizeof(prefix) - 1) &&
		    strtoul(version, &end, 10) > driver && *end == '.')
			return true;
	}
	return false;
}

/* /run/sshbay is on a tmpfs that is seconds old: only we have written there. */
static int write_ours(const struct plan *p, struct err *e)
{
	char text[(GIVEN_FOLDERS_MAX + 1) * (GIVEN_PATH_MAX + 1)];
	const struct given *g = p->given;
	struct path_content env = { g->env, g->nenv, 0644, false };
	struct path_content ld = { text, 0, 0644, false };
	auto_fd int run = -1, own = -1;
	int r = 0;

	run = path_open_in_root(p->rootfd, "run", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS, e);
	own = run < 0 ? run : rootfs_place_dir(run, "sshbay", 0755, e);
	if (own < 0)
		return own;
	if (wants_compat(p))
		ld.len = (size_t)snprintf(text, sizeof(text), COMPAT "\n");
	for (unsigned int i = 0; i < g->nfolders; i++) {
		(void)str_format(text + ld.len, sizeof(text) - ld.len, "%s\n", g->folders[i]);
		ld.len += strlen(text + ld.len);
	}
	if (g->nenv)
		r = path_write_atomic(own, "env", &env, e);
	if (r == 0 && ld.len)
		r = path_write_atomic(own, "ld.so.conf", &ld, e);
	return r;
}

int given_enter_files(struct plan *p, struct given_sources *src, struct err *e)
{
	const struct given *g = p->given;
	auto_fd int at = -1;
	struct err ignored;
	int r = 0;

	given_left_remove(p, src->old);
	free(src->old);
	src->old = NULL;
	if (!g)
		return 0;
	for (unsigned int i = 0; i < g->nmounts && r == 0; i++)
		r = place_mount(p, &src->mount[i], g->mounts[i].path, e);
	for (unsigned int i = 0; i < g->nlinks && r == 0; i++)
		r = place_link(p, &g->links[i], e);
	if (r == 0)
		r = write_ours(p, e);
	if (r < 0 || src->texts < 0)
		return r;
	/* A host whose driver has no such folder has nothing there to hide either. */
	at = path_open_in_root(p->rootfd, "proc/driver/nvidia", O_PATH | O_DIRECTORY,
			       RESOLVE_NO_SYMLINKS, &ignored);
	if (at >= 0)
		r = rootfs_place_attach(src->texts, at, "/proc/driver/nvidia", e);
	fd_close(&src->texts);
	return r;
}
