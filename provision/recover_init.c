/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The search for a ws-init whose record was damaged while it ran, in provisiond's main process at its start.  Reads
 * /proc only; what it finds is identified by the inodes of the pins, which no tenant can make.
 */
#include "recover_init.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"

#define STATUS_MAX 8192

static bool pinned(const struct workspace *ws, const char *kind, uint64_t *inode)
{
	char path[PATH_MAX];
	struct statfs fs;
	struct stat st;

	if (str_format(path, sizeof(path), "%s/ws/%s/%s", ws->registry->settings->storage.run,
		       ws->name, kind) ||
	    statfs(path, &fs) < 0 || fs.f_type != NSFS_MAGIC || stat(path, &st) < 0)
		return false;
	*inode = st.st_ino;
	return true;
}

/* PID 1 of a namespace just below ours: "NSpid: <here> 1", and nothing after it. Nested ones have a third column. */
static bool is_init(const char *pid)
{
	char path[64], status[STATUS_MAX];
	const char *at;
	unsigned int here, inside;
	size_t len;
	int end = 0;

	str_format(path, sizeof(path), "/proc/%s/status", pid);
	if (path_read(AT_FDCWD, path, status, sizeof(status), &len, NULL))
		return false;
	at = strstr(status, "\nNSpid:");
	return at && sscanf(at, "\nNSpid: %u %u%n", &here, &inside, &end) == 2 && inside == 1 &&
	       at[end] == '\n';
}

static bool inside_of(pid_t pid, uint64_t user, uint64_t net)
{
	uint64_t inode;

	return proc_ns_inode(pid, "user", &inode, NULL) == 0 && inode == user &&
	       proc_ns_inode(pid, "net", &inode, NULL) == 0 && inode == net;
}

static bool fill(struct record *rec, pid_t pid, uint64_t user, uint64_t net)
{
	if (proc_start_time(pid, &rec->init_start, NULL) ||
	    proc_ns_inode(pid, "mnt", &rec->ns_mnt, NULL))
		return false;
	rec->init_pid = (uint32_t)pid;
	rec->ns_user = user;
	rec->ns_net = net;
	return true;
}

bool recover_init_find(struct workspace *ws)
{
	auto_dir DIR *dir = opendir("/proc");
	uint64_t user, net, pid;
	const struct dirent *d;

	if (!dir || !pinned(ws, "user", &user) || !pinned(ws, "net", &net))
		return false;
	while ((d = readdir(dir)))
		if (num_u64(d->d_name, 2, INT32_MAX, &pid, NULL) == 0 &&
		    inside_of((pid_t)pid, user, net) && is_init(d->d_name) &&
		    fill(&ws->rec, (pid_t)pid, user, net))
			return true;
	return false;
}
