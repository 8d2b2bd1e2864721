/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attaching a file to a loop device, and finding the one that has it.  Devices of others are not opened: sysfs tells the
 * name of each one's file first.
 */
#include "disk_loop.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "disk_image.h"

#define SECTOR 4096
#define TRIES  64

uint64_t disk_loop_code(dev_t d)
{
	uint64_t ma = major(d), mi = minor(d);

	return (mi & 0xff) | ma << 8 | (mi & ~UINT64_C(0xff)) << 12;
}

/* By name only: could the device `name` have a file called DISK_IMAGE? A renamed or removed one is told as such. */
static bool may_have(const char *name)
{
	char path[300], file[4096 + 32];
	size_t n;

	return !strncmp(name, "loop", 4) &&
	       !str_format(path, sizeof(path), "/sys/block/%s/loop/backing_file", name) &&
	       !path_read(AT_FDCWD, path, file, sizeof(file), &n, NULL) &&
	       strstr(file, "/" DISK_IMAGE);
}

/* Opens it; false with l->fd = -1 when it is not that one. */
static bool has(const char *name, const struct stat *st, struct disk_loop *l)
{
	struct loop_info64 info;

	if (str_format(l->path, sizeof(l->path), "/dev/%s", name))
		return false;
	l->fd = open(l->path, O_RDONLY | O_CLOEXEC);
	if (l->fd >= 0 && ioctl(l->fd, LOOP_GET_STATUS64, &info) == 0 &&
	    info.lo_inode == st->st_ino && info.lo_device == disk_loop_code(st->st_dev))
		return true;
	fd_close(&l->fd);
	return false;
}

int disk_loop_find(int file, struct disk_loop *l, struct err *e)
{
	auto_dir DIR *dir = opendir("/sys/block");
	const struct dirent *d;
	struct stat st;

	*l = (struct disk_loop){ .fd = -1 };
	if (!dir || fstat(file, &st) < 0)
		return err_sys(e, "look at '/sys/block'");
	while ((d = readdir(dir)))
		if (may_have(d->d_name) && has(d->d_name, &st, l))
			return 0;
	return err_set(e, ENOENT, "find loop device: none has the file");
}

static int configure(int file, int control, struct disk_loop *l, struct err *e)
{
	struct loop_config c = {
		.fd = (uint32_t)file,
		.block_size = SECTOR,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};
	int n = ioctl(control, LOOP_CTL_GET_FREE);

	if (n < 0)
		return err_sys(e, "find a free loop device");
	(void)str_format(l->path, sizeof(l->path), "/dev/loop%d", n);
	l->fd = open(l->path, O_RDWR | O_CLOEXEC);
	if (l->fd < 0)
		return err_sys(e, "open '%s'", l->path);
	if (ioctl(l->fd, LOOP_CONFIGURE, &c) == 0)
		return 0;
	/* A file system without direct I/O. */
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	if (errno == EINVAL && ioctl(l->fd, LOOP_CONFIGURE, &c) == 0)
		return 0;
	(void)err_sys(e, "set up '%s'", l->path);
	fd_close(&l->fd);
	return -e->code;
}

int disk_loop_attach(int file, struct disk_loop *l, struct err *e)
{
	auto_fd int control = -1;
	int r = disk_loop_find(file, l, e);

	if (r != -ENOENT)
		return r;
	r = fault_point("disk.loop");
	if (r < 0)
		return err_ret(e, r, "find a free loop device");
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return err_sys(e, "open '/dev/loop-control'");
	/* Somebody else may take the free one first. */
	for (int i = 0; i < TRIES; i++) {
		r = configure(file, control, l, e);
		if (r != -EBUSY)
			return r;
	}
	return r;
}

int disk_loop_grown(const struct disk_loop *l, struct err *e)
{
	return ioctl(l->fd, LOOP_SET_CAPACITY) < 0 ? err_sys(e, "grow '%s'", l->path) : 0;
}
