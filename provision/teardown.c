/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `provisiond --teardown`: the opposite of a start, for uninstalling and for test beds.  Works without an event loop;
 * everything that touches the kernel runs in helper processes.  Never deletes files of a workspace or records.
 */
#include "daemon.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "harden.h"
#include "helper.h"
#include "net.h"
#include "ns.h"
#include "plan.h"
#include "record.h"
#include "statedir.h"

struct teardown {
	const struct settings *settings;
	bool force;
	int recordsfd;
	char boot_id[37];
	struct record rec; /* of the one being looked at */
	struct err err;    /* the first failure; the rest goes on */
};

static bool alive(const struct record *rec)
{
	auto_fd int pidfd =
		rec->init_pid ? proc_open((pid_t)rec->init_pid, rec->init_start, NULL) : -1;

	return pidfd >= 0;
}

static int down(void *ctx, struct err *e)
{
	struct teardown *t = ctx;
	struct spec spec;
	struct plan p;

	settings_spec(t->settings, t->rec.name, &spec);
	plan_init(&p, t->settings, &spec, &t->rec);
	return plan_down(&p, true, e);
}

static int take_down(struct teardown *t, struct err *e)
{
	struct record *rec = &t->rec;
	char what[128];
	int ret;

	str_format(what, sizeof(what), "take down workspace '%s'", rec->name);
	ret = helper_run(what, down, t, e);
	if (ret)
		return ret;
	rec->init_pid = 0;
	rec->init_start = rec->ns_user = rec->ns_net = rec->ns_mnt = 0;
	memset(&rec->nic, 0, sizeof(rec->nic));
	rec->vfio[0] = '\0';
	rec->rdma[0] = '\0';
	/* A half-made or half-destroyed one stays so: the next provisiond ends what was begun. */
	if (rec->state == RECORD_RUNNING || rec->state == RECORD_STOPPING)
		rec->state = RECORD_STOPPED;
	return record_save(t->recordsfd, rec, e);
}

static int look(void *ctx, const char *name)
{
	struct teardown *t = ctx;
	struct err e = { 0 };
	int fell_back, ret;

	ret = record_load(t->recordsfd, name, &t->rec, &fell_back, &e);
	if (ret == -ENOENT ||
	    (!ret && (strcmp(t->rec.boot_id, t->boot_id) || t->rec.state == RECORD_ABSENT)))
		return 0;
	if (!ret && !t->force && alive(&t->rec))
		ret = err_set(&e, EBUSY,
			      "tear down '%s': workspace '%s' is running (sshbay stop, or --force)",
			      t->settings->storage.run, name);
	else if (!ret)
		ret = take_down(t, &e);
	if (!ret)
		return 0;
	log_error("%s", e.text);
	if (!t->err.code)
		t->err = e;
	return 0;
}

/* Before anything is taken down: is there one that forbids it? */
static int refuse_running(void *ctx, const char *name)
{
	struct teardown *t = ctx;
	int fell_back;

	if (record_load(t->recordsfd, name, &t->rec, &fell_back, NULL) ||
	    strcmp(t->rec.boot_id, t->boot_id) || !alive(&t->rec))
		return 0;
	return err_set(&t->err, EBUSY,
		       "tear down '%s': workspace '%s' is running (sshbay stop, or --force)",
		       t->settings->storage.run, name);
}

static int workspaces_down(struct teardown *t, struct err *e)
{
	char path[PATH_MAX];
	auto_fd int fd = -1;
	int ret = proc_boot_id(t->boot_id, e);

	if (ret)
		return ret;
	if (str_format(path, sizeof(path), "%s/records", t->settings->storage.state))
		return err_set(e, ENAMETOOLONG,
			       "tear down: name of the state directory is too long");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open '%s'", path);
	t->recordsfd = fd;
	if (!t->force && record_each(fd, refuse_running, t, e))
		return t->err.code ? err_set(e, t->err.code, "%s", t->err.text) : -e->code;
	ret = record_each(fd, look, t, e);
	return t->err.code ? err_set(e, t->err.code, "%s", t->err.text) : ret;
}

static int host_down(void *ctx, struct err *e)
{
	const struct teardown *t = ctx;
	struct err later = { 0 };
	int ret = net_host_down(t->settings, e);

	if (ns_host_down(t->settings, &later) && !ret)
		ret = err_set(e, later.code, "%s", later.text);
	return ret;
}

static int remove_leftovers(const struct settings *s, struct err *e)
{
	static const char *const names[] = { "ws",         "sessions", "gate.sock",
					     "admin.sock", "hosts",    "provisiond.lock" };
	auto_fd int fd = path_open_dir(s->storage.run, e);
	int ret = 0;

	if (fd < 0)
		return fd;
	for (size_t i = 0; !ret && i < sizeof(names) / sizeof(names[0]); i++)
		ret = path_remove_tree(fd, names[i], e);
	return ret;
}

static int teardown(struct teardown *t, struct err *e)
{
	struct statedir dirs;
	int ret = harden_self(e);

	if (!ret)
		ret = statedir_open(t->settings, &dirs, e);
	if (ret)
		return ret;
	ret = workspaces_down(t, e);
	if (!ret)
		ret = helper_run("remove the host's network set-up", host_down, t, e);
	if (!ret)
		ret = remove_leftovers(t->settings, e);
	statedir_close(&dirs);
	return ret;
}

int daemon_teardown(const struct settings *s, bool force)
{
	struct teardown t = { .settings = s, .force = force, .recordsfd = -1 };
	struct err e = { 0 };

	if (teardown(&t, &e) == 0)
		return DAEMON_OK;
	log_error("%s", e.text);
	return DAEMON_FAILED;
}
