/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Process identity from /proc, and running a helper program to its end.  Used by provisiond and its workers.
 */
#include "base/proc.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define STAT_START_TIME 22 /* proc(5), counted from 1; field 2 is "(comm)" and may hold anything */

int proc_start_time(pid_t pid, uint64_t *ticks, struct err *e)
{
	char name[32], buf[1024], *p, *save = NULL;
	size_t len;
	int r;

	(void)str_format(name, sizeof(name), "/proc/%d/stat", (int)pid);
	r = path_read(AT_FDCWD, name, buf, sizeof(buf), &len, e);
	if (r == -ENOENT || r == -ESRCH)
		return err_set(e, ESRCH, "read '%s': no such process", name);
	if (r < 0)
		return r;
	p = strrchr(buf, ')');
	if (!p)
		return err_set(e, EBADMSG, "read '%s': no command name in it", name);
	p = strtok_r(p + 1, " ", &save);
	for (int i = 3; p && i < STAT_START_TIME; i++)
		p = strtok_r(NULL, " ", &save);
	if (!p || num_u64(p, 0, UINT64_MAX, ticks, NULL) < 0)
		return err_set(e, EBADMSG, "read '%s': no start time in it", name);
	return 0;
}

int proc_open(pid_t pid, uint64_t ticks, struct err *e)
{
	auto_fd int fd = -1;
	uint64_t now = 0;
	int r;

	if (pid <= 0)
		return err_set(e, ESRCH, "open process %d: no such process", (int)pid);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return err_sys(e, "open process %d", (int)pid);
	/* Read after the pidfd is held: if the number has a new owner by now, the start time tells. */
	r = proc_start_time(pid, &now, e);
	if (r < 0)
		return r;
	if (now != ticks)
		return err_set(e, ESRCH,
			       "open process %d: the number belongs to another process now",
			       (int)pid);
	return fd_take(&fd);
}

int proc_ns_inode(pid_t pid, const char *kind, uint64_t *inode, struct err *e)
{
	char name[64];
	struct stat st;

	if (str_format(name, sizeof(name), "/proc/%d/ns/%s", (int)pid, kind) < 0)
		return err_set(e, EINVAL, "read namespace of process %d: bad kind", (int)pid);
	if (stat(name, &st) < 0)
		return err_sys(e, "read '%s'", name);
	*inode = st.st_ino;
	return 0;
}

int proc_boot_id(char out[37], struct err *e)
{
	static const char name[] = "/proc/sys/kernel/random/boot_id";
	char buf[64];
	size_t len;
	int r = path_read(AT_FDCWD, name, buf, sizeof(buf), &len, e);

	if (r < 0)
		return r;
	if (len != 37 || buf[36] != '\n')
		return err_set(e, EBADMSG, "read '%s': not a boot id", name);
	memcpy(out, buf, 36);
	out[36] = '\0';
	return 0;
}

/* Files in memory instead of pipes: no deadlock between input and output, no wait for a grandchild that keeps one. */
static int memory_file(const char *content, struct err *e)
{
	auto_fd int fd = memfd_create("proc_run", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(e, "create memory file");
	r = content ? fd_write_all(fd, content, strlen(content)) : 0;
	if (r < 0)
		return err_ret(e, r, "write memory file");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "rewind memory file");
	return fd_take(&fd);
}

static int spawn(pid_t *pid, const char *const argv[], int in, int errors)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *env[] = { path, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	r = posix_spawn_file_actions_init(&fa);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r) {
		posix_spawn_file_actions_destroy(&fa);
		return -r;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = in >= 0 ? posix_spawn_file_actions_adddup2(&fa, in, 0)
		    : posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	r = r ? r : posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(&fa, errors, 2);
	/* posix_spawn wants char *const[]; it does not write there. */
	r = r ? r : posix_spawn(pid, argv[0], &fa, &attr, (char *const *)(uintptr_t)argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return -r;
}

static int wait_for(pid_t pid, int *status)
{
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void first_line(int fd, char *out, size_t size)
{
	char buf[256];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	(void)str_vis(buf, strcspn(buf, "\n"), out, size);
}

int proc_run(const char *const argv[], const char *input, struct err *e)
{
	auto_fd int in = -1, errors = -1;
	char line[160];
	int status = 0, r;
	pid_t pid = 0;

	if (input) {
		in = memory_file(input, e);
		if (in < 0)
			return in;
	}
	errors = memory_file(NULL, e);
	if (errors < 0)
		return errors;
	r = spawn(&pid, argv, in, errors);
	if (r < 0)
		return err_ret(e, r, "run '%s'", argv[0]);
	r = wait_for(pid, &status);
	if (r < 0)
		return err_ret(e, r, "wait for '%s'", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	first_line(errors, line, sizeof(line));
	if (WIFSIGNALED(status))
		return err_set(e, EIO, "run '%s': killed by signal %d%s%s", argv[0],
			       WTERMSIG(status), line[0] ? ": " : "", line);
	return err_set(e, EIO, "run '%s': %s (exit status %d)", argv[0], line[0] ? line : "failed",
		       WEXITSTATUS(status));
}
