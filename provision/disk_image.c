/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image of a workspace's own file system: made by mkfs.ext4 under another name and renamed, grown while mounted,
 * mounted without being attached anywhere.  The file's contents come from us and the kernel alone.
 */
#include "disk_image.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/str.h"
#include "disk.h"
#include "disk_loop.h"

#define UNFINISHED DISK_IMAGE ".new"
#define MODE       0600
#define MIB        (UINT64_C(1) << 20)
/* Linux, fs/ext4/ext4.h: not in a header for programs. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)
#define EXT4_MAGIC  0xef53
#define GROUP_MIN   4096 /* blocks */

static const char *const makers[] = { "/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4" };

static const char *maker(void)
{
	for (unsigned int i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (access(makers[i], X_OK) == 0)
			return makers[i];
	return NULL;
}

const char *disk_image_missing(void)
{
	if (!maker())
		return "mkfs.ext4 is missing (package e2fsprogs)";
	return access("/dev/loop-control", F_OK) < 0 ? "there are no loop devices (module loop)"
						     : NULL;
}

void disk_image_discard(int store)
{
	(void)unlinkat(store, UNFINISHED, 0);
}

bool disk_image_exists(int store)
{
	return faccessat(store, DISK_IMAGE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_file(const struct disk_image *im, struct err *e)
{
	auto_fd int fd =
		openat(im->store, DISK_IMAGE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open the disk of '%s'", im->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EUCLEAN, "open the disk of '%s': not a regular file", im->name);
	return fd_take(&fd);
}

/* --- space --- */

static int no_room(const struct disk_image *im, int fd, uint64_t size, struct err *e)
{
	char need[32], have[32] = "?";
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0)
		(void)num_size_text((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize / MIB * MIB, have,
				    sizeof(have));
	return err_set(
		e, ENOSPC,
		"make the disk of '%s': no space on %s (need %s, have %s; make room, less disk, "
		"or reserve_disk = no)",
		im->name, im->path, num_size_text(size, need, sizeof(need)), have);
}

/*
 * Looked at first, and given back at the end: fallocate(2) takes what there is, root's reserve too, before it fails, and
 * everybody else's files would stand still meanwhile.
 */
static int reserve(int fd, const struct stat *st, uint64_t size)
{
	uint64_t more = size - (uint64_t)st->st_blocks * 512;
	struct statfs fs;
	int r;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (more > (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize)
		return -ENOSPC;
	if (fallocate(fd, 0, 0, (off_t)size) == 0)
		return 0;
	r = -errno;
	return ftruncate(fd, st->st_size) < 0 ? -errno : r;
}

/* Blocks that it has already stay; the file is `size` long after. */
static int take_space(const struct disk_image *im, int fd, uint64_t size, struct err *e)
{
	struct stat st;
	int r = fault_point("disk.space");

	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0 && size > INT64_MAX)
		r = -EFBIG;
	if (r == 0 && im->reserve && (uint64_t)st.st_blocks * 512 < size)
		r = reserve(fd, &st, size);
	if (r == 0 && (uint64_t)st.st_size < size)
		r = ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	if (r == 0)
		return 0;
	if (r == -ENOSPC || r == -EDQUOT || r == -EFBIG)
		return no_room(im, fd, size, e);
	if (r == -EOPNOTSUPP)
		return err_set(e, EOPNOTSUPP,
			       "make the disk of '%s': the file system of %s cannot reserve space "
			       "([storage] reserve_disk = no)",
			       im->name, im->path);
	return err_ret(e, r, "make the disk of '%s'", im->name);
}

/* --- making --- */

static int make_filesystem(const struct disk_image *im, struct err *e)
{
	char path[PATH_MAX], inodes[32];
	const char *const argv[] = {
		maker(),  "-q",   "-F",
		"-m",     "0",    "-b",
		"4096",   "-I",   "256",
		"-N",     inodes, "-L",
		"sshbay", "-E",   "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
		path,     NULL,
	};
	int r = fault_point("disk.mkfs");

	if (r < 0)
		return err_ret(e, r, "make the file system of '%s'", im->name);
	if (!argv[0])
		return err_set(e, ENOENT, "make the file system of '%s': %s", im->name,
			       disk_image_missing());
	(void)str_format(inodes, sizeof(inodes), "%llu", (unsigned long long)disk_inodes(im->size));
	if (str_format(path, sizeof(path), "%s/%s", im->path, UNFINISHED))
		return err_set(e, ENAMETOOLONG, "make the file system of '%s': path too long",
			       im->name);
	return proc_run(argv, NULL, e);
}

static int make_unfinished(const struct disk_image *im, struct err *e)
{
	auto_fd int fd = openat(im->store, UNFINISHED,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
	int flags, r;

	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT
			       ? no_room(im, im->store, im->size, e)
			       : err_sys(e, "make the disk of '%s'", im->name);
	/* btrfs: a reservation holds only for a file that is written in place. Others refuse it. */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	if (fchown(fd, im->owner, im->owner) < 0)
		return err_sys(e, "make the disk of '%s'", im->name);
	r = take_space(im, fd, im->size, e);
	if (r == 0)
		r = make_filesystem(im, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_sys(e, "write the disk of '%s'", im->name);
	return r;
}

int disk_image_make(const struct disk_image *im, struct err *e)
{
	int r;

	if (unlinkat(im->store, UNFINISHED, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove the unfinished disk of '%s'", im->name);
	r = make_unfinished(im, e);
	if (r == 0 && (r = fault_point("disk.rename")) < 0)
		err_ret(e, r, "make the disk of '%s'", im->name);
	if (r == 0 &&
	    (renameat(im->store, UNFINISHED, im->store, DISK_IMAGE) < 0 || fsync(im->store) < 0))
		r = err_sys(e, "make the disk of '%s'", im->name);
	if (r < 0)
		(void)unlinkat(im->store, UNFINISHED, 0);
	return r;
}

/* --- mounting --- */

/* Blocks of the file system, from its super block. */
static int count_blocks(const struct disk_image *im, int file, uint64_t *blocks, struct err *e)
{
	struct {
		uint32_t inodes, blocks_lo, more[4], log_block_size;
	} head;
	uint16_t magic;
	uint32_t blocks_hi;

	if (pread(file, &head, sizeof(head), 1024) != sizeof(head) ||
	    pread(file, &magic, sizeof(magic), 1024 + 0x38) != sizeof(magic) ||
	    pread(file, &blocks_hi, sizeof(blocks_hi), 1024 + 0x150) != sizeof(blocks_hi) ||
	    le16toh(magic) != EXT4_MAGIC || le32toh(head.log_block_size) != 2)
		return err_set(e, EUCLEAN,
			       "mount the disk of '%s': it holds no file system of ours (%s/%s)",
			       im->name, im->path, DISK_IMAGE);
	*blocks = (uint64_t)le32toh(blocks_hi) << 32 | le32toh(head.blocks_lo);
	return 0;
}

static int set(int fs, const char *key, const char *value, struct err *e)
{
	int r = value ? fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0)
		      : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);

	return r < 0 ? err_sys(e, "set '%s' of the disk", key) : 0;
}

static int mount_device(const struct disk_image *im, const struct disk_loop *l, struct err *e)
{
	auto_fd int fs = fsopen("ext4", FSOPEN_CLOEXEC), mnt = -1;
	int r = fault_point("disk.mount");

	if (fs < 0)
		return err_sys(e, "open filesystem 'ext4'");
	if (r < 0)
		return err_ret(e, r, "mount the disk of '%s'", im->name);
	r = set(fs, "source", l->path, e);
	/* The file is zeros where nothing was written: no need to write zeros once more. */
	if (r == 0)
		r = set(fs, "noinit_itable", NULL, e);
	if (r == 0)
		r = set(fs, "errors", "remount-ro", e);
	/* What is reserved stays ours; what is not goes back to the store when files are removed. */
	if (r == 0)
		r = set(fs, im->reserve ? "nodiscard" : "discard", NULL, e);
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "mount the disk of '%s' (%s/%s, e2fsck(8))", im->name, im->path,
			       DISK_IMAGE);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return mnt < 0 ? err_sys(e, "mount the disk of '%s'", im->name) : fd_take(&mnt);
}

static int grow_filesystem(const struct disk_image *im, int mnt, uint64_t blocks, struct err *e)
{
	auto_fd int root = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fault_point("disk.grow");

	if (root < 0 || (r == 0 && ioctl(root, EXT4_RESIZE, &blocks) < 0))
		r = -errno;
	if (r == -EPERM)
		return err_set(e, EPERM,
			       "grow the disk of '%s': provisiond may not (it has no "
			       "CAP_SYS_RESOURCE, or e2fsck(8) is needed)",
			       im->name);
	return r < 0 ? err_ret(e, r, "grow the disk of '%s'", im->name) : 0;
}

/* The file is as long as it shall be: longer, or shorter by what a growth that did not come to its end has added. */
static int fit_file(const struct disk_image *im, int file, struct err *e)
{
	struct disk_loop l;
	struct stat st;

	if (fstat(file, &st) < 0)
		return err_sys(e, "look at the disk of '%s'", im->name);
	if ((uint64_t)st.st_size <= im->size)
		return take_space(im, file, im->size, e);
	if (disk_loop_find(file, &l, e) == -ENOENT)
		return ftruncate(file, (off_t)im->size) < 0
			       ? err_sys(e, "cut the disk of '%s'", im->name)
			       : 0;
	fd_close(&l.fd);
	return 0;
}

/* *want = blocks to grow to, 0 = it is large enough. */
static int prepare(const struct disk_image *im, int file, struct disk_device *dev, uint64_t *want,
		   struct err *e)
{
	char is[32], size[32];
	uint64_t blocks = 0;
	int r = count_blocks(im, file, &blocks, e);

	if (r < 0)
		return r;
	*want = 0;
	dev->size = blocks * DISK_IMAGE_BLOCK;
	if (im->size == UINT64_MAX)
		return 0;
	if (dev->size > im->size)
		return err_set(e, EFBIG,
			       "start '%s': disk = %s: its file system has %s and cannot become "
			       "smaller (set disk = %s, or destroy --purge it)",
			       im->name, num_size_text(im->size, size, sizeof(size)),
			       num_size_text(dev->size, is, sizeof(is)), is);
	dev->size = im->size;
	/* ext4 has no use for a last group that is too small. */
	if (im->size / DISK_IMAGE_BLOCK - blocks >= GROUP_MIN)
		*want = im->size / DISK_IMAGE_BLOCK;
	return fit_file(im, file, e);
}

static int measure(int mnt, const struct disk_loop *l, struct disk_device *dev, struct err *e)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(mnt, &fs) < 0 || fstat(l->fd, &st) < 0)
		return err_sys(e, "look at '%s'", l->path);
	dev->major = major(st.st_rdev);
	dev->minor = minor(st.st_rdev);
	dev->blocks = (uint64_t)fs.f_blocks;
	dev->inodes = (uint64_t)fs.f_files;
	return 0;
}

int disk_image_mount(const struct disk_image *im, struct disk_device *dev, struct err *e)
{
	auto_fd int file = open_file(im, e), mnt = -1, loop = -1;
	struct disk_loop l = { .fd = -1 };
	uint64_t want = 0;
	int r = file;

	if (r >= 0)
		r = prepare(im, file, dev, &want, e);
	if (r >= 0)
		r = disk_loop_attach(file, &l, e);
	loop = l.fd;
	if (r >= 0 && want)
		r = disk_loop_grown(&l, e);
	if (r < 0)
		return r;
	mnt = mount_device(im, &l, e);
	r = mnt;
	if (r >= 0 && want)
		r = grow_filesystem(im, mnt, want, e);
	if (r >= 0)
		r = measure(mnt, &l, dev, e);
	return r < 0 ? r : fd_take(&mnt);
}

int disk_image_wait(int store, unsigned int ms, struct err *e)
{
	auto_fd int file =
		openat(store, DISK_IMAGE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint64_t end = clk_now_us() + ms * UINT64_C(1000);
	struct disk_loop l;
	struct err ignored;

	while (file >= 0 && disk_loop_find(file, &l, &ignored) == 0) {
		fd_close(&l.fd);
		if (clk_now_us() > end)
			return err_set(e, EBUSY, "release '%s': still in use", l.path);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	return 0;
}
