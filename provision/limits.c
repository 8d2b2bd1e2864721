/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limits of one workspace, made with libcgroup: which groups, which values, and clear refusals when the host lacks
 * a controller that the configuration asks for.  Runs in workers; limits_oom_kills, _path and _describe in provisiond.
 */
#include "limits.h"

#include <fcntl.h>
#include <libcgroup.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "hugepages.h"
#include "limits_cpu.h"
#include "limits_device.h"
#include "limits_group.h"
#include "limits_v2.h"
#include "numa.h"

#define CREATE_TRIES 5 /* another worker may remove the empty parent between two of our mkdirs */
#define REMOVE_MS    3000

static const char *const controllers[] = { "memory", "pids", "cpu", "cpuset", "hugetlb" };
#define NCONTROLLERS (sizeof(controllers) / sizeof(controllers[0]))

/* One value to write. */
struct value {
	const char *controller, *file;
	char text[160];
};
struct values {
	unsigned int n;
	struct value v[16];
};

/* Where a controller is: its mount point, which kind, our own group in it. */
struct place {
	bool there, v2;
	char mount[PATH_MAX], base[PATH_MAX];
};

static void quiet(void *ctx, int level, const char *fmt, va_list ap)
{
	(void)ctx, (void)level, (void)fmt, (void)ap;
}

static const char *reason(int r)
{
	return r == ECGOTHER && cgroup_get_last_errno() ? strerror(cgroup_get_last_errno())
							: cgroup_strerror(r);
}

/* libcgroup keeps what it learned in the process; a worker inherits it from provisiond. */
static int ready(struct err *e)
{
	char *mount = NULL;
	int r = cgroup_get_subsys_mount_point("memory", &mount);

	free(mount);
	if (r != ECGROUPNOTINITIALIZED)
		return 0;
	/* It would write to stderr otherwise; what went wrong is in its return values. */
	cgroup_set_logger(quiet, CGROUP_LOG_ERROR, NULL);
	r = cgroup_init();
	if (r != 0 && r != ECGROUPNOTMOUNTED)
		return err_set(e, EIO, "initialise 'libcgroup': %s", reason(r));
	return 0;
}

static int find(const char *controller, struct place *pl, struct err *e)
{
	auto_free char *mount = NULL;
	int r;

	memset(pl, 0, sizeof(*pl));
	if (cgroup_get_subsys_mount_point(controller, &mount) != 0 || !mount)
		return 0;
	if (str_copy(pl->mount, sizeof(pl->mount), mount) < 0)
		return err_set(e, ENAMETOOLONG, "find controller '%s': path too long", controller);
	pl->v2 = limits_group_is_v2(pl->mount);
	r = limits_group_base(pl->v2 ? LIMITS_UNIFIED : controller, pl->mount, pl->base,
			      sizeof(pl->base), e);
	if (r < 0 && r != -ENOENT)
		return r;
	pl->there = r == 0;
	if (pl->there && pl->v2) {
		char have[512] = "", path[PATH_MAX];
		size_t len;

		/*
		 * A container may own a v2 tree in which only some controllers were given to it. What the groups
		 * between there and ours have is no matter: limits_v2_reach enables it.
		 */
		if (str_format(path, sizeof(path), "%s/cgroup.controllers", pl->mount) == 0 &&
		    path_read(AT_FDCWD, path, have, sizeof(have), &len, e) == 0)
			pl->there = limits_cpu_word(have, controller);
	}
	return 0;
}

