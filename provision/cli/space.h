/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is used of a workspace's disk, where provisiond leaves the question to the asker. */
#pragma once
#include "proto/admin.h"

/* Fill disk_used and inodes_used of a row that names the block device of an image. */
void space_fill(struct admin_workspace *row);
