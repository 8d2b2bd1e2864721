/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding, listing, killing and removing cgroups by their files.  Runs in workers; the counters also in provisiond.
 * Never removes or kills what is not in a workspace's list of groups.
 */
#include "limits_group.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define KILL_ROUNDS 200
#define ROUND_MS    5

bool limits_group_is_v2(const char *mountpoint)
{
	struct statfs fs;

	return statfs(mountpoint, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

const char *limits_group_unified(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (unsigned int i = 0; i < 2; i++)
		if (limits_group_is_v2(places[i]))
			return places[i];
	return NULL;
}

/* Does the comma list hold the word? */
static bool listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = list; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
		if (!strncmp(s, word, n) && (s[n] == ',' || s[n] == '\0'))
			return true;
	return false;
}

/* The path in the line of /proc/self/cgroup ("4:cpu,cpuacct:/path", "0::/path") that names the controller. */
static int own_group(const char *controller, char *buf, size_t size, struct err *e)
{
	bool v2 = !strcmp(controller, LIMITS_UNIFIED);
	auto_file FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 256];

	if (!f)
		return err_sys(e, "read '/proc/self/cgroup'");
	while (fgets(line, sizeof(line), f)) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		if (v2 ? !strncmp(line, "0:", 2) : listed(list + 1, controller))
			return str_copy(buf, size, path) < 0
				       ? err_set(e, ENAMETOOLONG,
						 "find our own %s group: path too long", controller)
				       : 0;
	}
	return err_set(e, ENOENT, "find our own %s group: not in /proc/self/cgroup", controller);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

int limits_group_base(const char *controller, const char *mountpoint, char *buf, size_t size,
		      struct err *e)
{
	char own[PATH_MAX];
	struct stat st;
	int r = own_group(controller, own, sizeof(own), e);

	if (r < 0)
		return r;
	while (ends_with(own, ".service") || ends_with(own, ".scope"))
		*strrchr(own, '/') = '\0';
	if (!strcmp(own, "/"))
		own[0] = '\0';
	if (str_format(buf, size, "%s%s", mountpoint, own) < 0)
		return err_set(e, ENAMETOOLONG, "find our own %s group: path too long", controller);
	/* A container may see a path that is counted from a root which its own mount does not show. */
	if (stat(buf, &st) < 0)
		(void)str_copy(buf, size, mountpoint);
	return 0;
}

int limits_group_load(const char *dir, struct limits_groups *out, struct err *e)
{
	char path[PATH_MAX], text[LIMITS_GROUPS_MAX * 512], *save = NULL;
	size_t len;
	int r;

	out->n = 0;
	if (str_format(path, sizeof(path), "%s/groups", dir) < 0)
		return err_set(e, ENAMETOOLONG, "read the groups of '%s': path too long", dir);
	r = path_read(AT_FDCWD, path, text, sizeof(text), &len, e);
	if (r < 0)
		return r;
	for (char *l = strtok_r(text, "\n", &save); l && out->n < LIMITS_GROUPS_MAX;
	     l = strtok_r(NULL, "\n", &save)) {
		struct limits_group *g = &out->g[out->n];
		char *sp = strchr(l, ' ');

		if (!sp || sp[1] != '/')
			return err_set(e, EBADMSG, "read '%s': not a list of groups", path);
		*sp = '\0';
		if (str_copy(g->controller, sizeof(g->controller), l) < 0 ||
		    str_copy(g->path, sizeof(g->path), sp + 1) < 0)
			return err_set(e, EBADMSG, "read '%s': entry too long", path);
		out->n++;
	}
	return 0;
}

int limits_group_save(const char *dir, const struct limits_groups *g, struct err *e)
{
	char path[PATH_MAX], text[LIMITS_GROUPS_MAX * 512];
	struct path_content c = { .buf = text, .mode = 0600 };

	for (unsigned int i = 0; i < g->n; i++) {
		if (str_format(text + c.len, sizeof(text) - c.len, "%s %s\n", g->g[i].controller,
			       g->g[i].path) < 0)
			return err_set(e, ENAMETOOLONG, "list the groups of '%s': paths too long",
				       dir);
		c.len += strlen(text + c.len);
	}
	if (str_format(path, sizeof(path), "%s/groups", dir) < 0)
		return err_set(e, ENAMETOOLONG, "list the groups of '%s': path too long", dir);
	return path_write_atomic(AT_FDCWD, path, &c, e);
}

const struct limits_group *limits_group_find(const struct limits_groups *g, const char *controller)
{
	for (unsigned int i = 0; i < g->n; i++)
		if (!strcmp(g->g[i].controller, controller))
			return &g->g[i];
	return NULL;
}

