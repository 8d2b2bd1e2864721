/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The v2 part of `limits` that is plain file work. Runs in workers. Never gives a tenant a file that holds a limit. */
#include "limits_v2.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "limits_cpu.h"

#define MAKE_TRIES 5    /* another worker may remove the empty parent between two of our mkdirs */
#define DEPTH_MAX  "32" /* nested groups that a tenant may make */
#define GROUPS_MAX "1024"

static int make_dir(const char *path, struct err *e)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? err_sys(e, "make group '%s'", path) : 0;
}

static int put(const char *group, const char *file, const char *value, struct err *e)
{
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s/%s", group, file) < 0)
		return err_set(e, ENAMETOOLONG, "write '%s' of '%s': path too long", file, group);
	return path_write_sys(path, value, e);
}

/* Give the children of one group the controller. */
static int enable_below(const char *group, const char *controller, struct err *e)
{
	char path[PATH_MAX], have[512], text[32];
	size_t len;
	int r;

	if (str_format(path, sizeof(path), "%s/cgroup.subtree_control", group) < 0 ||
	    str_format(text, sizeof(text), "+%s", controller) < 0)
		return err_set(e, ENAMETOOLONG, "enable %s below '%s': path too long", controller,
			       group);
	r = path_read(AT_FDCWD, path, have, sizeof(have), &len, e);
	if (r < 0 || limits_cpu_word(have, controller))
		return r;
	r = path_write_sys(path, text, e);
	return r == -EBUSY ? err_set(e, EBUSY,
				     "enable the %s controller below '%s': the group holds "
				     "processes (start provisiond as a service)",
				     controller, group)
			   : r;
}

int limits_v2_reach(const char *mount, const char *base, const char *controller, struct err *e)
{
	size_t len = strlen(mount);
	char path[PATH_MAX];
	int r = enable_below(mount, controller, e);

	while (r == 0 && base[len]) {
		len += strspn(base + len, "/");
		len += strcspn(base + len, "/");
		if (str_format(path, sizeof(path), "%.*s", (int)len, base) < 0)
			return err_set(e, ENAMETOOLONG, "enable %s below '%s': path too long",
				       controller, base);
		r = enable_below(path, controller, e);
	}
	return r;
}

static int give(const char *payload, const char *file, uid_t owner, struct err *e)
{
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s%s%s", payload, file[0] ? "/" : "", file) < 0)
		return err_set(e, ENAMETOOLONG, "delegate group '%s': path too long", payload);
	return chown(path, owner, owner) < 0 && errno != ENOENT ? err_sys(e, "delegate '%s'", path)
								: 0;
}

static int make_both(const char *group, const char *payload, struct err *e)
{
	char parent[PATH_MAX];
	int r = 0;

	if (str_copy(parent, sizeof(parent), group) < 0)
		return err_set(e, ENAMETOOLONG, "make group '%s': path too long", group);
	*strrchr(parent, '/') = '\0';
	for (int try = 0; try < MAKE_TRIES; try++) {
		r = make_dir(parent, e);
		if (r == 0)
			r = make_dir(group, e);
		if (r != -ENOENT)
			break;
	}
	return r < 0 ? r : make_dir(payload, e);
}

int limits_v2_delegate(const struct plan *p, const char *group, const char *enable, struct err *e)
{
	/* Exactly the files of cgroups(7), "Cgroups delegation". */
	static const char *const files[] = { "", "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control" };
	uid_t owner = (uid_t)p->rec->id_base;
	char payload[PATH_MAX];
	struct err ignored;
	int r;

	if (str_format(payload, sizeof(payload), "%s/payload", group) < 0)
		return err_set(e, ENAMETOOLONG, "delegate group '%s': path too long", group);
	r = make_both(group, payload, e);
	if (r == 0 && enable[0])
		r = put(group, "cgroup.subtree_control", enable, e);
	/* Bounds that a kernel may lack are no reason to refuse a workspace: its memory limit bounds groups too. */
	(void)put(group, "cgroup.max.depth", DEPTH_MAX, &ignored);
	(void)put(group, "cgroup.max.descendants", GROUPS_MAX, &ignored);
	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]) && r == 0; i++)
		r = give(payload, files[i], owner, e);
	return r;
}

static bool host_swaps(void)
{
	auto_file FILE *f = fopen("/proc/swaps", "re");
	char line[256];

	return f && fgets(line, sizeof(line), f) && fgets(line, sizeof(line), f);
}

int limits_v2_swap(const struct plan *p, const char *group, struct err *e)
{
	char text[32];
	int r;

	if (p->spec->swap == SETTINGS_UNLIMITED)
		return 0;
	(void)str_format(text, sizeof(text), "%llu", (unsigned long long)p->spec->swap);
	r = put(group, "memory.swap.max", text, e);
	if (r == -ENOENT)
		return host_swaps()
			       ? err_set(e, EOPNOTSUPP,
					 "limit swap of '%s': this kernel does not account swap "
					 "(set swap = unlimited)",
					 p->rec->name)
			       : 0;
	return r;
}
