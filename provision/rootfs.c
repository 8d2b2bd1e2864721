/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image and upper become one detached overlay mount.  Only the lower layer is id-mapped: what a tenant writes belongs to
 * its own ids on disk.  Runs in workers, as root on the host; looks at nothing below the upper's root directory.
 */
#include "rootfs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "disk.h"

#define IMAGE_MAX   128
#define STACKED_MAX 16
#define STORE_MODE  0700

const char *rootfs_bundle_path = SSHBAY_LIBEXEC "/sftp";

/* --- which image --- */

static bool plain_name(const char *s, size_t n)
{
	return n > 0 && n < IMAGE_MAX && s[0] != '.' && !memchr(s, '/', n);
}

/* The version that the workspace was made from, or the one that the image's name stands for today. */
static int choose_image(const struct plan *p, char name[IMAGE_MAX], struct err *e)
{
	const char *want = p->rec->image[0] ? p->rec->image : p->spec->image;
	char path[PATH_MAX];
	ssize_t n;

	if (str_format(path, sizeof(path), "%s/image", p->store) < 0)
		return err_set(e, ENAMETOOLONG, "mount image '%s': path too long", want);
	n = readlink(path, name, IMAGE_MAX);
	if (n < 0) {
		if (str_format(path, sizeof(path), "%s/%s", p->settings->storage.images, want) < 0)
			return err_set(e, ENAMETOOLONG, "mount image '%s': path too long", want);
		n = readlink(path, name, IMAGE_MAX);
	}
	if (n > 0 && n < IMAGE_MAX) {
		name[n] = '\0';
		if (plain_name(name, (size_t)n))
			return 0;
	}
	return str_copy(name, IMAGE_MAX, want) < 0 || !plain_name(want, strlen(want))
		       ? err_set(e, EINVAL, "mount image '%s': not an image name", want)
		       : 0;
}

/* A private, read-only, id-mapped clone of the image. */
static int open_lower(const struct plan *p, const char *image, struct err *e)
{
	struct mount_attr a = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_IDMAP,
		.propagation = MS_PRIVATE,
		.userns_fd = (uint64_t)p->userns,
	};
	auto_fd int fd = -1;
	char path[PATH_MAX];
	struct stat st;

	if (str_format(path, sizeof(path), "%s/%s/rootfs", p->settings->storage.images, image) < 0)
		return err_set(e, ENAMETOOLONG, "mount image '%s': path too long", image);
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, ENOENT,
			       "mount image '%s': no such image under %s (sshbay "
			       "image build)",
			       image, p->settings->storage.images);
	if (fd < 0)
		return err_sys(e, "mount image '%s'", image);
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "mount image '%s': '%s' is not a directory", image,
			       path);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return err_sys(
			e,
			"map the ids of image '%s' (the filesystem must support idmapped mounts)",
			image);
	return fd_take(&fd);
}

/* --- the store --- */

static int no_space(const struct plan *p, int r, const char *what, struct err *e)
{
	char have[32] = "?";
	struct statvfs vfs;

	if (r != -ENOSPC && r != -EDQUOT)
		return err_ret(e, r, "make '%s' of workspace '%s'", what, p->rec->name);
	if (statvfs(p->settings->storage.state, &vfs) == 0)
		(void)num_size_text((uint64_t)vfs.f_bavail * vfs.f_frsize / 4096 * 4096, have,
				    sizeof(have));
	return err_set(
		e, -r,
		"make '%s' of workspace '%s': no space left under %s (free: %s, %llu inodes)", what,
		p->rec->name, p->settings->storage.state, have, (unsigned long long)vfs.f_favail);
}

/* One directory of the store, made with its owner. fd. */
static int store_dir(const struct plan *p, int parent, const char *name, bool tenant, struct err *e)
{
	uid_t owner = tenant ? (uid_t)p->rec->id_base : 0;
	auto_fd int fd = -1;
	struct stat st;
	int r = fault_point("rootfs.mkdir");

	if (r == 0 && mkdirat(parent, name, STORE_MODE) < 0 && errno != EEXIST)
		r = -errno;
	if (r < 0)
		return no_space(p, r, name, e);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open '%s' of workspace '%s'", name, p->rec->name);
	if (st.st_uid == owner)
		return fd_take(&fd);
	/* Root's: a crash came between mkdir and chown. Another one's: not ours to take. */
	if (st.st_uid != 0)
		return err_set(e, EUCLEAN,
			       "open '%s' of workspace '%s': belongs to id %u, not %u (a store of "
			       "another id range?)",
			       name, p->rec->name, st.st_uid, owner);
	if (fchmod(fd, 0755) < 0 || fchown(fd, owner, owner) < 0)
		return no_space(p, -errno, name, e);
	return fd_take(&fd);
}

