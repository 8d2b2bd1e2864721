/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that decide who may do what: believed only when nobody but root (or the caller's own user) can have written them. */
#pragma once
#include "base/err.h"
#include <stddef.h>

#define TRUSTED_MAX 1048576 /* bytes of a file */

/*
 * Read the regular file at the absolute `path`. It, the directories and links on the way, and where the links lead must
 * belong to root or to the caller and be writable by no one else (a sticky directory of root's may be). *text is NUL
 * terminated (and may hold NULs) and the caller's to free. 0, -ENOENT, -EPERM (not to be trusted), -EFBIG, other -errno.
 */
int trusted_read(const char *path, char **text, size_t *len, struct err *e);
/* The same judgement alone, such as on a program: the open file, or -errno. */
int trusted_open(const char *path, struct err *e);