static void add(struct values *vs, const char *controller, const char *file, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void add(struct values *vs, const char *controller, const char *file, const char *fmt, ...)
{
	struct value *v = &vs->v[vs->n++];
	va_list ap;

	v->controller = controller;
	v->file = file;
	va_start(ap, fmt);
	(void)vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

static int lacking(const struct plan *p, const char *what, const char *controller, struct err *e)
{
	return err_set(
		e, EOPNOTSUPP,
		"limit %s of '%s': no %s controller is mounted (set %s = unlimited, or mount it)",
		what, p->rec->name, controller, what);
}

/* The swap limit of v2 is written by limits_v2_swap: whether its file exists shows only in the new group. */
static int memory_values(const struct plan *p, const struct place *pl, struct values *vs,
			 struct err *e)
{
	const struct spec *s = p->spec;
	char probe[PATH_MAX];
	struct stat st;
	bool accounts;

	if (s->memory == SETTINGS_UNLIMITED && s->swap == SETTINGS_UNLIMITED)
		return 0;
	if (!pl->there)
		return lacking(p, s->memory != SETTINGS_UNLIMITED ? "memory" : "swap", "memory", e);
	if (pl->v2) {
		if (s->memory != SETTINGS_UNLIMITED)
			add(vs, "memory", "memory.max", "%llu", (unsigned long long)s->memory);
		else
			add(vs, "memory", "memory.max", "max");
		return 0;
	}
	if (s->memory != SETTINGS_UNLIMITED)
		add(vs, "memory", "memory.limit_in_bytes", "%llu", (unsigned long long)s->memory);
	(void)str_format(probe, sizeof(probe), "%s/memory.memsw.limit_in_bytes", pl->base);
	accounts = stat(probe, &st) == 0;
	if (s->swap == SETTINGS_UNLIMITED)
		return 0;
	if (accounts && s->memory != SETTINGS_UNLIMITED)
		add(vs, "memory", "memory.memsw.limit_in_bytes", "%llu",
		    (unsigned long long)(s->memory + s->swap));
	else if (s->swap == 0)
		add(vs, "memory", "memory.swappiness", "0");
	else
		return err_set(e, EOPNOTSUPP, "limit swap of '%s': %s (set swap = 0 or unlimited)",
			       p->rec->name,
			       accounts ? "cgroup v1 limits memory and swap together, and memory "
					  "is unlimited"
					: "this kernel does not account swap");
	return 0;
}

/* As configured, or those near a device that were chosen for it; all, when that device (nic_policy = optional) is missing. */
static const char *cpus_of(const struct plan *p)
{
	if (p->rec->cpus[0])
		return p->rec->cpus;
	return strncmp(p->spec->cpus, "auto:", 5) == 0 ? "" : p->spec->cpus;
}

static int cpu_values(const struct plan *p, const struct place *cpu, const struct place *set,
		      struct values *vs, struct err *e)
{
	struct limits_cpu c;
	int r = limits_cpu_parse(cpus_of(p), &c, e);

	if (r < 0)
		return err_wrap(e, "limit cpus of '%s'", p->rec->name);
	if (c.count) {
		if (!cpu->there)
			return lacking(p, "cpus", "cpu", e);
		if (cpu->v2) {
			add(vs, "cpu", "cpu.max", "%u 100000", c.count * 100000);
		} else {
			add(vs, "cpu", "cpu.cfs_period_us", "100000");
			add(vs, "cpu", "cpu.cfs_quota_us", "%u", c.count * 100000);
		}
	}
	if (c.list[0]) {
		char mems[160];

		if (!set->there)
			return lacking(p, "cpus", "cpuset", e);
		add(vs, "cpuset", "cpuset.cpus", "%s", c.list);
		/* v1 takes no process into a set without memory nodes. */
		if (!set->v2 && limits_cpu_inherit(set->base, p->settings->limits.cgroup, mems,
						   sizeof(mems), e) < 0)
			return err_wrap(e, "limit cpus of '%s'", p->rec->name);
		/* Chosen near a device: its memory too, where the host says which that is. */
		if (p->rec->cpus[0] && numa_node_of(p->settings->hardware.sysfs, c.list) >= 0)
			add(vs, "cpuset", "cpuset.mems", "%d",
			    numa_node_of(p->settings->hardware.sysfs, c.list));
		else if (!set->v2)
			add(vs, "cpuset", "cpuset.mems", "%s", mems);
	}
	return 0;
}

static int all_values(const struct plan *p, const struct place *pl, struct values *vs,
		      struct err *e)
{
	int r = memory_values(p, &pl[0], vs, e);

	if (r < 0)
		return r;
	if (p->spec->pids) {
		if (!pl[1].there)
			return lacking(p, "pids", "pids", e);
		add(vs, "pids", "pids.max", "%u", p->spec->pids);
	}
	return cpu_values(p, &pl[2], &pl[3], vs, e);
}

/*
 * mmap(MAP_HUGETLB) takes from the pool without any mount, so everybody is limited, most to nothing: what is used, and
 * what is reserved, so that too much is refused at once instead of ending in SIGBUS.  Without the controller the mounts'
 * sizes are the only limit (`sshbay doctor` tells).
 */
static void huge_values(struct plan *p, struct place *pl, struct values *vs)
{
	static const char *const files[HUGEPAGES_KINDS][2][2] = {
		{ { "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.rsvd.limit_in_bytes" },
		  { "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max" } },
		{ { "hugetlb.1GB.limit_in_bytes", "hugetlb.1GB.rsvd.limit_in_bytes" },
		  { "hugetlb.1GB.max", "hugetlb.1GB.rsvd.max" } },
	};
	struct hugepages_pool pool;
	struct err ignored;

	if (pl->there && pl->v2)
		pl->there = limits_v2_reach(pl->mount, pl->base, "hugetlb", &ignored) == 0;
	for (unsigned int k = 0; k < HUGEPAGES_KINDS && pl->there; k++) {
		uint64_t bytes =
			(uint64_t)*hugepages_promised(p->rec, k) * 1024 * hugepages_kinds[k].kib;

		/* The controller's files are this kernel's, whatever tree [hardware] names. */
		if (hugepages_pool("/sys", k, &pool, &ignored) < 0)
			continue;
		for (unsigned int i = 0; i < 2; i++)
			add(vs, "hugetlb", files[k][pl->v2][i], "%llu", (unsigned long long)bytes);
	}
}

static int list_add(const struct plan *p, struct limits_groups *g, const char *controller,
		    const char *base, struct err *e)
{
	struct limits_group *to = &g->g[g->n++];

	(void)str_copy(to->controller, sizeof(to->controller), controller);
	if (str_format(to->path, sizeof(to->path), "%s/%s/%s", base, p->settings->limits.cgroup,
		       p->rec->name) < 0)
		return err_set(e, ENAMETOOLONG, "limit '%s': group path too long", p->rec->name);
	return 0;
}

/* The groups to make: one for v2, and one per v1 controller that is wanted or useful for counting and killing. */
static int list_groups(const struct plan *p, const struct place *pl, struct limits_groups *g,
		       struct err *e)
{
	const char *unified = limits_group_unified();
	char base[PATH_MAX];
	struct place other;
	int r = 0;

	g->n = 0;
	if (unified && limits_group_base(LIMITS_UNIFIED, unified, base, sizeof(base), e) == 0)
		r = list_add(p, g, LIMITS_UNIFIED, base, e);
	for (unsigned int i = 0; i < NCONTROLLERS && r == 0; i++) {
		bool cpuset = !strcmp(controllers[i], "cpuset");
		bool list = strpbrk(cpus_of(p), "-,") != NULL;

		/* An empty v1 cpuset takes no process; without a list the workspace stays in ours. */
		if (pl[i].there && !pl[i].v2 && (!cpuset || list))
			r = list_add(p, g, controllers[i], pl[i].base, e);
	}
	if (r == 0)
		r = find(LIMITS_DEVICE_CONTROLLER, &other, e);
	if (r == 0 && other.there && !other.v2)
		r = list_add(p, g, LIMITS_DEVICE_CONTROLLER, other.base, e);
	if (r == 0 && !limits_group_find(g, LIMITS_UNIFIED)) {
		r = find("freezer", &other, e);
		if (r == 0 && other.there && !other.v2)
			r = list_add(p, g, "freezer", other.base, e);
	}
	return r;
}

/* libcgroup wants the name below the mount point of the controller. */
static const char *below_mount(const char *path, const char *mount)
{
	path += strlen(mount);
	return path + strspn(path, "/");
}

static int create(const struct plan *p, const char *name, const char *controller,
		  const struct values *vs, struct err *e)
{
	bool v2 = !strcmp(controller, LIMITS_UNIFIED);
	int r = ECGFAIL;

	for (int try = 0; try < CREATE_TRIES && r != 0; try++) {
		struct cgroup *g = cgroup_new_cgroup(name);
		struct cgroup_controller *c =
			g && !v2 ? cgroup_add_controller(g, controller) : NULL;

		for (unsigned int i = 0; g && i < vs->n; i++) {
			const struct value *v = &vs->v[i];

			if (!v2 && strcmp(v->controller, controller))
				continue;
			if (v2 && !cgroup_get_controller(g, v->controller))
				(void)cgroup_add_controller(g, v->controller);
			c = cgroup_get_controller(g, v->controller);
			if (c)
				(void)cgroup_add_value_string(c, v->file, v->text);
		}
		r = g ? cgroup_create_cgroup(g, 1) : ECGFAIL;
		cgroup_free(&g);
		if (r != ECGOTHER || cgroup_get_last_errno() != ENOENT)
			break;
	}
	return r ? err_set(e,
			   r == ECGOTHER && cgroup_get_last_errno() ? cgroup_get_last_errno() : EIO,
			   "limit '%s': make %s group '%s': %s", p->rec->name, controller, name,
			   reason(r))
		 : 0;
}

static int make_groups(const struct plan *p, const struct place *pl, const struct limits_groups *g,
		       const struct values *vs, struct err *e)
{
	const struct limits_group *v2 = limits_group_find(g, LIMITS_UNIFIED);
	struct values on_v2 = { 0 };
	char enable[64] = "";
	int r = 0;

	for (unsigned int i = 0; i < NCONTROLLERS; i++) {
		unsigned int before = on_v2.n;

		for (unsigned int k = 0; k < vs->n; k++)
			if (pl[i].v2 && !strcmp(vs->v[k].controller, controllers[i]))
				on_v2.v[on_v2.n++] = vs->v[k];
		if (on_v2.n == before)
			continue;
		(void)str_format(enable + strlen(enable), sizeof(enable) - strlen(enable), "+%s ",
				 controllers[i]);
		r = limits_v2_reach(pl[i].mount, pl[i].base, controllers[i], e);
		if (r < 0)
			return err_wrap(e, "limit '%s'", p->rec->name);
	}
	if (v2 && on_v2.n)
		r = create(p, below_mount(v2->path, limits_group_unified()), LIMITS_UNIFIED, &on_v2,
			   e);
	if (r == 0 && v2)
		r = limits_v2_delegate(p, v2->path, enable, e);
	if (r == 0 && v2 && pl[0].v2)
		r = limits_v2_swap(p, v2->path, e);
	for (unsigned int i = 0; i < g->n && r == 0; i++) {
		auto_free char *mount = NULL;

		if (&g->g[i] == v2)
			continue;
		if (cgroup_get_subsys_mount_point(g->g[i].controller, &mount) != 0 || !mount)
			return err_set(e, ENOENT, "limit '%s': the %s controller has gone",
				       p->rec->name, g->g[i].controller);
		r = create(p, below_mount(g->g[i].path, mount), g->g[i].controller, vs, e);
	}
	return r;
}

int limits_up(struct plan *p, struct err *e)
{
	struct place pl[NCONTROLLERS];
	struct limits_groups g;
	struct values vs = { 0 };
	int r = ready(e);

	for (unsigned int i = 0; i < NCONTROLLERS && r == 0; i++)
		r = find(controllers[i], &pl[i], e);
	if (r == 0)
		r = all_values(p, pl, &vs, e);
	if (r < 0)
		return r;
	huge_values(p, &pl[4], &vs);
	/* Groups of an earlier life would keep its values: a fresh start is simpler than telling them apart. */
	r = limits_down(p, e);
	if (r == 0)
		r = path_mkdirs(p->dir, 0700, e);
	if (r == 0)
		r = list_groups(p, pl, &g, e);
	if (r == 0)
		r = limits_group_save(p->dir, &g, e);
	return r < 0 ? r : make_groups(p, pl, &g, &vs, e);
}

/* The list last: while it is there, what it names may be. */
static int forget(const struct plan *p, struct err *e)
{
	/* The second is what path_write_atomic leaves when it is killed. */
	static const char *const files[] = { "groups", ".groups.new" };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < 2; i++)
		if (str_format(path, sizeof(path), "%s/%s", p->dir, files[i]) < 0 ||
		    (unlink(path) < 0 && errno != ENOENT))
			return err_sys(e, "remove '%s'", path);
	(void)rmdir(p->dir);
	return 0;
}

int limits_down(struct plan *p, struct err *e)
{
	struct limits_groups g;
	int r = limits_group_load(p->dir, &g, e);

	if (r == -ENOENT)
		return forget(p, e);
	for (unsigned int i = 0; i < g.n && r == 0; i++) {
		r = limits_group_remove(g.g[i].path, REMOVE_MS, e);
		/* The instance's own group goes with its last workspace; EBUSY while it has others. */
		*strrchr(g.g[i].path, '/') = '\0';
		(void)rmdir(g.g[i].path);
	}
	return r < 0 ? r : forget(p, e);
}

int limits_join(struct plan *p, struct err *e)
{
	struct limits_groups g;
	int r = limits_group_load(p->dir, &g, e);

	for (unsigned int i = 0; i < g.n && r == 0; i++) {
		auto_free char *mount = NULL;
		struct cgroup *cg;

		if (!strcmp(g.g[i].controller, LIMITS_UNIFIED))
			continue;
		if (cgroup_get_subsys_mount_point(g.g[i].controller, &mount) != 0 || !mount)
			return err_set(e, ENOENT, "join group '%s': not mounted", g.g[i].path);
		cg = cgroup_new_cgroup(below_mount(g.g[i].path, mount));
		if (!cg || !cgroup_add_controller(cg, g.g[i].controller))
			r = err_set(e, ENOMEM, "join group '%s': out of memory", g.g[i].path);
		else if ((r = cgroup_attach_task_pid(cg, 0)) != 0)
			r = err_set(e, EIO, "join group '%s': %s", g.g[i].path, reason(r));
		cgroup_free(&cg);
	}
	return r;
}

int limits_payload(struct plan *p, struct err *e)
{
	const struct limits_group *v2;
	struct limits_groups g;
	char path[PATH_MAX];
	int r = limits_group_load(p->dir, &g, e);

	if (r < 0)
		return r;
	v2 = limits_group_find(&g, LIMITS_UNIFIED);
	if (!v2)
		return err_set(e, ENOENT, "open the payload group of '%s': no v2 hierarchy",
			       p->rec->name);
	if (str_format(path, sizeof(path), "%s/payload", v2->path) < 0)
		return err_set(e, ENAMETOOLONG, "open the payload group of '%s': path too long",
			       p->rec->name);
	return path_open_dir(path, e);
}

int limits_kill(struct plan *p, struct err *e)
{
	struct limits_groups g;
	int r = limits_group_load(p->dir, &g, e);

	return r == -ENOENT ? 0 : r < 0 ? r : limits_group_kill(&g, e);
}

static int load_of(const struct settings *s, const char *name, struct limits_groups *g,
		   struct err *e)
{
	char dir[PATH_MAX];

	if (str_format(dir, sizeof(dir), "%s/ws/%s", s->storage.run, name) < 0)
		return err_set(e, ENAMETOOLONG, "find the groups of '%s': path too long", name);
	return limits_group_load(dir, g, e);
}

int limits_oom_kills(const struct settings *s, const char *name, uint64_t *kills, struct err *e)
{
	const struct limits_group *m;
	struct limits_groups g;
	unsigned long long v;
	int r = load_of(s, name, &g, e);

	*kills = 0;
	if (r < 0)
		return r;
	m = limits_group_find(&g, "memory");
	if (m)
		r = limits_group_counter(m->path, "memory.oom_control", "oom_kill", &v, e);
	else if ((m = limits_group_find(&g, LIMITS_UNIFIED)))
		r = limits_group_counter(m->path, "memory.events", "oom_kill", &v, e);
	else
		return err_set(e, ENOENT, "count the OOM kills of '%s': no memory group", name);
	if (r == 0)
		*kills = v;
	return r;
}

int limits_path(const struct settings *s, const char *name, char *buf, size_t size, struct err *e)
{
	const struct limits_group *m;
	struct limits_groups g;
	int r = load_of(s, name, &g, e);

	if (r < 0)
		return r;
	m = limits_group_find(&g, "memory");
	if (!m && g.n == 0)
		return err_set(e, ENOENT, "find the groups of '%s': it has none", name);
	if (str_copy(buf, size, m ? m->path : g.g[0].path) < 0)
		return err_set(e, ENAMETOOLONG, "find the groups of '%s': path too long", name);
	return 0;
}

int limits_describe(char *buf, size_t size, struct err *e)
{
	static const char *const known[] = {
		"cpu", "cpuset", "memory", "pids", "hugetlb", "freezer", LIMITS_DEVICE_CONTROLLER
	};
	char text[2][160] = { "", "" };
	int r = ready(e);

	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]) && r == 0; i++) {
		struct place pl;
		char *to;

		r = find(known[i], &pl, e);
		to = text[pl.v2];
		if (pl.there)
			(void)str_format(to + strlen(to), sizeof(text[0]) - strlen(to), " %s",
					 known[i]);
	}
	if (r < 0)
		return r;
	(void)str_format(buf, size, "v1:%s; v2:%s", text[0][0] ? text[0] : " none",
			 text[1][0]               ? text[1]
			 : limits_group_unified() ? " mounted, no controllers"
						  : " none");
	return 0;
}
