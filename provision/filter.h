/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system calls a workspace may not make (THREATS section 5.3): a denylist for x86_64 and i386, made with libseccomp
 * once at the start of provisiond and handed to workers as a sealed memfd: two lengths, then two programs.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

/* fd with both programs, the usual one and the one for nesting = yes; or -errno. Takes milliseconds. */
int filter_build(struct err *e);
/* Load one of them into the calling process; needs CAP_SYS_ADMIN in its user namespace. */
int filter_load(int fd, bool nesting, struct err *e);
