/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system calls a workspace may not make (THREATS section 5.3): a denylist for x86_64 and i386, made with libseccomp
 * once at the start of provisiond and handed to workers as a sealed memfd: the lengths, then the programs.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

enum filter_flag {
	FILTER_NESTING = 1,  /* nesting = yes */
	FILTER_NIC_FULL = 2, /* nic_admin = full: ethtool's ioctl, with what rewrites a NIC */
	FILTER_RDMA = 4,     /* NETLINK_RDMA, where that shows no device but its own */
	FILTER_PROGRAMS = 8
};

/* fd with a program for each combination of flags; or -errno. Takes milliseconds. */
int filter_build(struct err *e);
/* Load the one for `flags` into the calling process; needs CAP_SYS_ADMIN in its user namespace. */
int filter_load(int fd, unsigned int flags, struct err *e);