struct layers {
	int store, upper, work;
	struct disk disk; /* where upper and work are */
	bool fresh;
};

static void layers_close(struct layers *l)
{
	fd_close(&l->store);
	fd_close(&l->upper);
	fd_close(&l->work);
	fd_close(&l->disk.base);
	fd_close(&l->disk.mount);
}

static int open_store(const struct plan *p, struct layers *l, struct err *e)
{
	char parent[PATH_MAX];
	auto_fd int fd = -1;
	int r;

	if (str_format(parent, sizeof(parent), "%s/workspaces", p->settings->storage.state) < 0)
		return err_set(e, ENAMETOOLONG, "make the store of '%s': path too long",
			       p->rec->name);
	r = path_mkdirs(parent, STORE_MODE, e);
	if (r < 0)
		return r == -ENOSPC ? no_space(p, r, "store", e) : r;
	fd = path_open_dir(parent, e);
	if (fd < 0)
		return fd;
	l->fresh = faccessat(fd, p->rec->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
	l->store = store_dir(p, fd, p->rec->name, false, e);
	return l->store < 0 ? l->store : 0;
}

static int open_layers(struct plan *p, struct layers *l, struct err *e)
{
	int r = open_store(p, l, e);

	if (r == 0)
		r = disk_open(p, l->store, &l->disk, e);
	if (r < 0)
		return r;
	l->upper = store_dir(p, l->disk.base, "upper", true, e);
	l->work = l->upper < 0 ? l->upper : store_dir(p, l->disk.base, "work", false, e);
	return l->work < 0 ? l->work : disk_limit(p, &l->disk, l->upper, l->work, e);
}

/* What this very start made goes again: nothing is left of a refusal. */
static void drop_store(const struct plan *p)
{
	char parent[PATH_MAX];
	struct err ignored;
	auto_fd int fd = -1;

	if (str_format(parent, sizeof(parent), "%s/workspaces", p->settings->storage.state) < 0)
		return;
	fd = path_open_dir(parent, &ignored);
	if (fd >= 0)
		(void)path_remove_tree(fd, p->rec->name, &ignored);
}

static int remember_image(const struct plan *p, const struct layers *l, const char *image,
			  struct err *e)
{
	if (symlinkat(image, l->store, "image") == 0 || errno == EEXIST)
		return 0;
	return no_space(p, -errno, "image", e);
}

/* One that was removed after open_lower and before the link that says who uses it (image.h). */
static int still_there(const struct plan *p, const char *image, struct err *e)
{
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s/%s", p->settings->storage.images, image) == 0 &&
	    access(path, F_OK) == 0)
		return 0;
	return err_set(e, ENOENT, "mount image '%s': it was removed a moment ago", image);
}

/* --- the overlay --- */

/* Below run/ws/NAME: where the layers' mounts are attached while the overlay is made. */
static const char *const attached[] = { "lower", "files" };
#define ATTACHED (sizeof(attached) / sizeof(attached[0]))

static int attached_path(const struct plan *p, unsigned int i, char *buf, struct err *e)
{
	return str_format(buf, PATH_MAX, "%s/%s", p->dir, attached[i]) < 0
		       ? err_set(e, ENAMETOOLONG, "mount the image of '%s': path too long",
				 p->rec->name)
		       : 0;
}

static int attach(const struct plan *p, unsigned int i, int mnt, struct err *e)
{
	char path[PATH_MAX];
	int r = mnt < 0 ? 0 : attached_path(p, i, path, e);

	if (mnt < 0 || r < 0)
		return r;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create '%s'", path);
	return move_mount(mnt, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? err_sys(e, "attach the %s layer at '%s'", attached[i], path)
		       : 0;
}

/* Each `attach`, and what one that was killed has left. */
static int detach(const struct plan *p, unsigned int i, struct err *e)
{
	char path[PATH_MAX];
	int r = attached_path(p, i, path, e);

	for (int n = 0; r == 0 && n < STACKED_MAX; n++)
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) {
			if (errno != EINVAL && errno != ENOENT)
				return err_sys(e, "unmount '%s'", path);
			break;
		}
	if (r == 0 && rmdir(path) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s'", path);
	return r;
}

static int detach_all(const struct plan *p, struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; i < ATTACHED && r == 0; i++)
		r = detach(p, i, e);
	return r;
}

