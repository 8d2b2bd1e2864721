/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership of file descriptors, memory, FILE and DIR by scope.  An fd variable is -1 or owned; every fd is made with
 * CLOEXEC.  `auto_fd int fd = -1;` closes on scope exit, `fd_take(&fd)` hands the ownership on.
 */
#pragma once
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Close *fd unless it is -1, keep errno, set it to -1. */
void fd_close(int *fd);
/* Return *fd and set it to -1: the caller of fd_take owns it now. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
/* Set or clear O_NONBLOCK. 0 or -errno. */
int fd_nonblock(int fd, int on);
/* Mark every fd >= `from` close-on-exec (close_range(2), kernel 5.11). 0 or -errno. */
int fd_cloexec_from(unsigned int from);
/* Write or read exactly n bytes, retrying on EINTR and short counts. 0 or -errno; EOF in a read is -ENODATA. */
int fd_write_all(int fd, const void *buf, size_t n);
int fd_read_all(int fd, void *buf, size_t n);

void fd_closep(int *fd);
void fd_freep(void *p);
void fd_fclosep(FILE **f);
void fd_closedirp(DIR **d);
#define auto_fd   __attribute__((cleanup(fd_closep)))
#define auto_free __attribute__((cleanup(fd_freep)))
#define auto_file __attribute__((cleanup(fd_fclosep)))
#define auto_dir  __attribute__((cleanup(fd_closedirp)))
