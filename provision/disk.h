/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limit `disk`: how many bytes and inodes a workspace's own files may take.  Two ways, found by what there is:
 * a project quota when the file system of the store enforces them (disk_quota.h), else a file system of its own in an
 * image file, store/disk (disk_image.h).  A workspace without `disk` costs nothing here.  Runs in workers; disk_use and
 * disk_owner in provisiond's main process.  Nothing here resolves a name that a tenant chose through a link.
 */
#pragma once
#include "plan.h"
#include <stdbool.h>

/* As many inodes as ext4 gives a file system of that size: one per 16 KiB, at least these. */
#define DISK_INODES_MIN 16384
uint64_t disk_inodes(uint64_t bytes);

/* Where upper and work lie. fds owned by the caller, -1 = none. */
struct disk {
	int base; /* the directory: the store itself, or the root of the image's file system */
	int mount; /* that file system, a detached mount; lives as long as somebody uses it. -1: none */
};
/*
 * Find out, or decide, where the workspace's files lie, and make, grow and mount its image if it is to have one.
 * `store`: fd of the store. -EOPNOTSUPP: files that lie in the store cannot be limited there; neither way is there.
 * -EFBIG: the image is larger than `disk` now. -ENOSPC: the store has not got the space.
 */
int disk_open(struct plan *p, int store, struct disk *d, struct err *e);
/*
 * Before the overlay is made: give upper and work (fds) the workspace's project and its limits, or take old limits away. The
 * first time everything below upper gets the project, which takes as long as there are files; resumable.
 */
int disk_limit(struct plan *p, const struct disk *d, int upper, int work, struct err *e);
/* The processes are gone: wait until the image is written and its loop device free (at most some seconds; then it is
 * left to the kernel, and the next start goes on with that very device). Forget what disk_use reads. */
int disk_down(struct plan *p, struct err *e);
/* The files are removed: so is the quota of id_base. */
int disk_forget(const struct settings *s, uint64_t id_base, struct err *e);

struct disk_use {
	const char *way; /* "quota" or "image"; NULL: not limited, or the workspace does not run */
	uint64_t size, used, inodes, inodes_used; /* UINT64_MAX: not known */
	/*
	 * An image's block device as the kernel writes it, and all of its blocks, 0 = none. How many are free ustat(2) tells whoever
	 * can wait: it waits for a file system that is just being unmounted.
	 */
	uint32_t device;
	uint64_t blocks;
};
/* Some system calls and a small file; waits for nothing, so it tells of a running workspace only. */
void disk_use(const struct settings *s, const struct record *rec, struct disk_use *u);
/* Whose ids own the files of store `name` (below the directory `stores`)? False: it has none yet. */
bool disk_owner(int stores, const char *name, uid_t *owner);