static int put(const char *group, const char *file, const char *value)
{
	char path[PATH_MAX];
	struct err ignored;

	if (str_format(path, sizeof(path), "%s/%s", group, file) < 0)
		return -ENAMETOOLONG;
	return path_write_sys(path, value, &ignored);
}

/* Is the process behind the pidfd still a member? Its number may have been given to another one since we read it. */
static bool member(int pid, const char *group)
{
	char name[32], line[PATH_MAX + 256];
	auto_file FILE *f = NULL;

	(void)str_format(name, sizeof(name), "/proc/%d/cgroup", pid);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		if (strlen(path) > 1 && ends_with(group, path))
			return true;
	}
	return false;
}

/* SIGKILL every process in the group's list: how many there were, or -errno. */
static int kill_members(const char *group)
{
	char path[PATH_MAX], line[32];
	auto_file FILE *f = NULL;
	int n = 0;

	if (str_format(path, sizeof(path), "%s/cgroup.procs", group) < 0)
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), f)) {
		auto_fd int fd = -1;
		uint64_t pid;

		line[strcspn(line, "\n")] = '\0';
		if (num_u64(line, 1, INT_MAX, &pid, NULL) < 0)
			continue;
		n++;
		fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
		if (fd >= 0 && member((int)pid, group))
			(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	}
	return n;
}

static void pause_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static int kill_rounds(const char *group, struct err *e)
{
	int n = 1;

	for (int i = 0; i < KILL_ROUNDS && n > 0; i++) {
		n = kill_members(group);
		if (n > 0 && i > 0)
			pause_ms(ROUND_MS);
	}
	if (n < 0)
		return err_ret(e, n, "kill the processes of '%s'", group);
	return n > 0 ? err_set(e, EBUSY, "kill the processes of '%s': %d still live", group, n) : 0;
}

int limits_group_kill(const struct limits_groups *g, struct err *e)
{
	const struct limits_group *v2 = limits_group_find(g, LIMITS_UNIFIED);
	const struct limits_group *ice = limits_group_find(g, "freezer");
	char payload[PATH_MAX + 16];
	int r;

	if (v2) {
		if (put(v2->path, "cgroup.kill", "1") == 0)
			return 0;
		/* Not there, or a kernel before 5.14, which cannot do it in one write. */
		(void)str_format(payload, sizeof(payload), "%s/payload", v2->path);
		return kill_rounds(payload, e);
	}
	if (ice) {
		/* Frozen, no process can fork away; it dies when thawed. */
		(void)put(ice->path, "freezer.state", "FROZEN");
		r = kill_members(ice->path);
		(void)put(ice->path, "freezer.state", "THAWED");
		if (r < 0)
			return err_ret(e, r, "kill the processes of '%s'", ice->path);
	}
	return g->n ? kill_rounds(ice ? ice->path : g->g[0].path, e) : 0;
}

/* One pass from the leaves up. 0 when the group is gone. */
static int remove_pass(int parent, const char *name)
{
	auto_dir DIR *dir = NULL;
	int fd, r = 0;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	for (struct dirent *d; (d = readdir(dir));)
		if (d->d_type == DT_DIR && strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			(void)remove_pass(fd, d->d_name);
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int limits_group_remove(const char *path, unsigned int ms, struct err *e)
{
	uint64_t end = clk_now_us() + (uint64_t)ms * 1000;
	int r;

	while ((r = remove_pass(AT_FDCWD, path)) == -EBUSY && clk_now_us() < end)
		pause_ms(1);
	if (r == -EBUSY)
		return err_set(e, EBUSY, "remove group '%s': processes are still in it", path);
	return r < 0 ? err_ret(e, r, "remove group '%s'", path) : 0;
}

int limits_group_counter(const char *path, const char *file, const char *key,
			 unsigned long long *out, struct err *e)
{
	char name[PATH_MAX], text[4096], *save = NULL;
	size_t len, n = strlen(key);
	int r;

	if (str_format(name, sizeof(name), "%s/%s", path, file) < 0)
		return err_set(e, ENAMETOOLONG, "read '%s' of '%s': path too long", file, path);
	r = path_read(AT_FDCWD, name, text, sizeof(text), &len, e);
	if (r < 0)
		return r;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		uint64_t v;

		if (strncmp(l, key, n) || l[n] != ' ')
			continue;
		if (num_u64(l + n + 1, 0, UINT64_MAX, &v, NULL) < 0)
			break;
		*out = v;
		return 0;
	}
	return err_set(e, EBADMSG, "read '%s': no %s in it", name, key);
}
