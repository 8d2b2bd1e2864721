/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading, locking and replacing the account files below a root. Helper only, as the workspace's root. */
#pragma once
#include "passwd.h"

#define ETC_LOCK_MS 5000 /* wait for useradd(8) or passwd(1) this long */

enum etc_file { ETC_PASSWD, ETC_GROUP, ETC_SHADOW, ETC_GSHADOW, ETC_FILES };

/*
 * Read a file: regular, not a symbolic link, at most PASSWD_FILE_MAX. -ENOENT when there is none. The text is valid
 * until the next etc_read or etc_replace of the same file.
 */
int etc_read(int root, enum etc_file f, struct passwd_text *t, struct err *e);
/* Take the lock of lckpwdf(3), /etc/.pwd.lock. fd to close, or -ETIMEDOUT. */
int etc_lock(int root, struct err *e);
/* Where the callers of etc_replace compose a file. */
struct passwd_out *etc_out(void);
/*
 * Replace a file by what was composed in etc_out: temporary file, same mode and owner, rename. A file that did not exist
 * gets mode 0644.
 */
int etc_replace(int root, enum etc_file f, struct err *e);
/* fsync what was replaced since the process started; slow, so done after the report. */
void etc_sync(void);