/* Layers are named by fd: no path of the host shows in the workspace's mountinfo, no character needs an escape. */
static int set_layer(int fs, const char *key, int fd, struct err *e)
{
	char path[32];

	(void)str_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0) < 0
		       ? err_sys(e, "set '%s' of the overlay", key)
		       : 0;
}

static int make_overlay(const struct layers *l, int lower, struct err *e)
{
	/* rename(2) of image directories must work; the rest would cost a copy or a wrong answer after an image change. */
	static const char *const options[][2] = {
		{ "source", "sshbay" }, { "redirect_dir", "on" }, { "metacopy", "off" },
		{ "index", "off" },     { "xino", "auto" },
	};
	auto_fd int fs = fsopen("overlay", FSOPEN_CLOEXEC), mnt = -1;
	int r = 0;

	if (fs < 0)
		return err_sys(e, "open filesystem 'overlay'");
	for (unsigned int i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
			return err_sys(e, "set '%s' of the overlay", options[i][0]);
	r = set_layer(fs, "lowerdir", lower, e);
	if (r == 0)
		r = set_layer(fs, "upperdir", l->upper, e);
	if (r == 0)
		r = set_layer(fs, "workdir", l->work, e);
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "create the overlay");
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	return mnt < 0 ? err_sys(e, "mount the overlay") : fd_take(&mnt);
}

/*
 * Kernels before 6.15 take no detached mount as a layer, so they are attached while the overlay is made, and no longer:
 * every mount namespace that is copied meanwhile would hold them.
 */
static int mount_overlay(struct plan *p, const struct layers *l, int lower, struct err *e)
{
	struct err ignored;
	int r = attach(p, 0, lower, e);

	if (r == 0)
		r = attach(p, 1, l->disk.mount, e);
	if (r == 0 && (r = fault_point("rootfs.overlay")) < 0)
		err_ret(e, r, "mount the overlay");
	if (r == 0)
		r = make_overlay(l, lower, e);
	(void)detach_all(p, &ignored);
	return r;
}

static void tell(struct plan *p, const char *image)
{
	char size[32];

	if (p->spec->disk == SETTINGS_UNLIMITED)
		(void)str_copy(p->detail, sizeof(p->detail), image);
	else
		(void)str_format(p->detail, sizeof(p->detail), "%.80s, %s", image,
				 num_size_text(p->spec->disk, size, sizeof(size)));
}

int rootfs_up(struct plan *p, struct err *e)
{
	struct layers l = { .store = -1, .upper = -1, .work = -1, .disk = { -1, -1 } };
	auto_fd int lower = -1;
	char image[IMAGE_MAX];
	int r;

	if (p->userns < 0)
		return err_set(e, EINVAL, "mount the root of '%s': no user namespace",
			       p->rec->name);
	r = detach_all(p, e);
	if (r == 0)
		r = hugepages_ready(p, e);
	if (r == 0)
		r = choose_image(p, image, e);
	if (r < 0)
		return r;
	lower = open_lower(p, image, e);
	if (lower < 0)
		return lower;
	r = open_layers(p, &l, e);
	if (r == 0)
		r = remember_image(p, &l, image, e);
	if (r == 0) {
		r = still_there(p, image, e);
		if (r < 0) /* the next start chooses again */
			(void)unlinkat(l.store, "image", 0);
	}
	if (r == 0)
		r = mount_overlay(p, &l, lower, e);
	layers_close(&l);
	if (r < 0 && l.fresh)
		drop_store(p);
	if (r < 0)
		return err_wrap(e, "mount the root of '%s'", p->rec->name);
	p->rootfd = r;
	tell(p, image);
	return 0;
}

int rootfs_down(struct plan *p, struct err *e)
{
	int r;

	fd_close(&p->rootfd);
	r = detach_all(p, e);
	return r == 0 ? disk_down(p, e) : r;
}
