/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Home directories from /etc/skel. Helper only, as the workspace's root, under the lock of etc_lock. */
#pragma once
#include "passwd.h"

/*
 * If a->home does not exist and its parent does (/home is made): copy /etc/skel beside it, owned by the user, mode 0755,
 * and rename, so that a home is whole or absent. 0 also when there is nothing to do. A bounded copy: entries that are
 * no file, directory or symbolic link are left out, and so is what goes beyond HOME_*_MAX.
 */
int home_make(int root, const struct account *a, struct err *e);
/* Must home_make be called? */
bool home_missing(int root, const struct account *a);
#define HOME_DEPTH_MAX   8
#define HOME_ENTRIES_MAX 1024
#define HOME_BYTES_MAX   (64UL * 1024 * 1024)
