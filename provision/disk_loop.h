/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loop devices (loop(4)).  A file is never on two of them: a device that has it already is used again, so that the same
 * file system is never mounted twice as two.  Runs in workers.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct disk_loop {
	int fd;        /* keeps the device; owned by the caller */
	char path[32]; /* /dev/loopN */
};
/* The device that has the regular file `file`. -ENOENT: none. */
int disk_loop_find(int file, struct disk_loop *l, struct err *e);
/* The same, or else a free one takes it (opened for writing; direct I/O where it can be). */
int disk_loop_attach(int file, struct disk_loop *l, struct err *e);
/* The file has grown. */
int disk_loop_grown(const struct disk_loop *l, struct err *e);
/* A device's number as the kernel tells and takes it where there is no struct stat (new_encode_dev). */
uint64_t disk_loop_code(dev_t d);
