/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper of INIT_SETUP: what a workspace needs to know about itself. Runs as the workspace's root, inside. */
#pragma once
#include "job.h"

#define SETUP_LIMIT_MS 10000

/* job_work of JOB_SETUP. Only the host name can fail it; files are best effort, so that a full disk still starts. */
int setup_work(struct job_helper *h, int *fd, struct err *e);
/*
 * The files, below `root`: /etc/hostname when different; /etc/resolv.conf when it is missing, empty, a dangling link, or
 * ours by its first line; /etc/machine-id when missing, empty or "uninitialized"; /run/utmp when missing.
 */
void setup_files(int root, const struct init_setup *s);
#define SETUP_MARK "# sshbay" /* first line of a resolv.conf of ours */
