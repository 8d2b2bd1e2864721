/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Read ahead of libssh 0.10, which takes 4 KiB from the socket at a time and polls before each: the program defines recv()
 * and poll(), so that one call of the kernel's serves up to 64 KiB of an upload.  Other descriptors pass through.
 */
#pragma once
#include <poll.h>

/* From now on for this socket (-1: for none; what was read ahead is then lost). At most once per connection. */
void readahead_socket(int fd);

/* poll(2), aware of what was read ahead. To the linker it is `poll` itself, so that libssh's calls come here. */
int readahead_poll(struct pollfd *fds, nfds_t n, int timeout) __asm__("poll");
