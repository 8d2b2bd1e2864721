/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories of one file in /tmp, for what a connection lends a login: the socket of its agent, the cookie of its display.
 * Helpers only, as the login's unix user. /tmp is everybody's: a name that is taken is never used, a link never followed.
 */
#pragma once
#include "base/err.h"
#include <stdint.h>

/* A file in one, and its owner. */
struct private_file {
	uint32_t uid;
	uint64_t dev,
		ino; /* a unix socket elsewhere (listen.h) is this file; 0 = in such a directory */
	char path[256];
};

#define PRIVATE_DIR_MAX 32 /* "/tmp/ssh-XXXXXXXXXX" with its NUL */

/* Make one, mode 0700, and go there. 0 or -errno; -EEXIST when what is found under its name is not what was made. */
int private_dir_make(char path[PRIVATE_DIR_MAX], struct err *e);
/*
 * Remove a file by its path, and its directory when that is empty then. Only "/tmp/ssh-XXXXXXXXXX/NAME" of the effective
 * user; anything else is left alone.
 */
void private_dir_remove(const char *file);
/* At the start of the workspace, when nobody is there yet: remove those that its last life has left. */
void private_dir_sweep(void);
