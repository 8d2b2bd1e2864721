/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which way a workspace's files are limited, and the little that is noted about it: run/ws/NAME/disk has the device and
 * the size of a mounted image, for `show`.  What limits a workspace that has files already is told by the files.
 */
#include "disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "disk_image.h"
#include "disk_loop.h"
#include "disk_quota.h"

#define PER_INODE 16384
#define WAIT_MS   5000
#define NOTE      "disk"

uint64_t disk_inodes(uint64_t bytes)
{
	uint64_t n = bytes / PER_INODE;

	return n < DISK_INODES_MIN ? DISK_INODES_MIN : n;
}

static bool limited(const struct plan *p)
{
	return p->spec->disk != SETTINGS_UNLIMITED;
}

/* --- an image --- */

static int write_note(const struct plan *p, const struct disk_device *dev, struct err *e)
{
	char text[128];
	struct path_content c = { .buf = text, .mode = 0600 };
	auto_fd int fd = path_open_dir(p->dir, e);

	if (fd < 0)
		return fd;
	(void)str_format(text, sizeof(text), "%u %u %llu %llu %llu\n", dev->major, dev->minor,
			 (unsigned long long)dev->size, (unsigned long long)dev->blocks,
			 (unsigned long long)dev->inodes);
	c.len = strlen(text);
	return path_write_atomic(fd, NOTE, &c, e);
}

static int open_image(const struct plan *p, const struct disk_image *im, struct disk *d,
		      struct err *e)
{
	struct disk_device dev;

	d->mount = disk_image_mount(im, &dev, e);
	if (d->mount < 0)
		return d->mount;
	d->base = openat(d->mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->base < 0 ? err_sys(e, "open the disk of '%s'", im->name) : write_note(p, &dev, e);
}

static int make_image(const struct disk_image *im, struct err *e)
{
	const char *missing = disk_image_missing();

	if (missing)
		return err_set(e, EOPNOTSUPP,
			       "limit the files of '%s': %s has no project quotas, and %s "
			       "(sshbay doctor)",
			       im->name, im->path, missing);
	return disk_image_make(im, e);
}

/* --- which way --- */

int disk_open(struct plan *p, int store, struct disk *d, struct err *e)
{
	struct disk_image im = {
		.store = store,
		.path = p->store,
		.name = p->rec->name,
		.size = p->spec->disk,
		.owner = (uid_t)p->rec->id_base,
		.reserve = p->settings->storage.reserve_disk,
	};
	bool image = disk_image_exists(store), quota;
	int r;

	*d = (struct disk){ -1, -1 };
	quota = !image && limited(p) && disk_quota_on(store);
	if (!image && limited(p) && !quota) {
		if (faccessat(store, "upper", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return err_set(
				e, EOPNOTSUPP,
				"limit the files of '%s': they lie in %s, which has no project "
				"quotas, since before it had a disk (disk = unlimited, or "
				"destroy --purge it)",
				p->rec->name, p->store);
		r = make_image(&im, e);
		if (r < 0)
			return r;
		image = true;
	}
	if (image)
		return open_image(p, &im, d, e);
	d->base = openat(store, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->base < 0 ? err_sys(e, "open the store of '%s'", p->rec->name) : 0;
}

static int put_into_project(const struct plan *p, int upper, int work, struct err *e)
{
	uint32_t project = (uint32_t)p->rec->id_base;
	/* An old limit of that project must not stand in the way of what is there. */
	int r = disk_quota_set(upper, project, 0, 0, e);

	return r == 0 ? disk_quota_mark(upper, work, project, e) : r;
}

int disk_limit(struct plan *p, const struct disk *d, int upper, int work, struct err *e)
{
	uint32_t project = (uint32_t)p->rec->id_base;
	bool marked;
	int r = 0;

	if (d->mount >= 0)
		return 0;
	marked = disk_quota_marked(upper, project);
	if (!limited(p))
		return marked && disk_quota_on(upper) ? disk_quota_set(upper, project, 0, 0, e) : 0;
	if (!marked)
		r = put_into_project(p, upper, work, e);
	return r < 0 ? err_wrap(e, "limit the files of '%s'", p->rec->name)
		     : disk_quota_set(upper, project, p->spec->disk, disk_inodes(p->spec->disk), e);
}

int disk_down(struct plan *p, struct err *e)
{
	char note[PATH_MAX];
	auto_fd int store = path_open_dir(p->store, NULL);
	struct err ignored;

	if (str_format(note, sizeof(note), "%s/" NOTE, p->dir))
		return err_set(e, ENAMETOOLONG, "remove '%s/" NOTE "': path too long", p->dir);
	if (unlink(note) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s'", note);
	if (store >= 0)
		disk_image_discard(store);
	/* One that stays in use is no failure: the kernel writes it and lets it go, and the next start would find it. */
	if (store >= 0)
		(void)disk_image_wait(store, WAIT_MS, &ignored);
	return 0;
}

int disk_forget(const struct settings *s, uint64_t id_base, struct err *e)
{
	auto_fd int fd = path_open_dir(s->storage.state, e);
	struct disk_quota q;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (!disk_quota_on(fd) || disk_quota_get(fd, (uint32_t)id_base, &q, NULL) < 0 ||
	    (!q.bytes && !q.inodes))
		return 0;
	return disk_quota_set(fd, (uint32_t)id_base, 0, 0, e);
}

/* --- what is told --- */

static bool read_note(const struct settings *s, const char *name, struct disk_use *u)
{
	unsigned long long size, blocks, inodes;
	char path[PATH_MAX], text[128];
	unsigned int major, minor;
	size_t n;

	if (str_format(path, sizeof(path), "%s/ws/%s/" NOTE, s->storage.run, name) ||
	    path_read(AT_FDCWD, path, text, sizeof(text), &n, NULL) ||
	    sscanf(text, "%u %u %llu %llu %llu", &major, &minor, &size, &blocks, &inodes) != 5)
		return false;
	u->way = "image";
	u->size = size;
	u->inodes = inodes;
	u->device = (uint32_t)disk_loop_code(makedev(major, minor));
	u->blocks = blocks;
	return true;
}

void disk_use(const struct settings *s, const struct record *rec, struct disk_use *u)
{
	auto_fd int fd = -1;
	struct disk_quota q;

	*u = (struct disk_use){ .size = UINT64_MAX,
				.used = UINT64_MAX,
				.inodes = UINT64_MAX,
				.inodes_used = UINT64_MAX };
	/* Of one that is stopped the kernel would have to read it, behind everybody's writes. */
	if (rec->state != RECORD_RUNNING || read_note(s, rec->name, u))
		return;
	fd = rec->id_count ? path_open_dir(s->storage.state, NULL) : -1;
	if (fd < 0 || disk_quota_get(fd, (uint32_t)rec->id_base, &q, NULL) < 0 || !q.bytes)
		return;
	*u = (struct disk_use){ .way = "quota",
				.size = q.bytes,
				.used = q.bytes_used,
				.inodes = q.inodes,
				.inodes_used = q.inodes_used };
}

bool disk_owner(int stores, const char *name, uid_t *owner)
{
	static const char *const has[] = { "upper", DISK_IMAGE };
	char path[NAME_MAX + 16];
	struct stat st;

	for (unsigned int i = 0; i < sizeof(has) / sizeof(has[0]); i++) {
		if (str_format(path, sizeof(path), "%s/%s", name, has[i]) ||
		    fstatat(stores, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		*owner = st.st_uid;
		return true;
	}
	return false;
}
