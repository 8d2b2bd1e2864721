/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a worker, in the fork: shedding what is the daemon's, the order, the report.  It holds no descriptor of the
 * daemon but its report socket, the images for ws-init and the lock; it dies with its parent, so that a restarted provisiond
 * is alone with what it left.
 */
#include "worker_run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "disk.h"
#include "gpu_lease.h"
#include "hostnet.h"
#include "nic_home.h"
#include "plan.h"
#include "rdma.h"

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_others(const int *keep, unsigned int nkeep)
{
	int fds[WORKER_KEEP_MAX + 4] = { 0 };
	unsigned int n = 0, from = 3;

	for (unsigned int i = 0; i < nkeep; i++)
		if (keep[i] > 2)
			fds[n++] = keep[i];
	qsort(fds, n, sizeof(fds[0]), compare_fds);
	for (unsigned int i = 0; i < n; i++) {
		if ((unsigned int)fds[i] > from)
			close_range(from, (unsigned int)fds[i] - 1, 0);
		from = (unsigned int)fds[i] + 1;
	}
	close_range(from, ~0U, 0);
}

static void become_worker(const struct worker_order *o, const struct worker_run *r)
{
	int keep[WORKER_KEEP_MAX + 3];
	struct rlimit files;
	unsigned int n = 0;
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != r->parent)
		_exit(1);
	prctl(PR_SET_NAME, "sb-worker", 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What ws-init inherits: the daemon's own privileges of scheduling and limits stay with the daemon. */
	path_write_sys("/proc/self/oom_score_adj", "0", NULL);
	umask(022);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 1024) {
		files.rlim_cur = 1024;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (unsigned int i = 0; i < r->nkeep; i++)
		keep[n++] = r->keep[i];
	keep[n++] = r->report;
	keep[n++] = o->initfd;
	keep[n++] = o->filterfd;
	close_others(keep, n);
}

static int open_stores(const struct settings *s, struct err *e)
{
	char dir[PATH_MAX];

	if (str_format(dir, sizeof(dir), "%s/workspaces", s->storage.state))
		return err_set(e, ENAMETOOLONG, "open '%s': name too long", s->storage.state);
	return path_open_dir(dir, e);
}

static int remove_trash(const struct settings *s, const char *name, struct err *e)
{
	auto_fd int fd = open_stores(s, e);
	uid_t owner = 0;
	int ret;

	if (fd < 0)
		return fd;
	(void)disk_owner(fd, name, &owner);
	ret = path_remove_tree(fd, name, e);
	return ret || !owner ? ret : disk_forget(s, owner, e);
}

/* Renamed first: a half-deleted tree is never to be seen under the workspace's name. Resumable at any point. */
static int purge(struct plan *p, struct err *e)
{
	auto_fd int fd = open_stores(p->settings, e);
	char trash[STR_NAME_MAX + 16];
	int ret;

	if (fd < 0)
		return fd;
	str_format(trash, sizeof(trash), WORKER_TRASH_PREFIX "%s", p->rec->name);
	ret = path_remove_tree(fd, trash, e);
	if (!ret && renameat(fd, p->rec->name, fd, trash) == 0)
		ret = path_remove_tree(fd, trash, e);
	if (!ret)
		ret = plan_purge(p, e);
	return ret || !p->rec->id_count ? ret : disk_forget(p->settings, p->rec->id_base, e);
}

static int down_and_purge(struct plan *p, bool files, struct err *e)
{
	int ret = plan_down(p, true, e);

	return ret || !files ? ret : purge(p, e);
}

/* Returns 0, or -errno with *clean telling whether nothing is left of the attempt. */
static int run_up(struct plan *p, const struct worker_order *o, bool *clean, struct err *e)
{
	struct err undo = { 0 };
	int ret;

	ret = plan_up(p, e);
	if (!ret)
		return 0;
	/* plan_up has undone what it did. Once more with the verdict that it does not give: is it all gone? */
	*clean = down_and_purge(p, o->first, &undo) == 0;
	if (!*clean)
		log_warn("undo 'workspace %s': %s", p->rec->name, undo.text);
	return ret;
}

static int run_order(struct plan *p, const struct worker_order *o, bool *clean, struct err *e)
{
	switch (o->kind) {
	case WORKER_UP:
		return run_up(p, o, clean, e);
	case WORKER_DOWN:
		return plan_down(p, false, e);
	case WORKER_DOWN_ALL:
		return down_and_purge(p, false, e);
	case WORKER_PURGE:
		return down_and_purge(p, true, e);
	case WORKER_HOST:
		return hostnet_up(p->settings, e);
	case WORKER_TRASH:
		return remove_trash(p->settings, o->trash, e);
	case WORKER_ATTACH:
		return plan_attach(p, clean, e);
	case WORKER_NIC:
		return o->rdma ? rdma_recover(p->settings, o->device, o->force, e)
			       : nic_home_recover(p->settings, o->device, o->force, e);
	case WORKER_GPU:
		return o->device ? gpu_lease_recover(p->settings, o->device, e)
				 : gpu_lease_recover_dirty(p->settings, e);
	}
	return err_set(e, EINVAL, "run worker '%s': unknown order %d", p->rec->name, (int)o->kind);
}

static void report_done(int report, const struct plan *p, struct err *e)
{
	const struct record *r = p->rec;
	struct work_done done = {
		.init_pid = r->init_pid,
		.init_start = r->init_start,
		.ns_user = r->ns_user,
		.ns_net = r->ns_net,
		.ns_mnt = r->ns_mnt,
	};
	int pidfd = p->pidfd;

	memcpy(done.nic_name, r->nic.name, sizeof(done.nic_name));
	msg_send_fds(report, &work_proto, &(struct msg_out){ WORK_DONE, &done, &pidfd, pidfd >= 0 },
		     e);
}

static void report_failed(int report, const struct err *e)
{
	struct work_failed failed = { .code = (uint32_t)(e->code ? e->code : EIO) };
	struct err ignored;

	memcpy(failed.text, e->text, sizeof(failed.text));
	msg_send(report, &work_proto, WORK_FAILED, &failed, &ignored);
}

void worker_run(const struct worker_order *o, const struct worker_run *r)
{
	static const struct record no_record;
	static const struct spec no_spec;
	struct settings settings = *o->settings;
	struct record rec = o->rec ? *o->rec : no_record;
	struct err e = { 0 };
	bool clean = true;
	struct plan p;

	become_worker(o, r);
	if (o->timeout_s)
		settings.limits.stop_timeout = o->timeout_s;
	plan_init(&p, &settings, o->spec ? o->spec : &no_spec, &rec);
	p.initfd = o->initfd;
	p.filterfd = o->filterfd;
	p.report = r->report;
	if (run_order(&p, o, &clean, &e) == 0) {
		report_done(r->report, &p, &e);
		_exit(0);
	}
	report_failed(r->report, &e);
	_exit(clean ? 0 : 1);
}
