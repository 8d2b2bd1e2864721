/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The step table of a workspace and the two ways through it.  Runs in workers.  Knows no step from inside: what a step
 * makes, its own file makes and undoes.
 */
#include "plan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "devices.h"
#include "gpu_lease.h"
#include "limits.h"
#include "net.h"
#include "nic.h"
#include "ns.h"
#include "proto/work.h"
#include "rdma.h"
#include "rootfs.h"

/* Leases are taken and given back by the registry in provisiond's main process, before and after a worker lives. */
static int lease_up(struct plan *p, struct err *e)
{
	return p->rec->name[0] ? 0 : err_set(e, EINVAL, "lease for '': the record has no name");
}

static int nothing_down(struct plan *p, struct err *e)
{
	(void)p, (void)e;
	return 0;
}

const struct step plan_steps[] = {
	{ "lease", lease_up, nothing_down, true, false },
	{ "gpu", gpu_lease_up, gpu_lease_down, true, false },
	{ "limits", limits_up, limits_down, false, false },
	{ "namespaces", ns_up, ns_down, true, false },
	{ "net", net_up, net_down, true, false },
	{ "nic", nic_up, nic_down, true, true },
	{ "rdma", rdma_up, rdma_down, true, true },
	{ "rootfs", rootfs_up, rootfs_down, false, false },
	{ "init", ns_init_up, ns_init_down, false, false },
	{ "devices", devices_up, devices_down, false, false },
	{ "ready", ns_ready_up, nothing_down, false, false },
};
const unsigned int plan_nsteps = sizeof(plan_steps) / sizeof(plan_steps[0]);

static void report(const struct plan *p, const struct step *s, bool up, bool done, uint64_t us)
{
	struct work_step m = { .us = us, .up = up, .done = done };
	struct err ignored;

	if (p->report < 0)
		return;
	(void)str_copy(m.step, sizeof(m.step), s->name);
	(void)str_copy(m.detail, sizeof(m.detail), p->detail);
	/* A provisiond that is gone reads no reports; the step goes on, and the restarted one finds its result. */
	(void)msg_send(p->report, &work_proto, WORK_STEP, &m, &ignored);
}

/* "step.NAME.up", "step.NAME.up.done", "step.NAME.down", "step.NAME.down.done" for tests that kill or fail there. */
static int fault(const struct step *s, const char *way, const char *when, struct err *e)
{
	char point[64];
	int r;

	(void)str_format(point, sizeof(point), "step.%s.%s%s", s->name, way, when);
	r = fault_point(point);
	return r < 0 ? err_ret(e, r, "run step '%s'", s->name) : 0;
}

static int run(struct plan *p, const struct step *s, bool up, struct err *e)
{
	const char *way = up ? "up" : "down";
	uint64_t start = clk_now_us();
	int r;

	p->detail[0] = '\0';
	(void)str_copy(p->rec->step, sizeof(p->rec->step), s->name);
	report(p, s, up, false, 0);
	r = fault(s, way, "", e);
	if (r == 0)
		r = up ? s->up(p, e) : s->down(p, e);
	if (r == 0)
		r = fault(s, way, ".done", e);
	if (r == 0)
		report(p, s, up, true, clk_now_us() - start);
	return r;
}

/* Undo steps [0, n) in reverse, all or those that a stop takes down. The first failure is kept, the rest still runs,
 * but for what a step guards. */
static int undo(struct plan *p, unsigned int n, bool all, struct err *e)
{
	struct err later;
	int first = 0;

	while (n-- > 0) {
		const struct step *s = &plan_steps[n];
		int r;

		if (!all && s->keep_on_stop)
			continue;
		r = run(p, s, false, first < 0 ? &later : e);
		if (r < 0 && first == 0)
			first = r;
		if (r < 0 && s->guards)
			break;
	}
	return first;
}

int plan_up(struct plan *p, struct err *e)
{
	char why[ERR_TEXT_MAX];
	struct err left;
	int r = 0;

	if (!p->spec)
		return err_set(e, EINVAL, "start '%s': no configuration given", p->rec->name);
	for (unsigned int i = 0; i < plan_nsteps; i++) {
		r = run(p, &plan_steps[i], true, e);
		if (r == 0)
			continue;
		if (undo(p, i + 1, true, &left) < 0 && e) {
			(void)str_copy(why, sizeof(why), e->text);
			(void)err_set(e, e->code, "%s; undo: %s", why, left.text);
		}
		return r;
	}
	return 0;
}

int plan_down(struct plan *p, bool all, struct err *e)
{
	return undo(p, plan_nsteps, all, e);
}

int plan_attach(struct plan *p, bool *clean, struct err *e)
{
	struct err later = { 0 };
	char path[PATH_MAX];
	int ret;

	if (str_format(path, sizeof(path), "%s/net", p->dir))
		return err_set(e, ENAMETOOLONG, "open '%s/net': name too long", p->dir);
	p->netns = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (p->netns < 0)
		return err_sys(e, "open '%s'", path);
	for (unsigned int i = 0; i < plan_nsteps; i++) {
		const struct step *s = &plan_steps[i];

		if (strcmp(s->name, "nic") != 0)
			continue;
		ret = run(p, s, true, e);
		if (ret == 0)
			return 0;
		*clean = run(p, s, false, &later) == 0;
		return ret;
	}
	return err_set(e, ENOENT, "run step 'nic': there is none");
}

int plan_purge(struct plan *p, struct err *e)
{
	char parent[PATH_MAX];
	auto_fd int fd = -1;
	char *slash;

	(void)str_copy(parent, sizeof(parent), p->store);
	slash = strrchr(parent, '/');
	if (!slash || !str_is_name(p->rec->name, strlen(p->rec->name)) ||
	    strcmp(slash + 1, p->rec->name))
		return err_set(e, EINVAL, "remove the files of '%s': '%s' is not its store",
			       p->rec->name, p->store);
	*slash = '\0';
	fd = path_open_dir(parent, e);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_wrap(e, "remove the files of '%s'", p->rec->name);
	return path_remove_tree(fd, p->rec->name, e) < 0
		       ? err_wrap(e, "remove the files of '%s'", p->rec->name)
		       : 0;
}

void plan_init(struct plan *p, const struct settings *s, const struct spec *spec,
	       struct record *rec)
{
	memset(p, 0, sizeof(*p));
	p->settings = s;
	p->spec = spec;
	p->rec = rec;
	/* An empty path is refused by the first call that uses it; a cut one could be another workspace's. */
	if (str_format(p->dir, sizeof(p->dir), "%s/ws/%s", s->storage.run, rec->name) < 0)
		p->dir[0] = '\0';
	if (str_format(p->store, sizeof(p->store), "%s/workspaces/%s", s->storage.state,
		       rec->name) < 0)
		p->store[0] = '\0';
	p->initfd = p->filterfd = p->userns = p->netns = -1;
	p->rootfd = p->listenfd = p->pidfd = p->report = -1;
}

void plan_close(struct plan *p)
{
	fd_close(&p->userns);
	fd_close(&p->netns);
	fd_close(&p->rootfd);
	fd_close(&p->listenfd);
	fd_close(&p->pidfd);
	free(p->given);
	p->given = NULL;
}
