/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system calls a workspace may not make (THREATS section 5.3): a denylist for x86_64 and i386, made with libseccomp
 * once at the start of provisiond and handed to workers as a sealed memfd of struct sock_filter.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

/* fd of the program, or -errno. `nesting` leaves out what nested containers need. Takes milliseconds. */
int filter_build(bool nesting, struct err *e);
/* Load the program behind `fd` into the calling process; needs CAP_SYS_ADMIN in its user namespace. */
int filter_load(int fd, struct err *e);
