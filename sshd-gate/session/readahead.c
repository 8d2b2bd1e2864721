/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See readahead.h.  Session process, from the login on: before it, what a client sends is read in libssh's own measure.
 * These definitions hide those of libc in the whole program, libssh included.
 */
#include "readahead.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AHEAD_BYTES (64 * 1024)

/* The process' own context of this file: these functions get no argument of ours. Pages are touched as far as used. */
static struct {
	int fd;
	size_t off, len;
	uint8_t data[AHEAD_BYTES];
} self = { .fd = -1 };

void readahead_socket(int fd)
{
	self.fd = fd;
	self.off = self.len = 0;
}

static size_t take(void *buf, size_t len)
{
	size_t n = len < self.len ? len : self.len;

	memcpy(buf, self.data + self.off, n);
	self.off += n;
	self.len -= n;
	return n;
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n;

	if (fd != self.fd || flags || len >= AHEAD_BYTES)
		return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
	if (!self.len) {
		n = syscall(SYS_recvfrom, fd, self.data, AHEAD_BYTES, 0, NULL, NULL);
		if (n <= 0)
			return n;
		self.off = 0;
		self.len = (size_t)n;
	}
	return (ssize_t)take(buf, len);
}

/* Something read ahead makes its socket readable at once. */
int readahead_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct pollfd *ours = NULL;
	long ready;

	for (nfds_t i = 0; self.len && i < n; i++)
		if (fds[i].fd == self.fd && fds[i].events & POLLIN)
			ours = &fds[i];
	/* libssh asks for its one socket: no need to ask the kernel. Errors show when the buffer is empty. */
	if (ours && n == 1 && ours->events == POLLIN) {
		ours->revents = POLLIN;
		return 1;
	}
	ready = syscall(SYS_poll, fds, n, ours ? 0 : timeout);
	if (ready < 0 || !ours)
		return (int)ready;
	ready += !ours->revents;
	ours->revents |= POLLIN;
	return (int)ready;
}
