/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recovery at the start of provisiond, in its main process.  Records are the truth; what the kernel still has is
 * adopted when pid, start time and namespaces all match, else taken down by the records' own downs.
 */
#include "recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "disk.h"
#include "jobs.h"
#include "recover_init.h"
#include "recover_orphan.h"
#include "watch.h"

#define TRASH WORKER_TRASH_PREFIX

struct trash {
	struct trash *next;
	struct registry *registry;
	struct task task;
	char name[NAME_MAX + 1];
};

static void damaged(struct workspace *ws, const char *why)
{
	const struct audit_field fields[] = { AUDIT_TEXT("ws", ws->name),
					      AUDIT_TEXT("reason", why) };

	ws->damaged = true;
	str_copy(ws->rec.note, sizeof(ws->rec.note), why);
	log_error("workspace '%s' is left alone: %s", ws->name, why);
	audit_write("state.corrupt", fields, 2);
}

/* The value of `key` in the text of a record that did not pass its checksum. */
static bool salvage_value(const char *text, const char *key, char *value, size_t size)
{
	char line[48];
	const char *at;

	str_format(line, sizeof(line), "\n%s = ", key);
	at = strstr(text, line);
	if (!at)
		return false;
	at += strlen(line);
	return str_format(value, size, "%.*s", (int)strcspn(at, "\r\n"), at) == 0;
}

/* Text stands in quotes. What one generation has told, the other does not change. */
static void salvage_text(const char *text, const char *key, char *out, size_t size)
{
	char value[512];

	if (!out[0] && salvage_value(text, key, value, sizeof(value)) && value[0] == '"')
		str_format(out, size, "%.*s", (int)strcspn(value + 1, "\""), value + 1);
}

/*
 * Neither generation is valid, so nothing in them is believed; but what they name may be the workspace's, so it is kept
 * from others: id range, addresses, NIC, RDMA device and GPUs.
 */
static void salvage(struct workspace *ws)
{
	static const char *const suffix[] = { "ini", "ini.prev" };
	struct record *rec = &ws->rec;
	char file[STR_NAME_MAX + 16], text[8192], value[128];
	uint64_t n;
	size_t len;

	for (unsigned int i = 0; i < 2; i++) {
		str_format(file, sizeof(file), "%s.%s", ws->name, suffix[i]);
		if (path_read(ws->registry->recordsfd, file, text, sizeof(text), &len, NULL))
			continue;
		if (!rec->id_count && salvage_value(text, "slot", value, sizeof(value)) &&
		    num_u64(value, 0, UINT32_MAX, &n, NULL) == 0) {
			const struct settings *s = ws->registry->settings;

			rec->slot = (uint32_t)n;
			rec->id_base = s->storage.id_base + n * s->storage.id_count;
			rec->id_count = (uint32_t)s->storage.id_count;
		}
		if (!rec->control_ip.family &&
		    salvage_value(text, "control_ip", value, sizeof(value)))
			ip_parse(value, &rec->control_ip, NULL);
		if (!rec->control_ip6.family &&
		    salvage_value(text, "control_ip6", value, sizeof(value)))
			ip_parse(value, &rec->control_ip6, NULL);
		if (!rec->data_ip.addr.family &&
		    salvage_value(text, "data_ip", value, sizeof(value)))
			ip_parse_net(value, &rec->data_ip, NULL);
		salvage_text(text, "id", rec->nic.id, sizeof(rec->nic.id));
		salvage_text(text, "rdma", rec->rdma, sizeof(rec->rdma));
		salvage_text(text, "gpus", rec->gpus, sizeof(rec->gpus));
	}
}

/* The previous generation may ask for things that had been done, or undone, since: it must not cost any file. */
static void disarm(struct workspace *ws)
{
	const struct audit_field fields[] = { AUDIT_TEXT("ws", ws->name),
					      AUDIT_TEXT("reason",
							 "going on from its previous generation") };
	struct record *rec = &ws->rec;
	struct err e = { 0 };

	log_error("record of '%s': damaged, going on from generation %llu", ws->name,
		  (unsigned long long)rec->generation);
	audit_write("state.corrupt", fields, 2);
	if (rec->state == RECORD_CREATING || rec->state == RECORD_DESTROYING) {
		rec->state = RECORD_CREATING;
		if (!rec->created)
			rec->created = clk_wall_s();
		if (!rec->started)
			rec->started = rec->created;
	}
	/* Most likely it was running when the last generation was written, and still is. */
	if (!strcmp(rec->boot_id, ws->registry->boot_id) && recover_init_find(ws))
		rec->state = RECORD_RUNNING;
	/* The damaged file is no longer the newest one: the next start must not begin with this again. */
	if (record_save(ws->registry->recordsfd, rec, &e))
		log_warn("%s", e.text);
}

static void forget_boot(struct workspace *ws)
{
	struct record *rec = &ws->rec;
	struct err e = { 0 };

	rec->init_pid = 0;
	rec->init_start = rec->ns_user = rec->ns_net = rec->ns_mnt = 0;
	memset(&rec->nic, 0, sizeof(rec->nic));
	rec->gpus[0] = rec->cpus[0] = rec->vfio[0] = rec->rdma[0] = '\0';
	rec->hugepages_2m = rec->hugepages_1g = 0;
	if (rec->state != RECORD_RUNNING && rec->state != RECORD_STOPPING)
		return;
	rec->state = RECORD_STOPPED;
	str_copy(rec->note, sizeof(rec->note), "the host was restarted");
	if (record_save(ws->registry->recordsfd, rec, &e))
		log_warn("%s", e.text);
}

static bool same_namespaces(const struct record *rec)
{
	uint64_t user, net;
	struct err e;

	return proc_ns_inode((pid_t)rec->init_pid, "user", &user, &e) == 0 &&
	       user == rec->ns_user && proc_ns_inode((pid_t)rec->init_pid, "net", &net, &e) == 0 &&
	       net == rec->ns_net;
}

static void adopt(struct workspace *ws)
{
	struct err e = { 0 };
	auto_fd int pidfd = proc_open((pid_t)ws->rec.init_pid, ws->rec.init_start, &e);

	ws->leased = ws->leased_gpu = ws->rec.started;
	if (pidfd >= 0 && same_namespaces(&ws->rec) && watch_start(ws, fd_take(&pidfd), &e) == 0)
		return;
	ws->dead = true;
}

static int load(void *ctx, const char *name)
{
	struct registry *r = ctx;
	struct workspace *ws;
	struct err e = { 0 };
	int fell_back = 0;
	int ret;

	if (!str_is_name(name, strlen(name))) {
		log_warn("record '%s': not a workspace name, left alone", name);
		return 0;
	}
	ws = registry_get(r, name);
	if (!ws)
		return -ENOMEM;
	ret = record_load(r->recordsfd, name, &ws->rec, &fell_back, &e);
	if (ret == -ENOENT)
		return 0;
	if (ret || strcmp(ws->rec.name, name)) {
		if (!ret)
			err_set(&e, EUCLEAN, "load record '%s': it is that of another workspace",
				name);
		memset(&ws->rec, 0, sizeof(ws->rec));
		str_copy(ws->rec.name, sizeof(ws->rec.name), name);
		salvage(ws);
		damaged(ws, e.text);
		return 0;
	}
	ws->has_record = true;
	if (fell_back)
		disarm(ws);
	if (strcmp(ws->rec.boot_id, r->boot_id))
		forget_boot(ws);
	else if (ws->rec.state == RECORD_RUNNING)
		adopt(ws);
	return 0;
}

/* Two records with one id range cannot both be right; neither is touched until somebody has looked. */
static void check_ranges(struct registry *r)
{
	for (unsigned int i = 0; i < r->nlist; i++)
		for (unsigned int k = 0; k < i; k++) {
			const struct record *a = &r->list[i]->rec, *b = &r->list[k]->rec;
			char why[128];

			if (!r->list[i]->has_record || !r->list[k]->has_record ||
			    a->id_base >= b->id_base + b->id_count ||
			    b->id_base >= a->id_base + a->id_count)
				continue;
			str_format(why, sizeof(why), "its id range is also that of '%s'",
				   r->list[k]->name);
			damaged(r->list[i], why);
		}
}

static void reserve_files(struct registry *r, const char *name)
{
	uid_t owner;

	if (disk_owner(r->storefd, name, &owner) && registry_reserve_ids(r, owner))
		log_error("reserve ids of '%s': out of memory", name);
}

static int add_trash(struct registry *r, const char *name)
{
	struct trash *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->registry = r;
	str_copy(t->name, sizeof(t->name), name);
	t->next = r->trash;
	r->trash = t;
	return 0;
}

/* Files that no record speaks for: their ids stay reserved, and only a deletion that was begun goes on. */
static int look_at_file(struct registry *r, const char *name)
{
	bool is_trash = !strncmp(name, TRASH, strlen(TRASH));
	const struct workspace *ws = workspace_find(r, is_trash ? name + strlen(TRASH) : name);

	if (name[0] == '.' && !is_trash)
		return 0;
	if (ws && ws->has_record && !ws->damaged)
		return 0;
	reserve_files(r, name);
	if (is_trash && !ws)
		return add_trash(r, name);
	if (!ws)
		log_warn("files '%s/workspaces/%s': no record speaks for them, left alone",
			 r->settings->storage.state, name);
	return 0;
}

static int look_at_files(struct registry *r, struct err *e)
{
	auto_dir DIR *dir = NULL;
	const struct dirent *d;
	int fd = openat(r->storefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err_sys(e, "list '%s/workspaces'", r->settings->storage.state);
		fd_close(&fd);
		return -e->code;
	}
	while ((d = readdir(dir)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..") && look_at_file(r, d->d_name))
			return err_set(e, ENOMEM, "list '%s/workspaces': out of memory",
				       r->settings->storage.state);
	return 0;
}

int recover_load(struct registry *r, struct err *e)
{
	int ret = record_each(r->recordsfd, load, r, e);

	if (ret)
		return ret;
	check_ranges(r);
	ret = look_at_files(r, e);
	if (ret == 0)
		recover_orphan_all(r);
	return ret;
}

/* --- once the daemon is ready for work --- */

static int begin_trash(struct task *task, struct worker_order *o, struct err *e)
{
	const struct trash *t = task->ctx;

	o->kind = WORKER_TRASH;
	o->settings = t->registry->settings;
	o->trash = t->name;
	return 0;
}

static void refused_trash(struct task *task, const struct err *e)
{
	log_error("%s", e->text);
}

static void end_trash(struct task *task, struct worker_result *res)
{
	const struct trash *t = task->ctx;

	if (res->err.code)
		log_error("%s", res->err.text);
	else
		log_note("files '%s': interrupted deletion is complete", t->name);
}

/* Autostart is for the start of the host: one that was stopped in this boot stays stopped. */
static bool autostarts(const struct registry *r, const struct workspace *ws)
{
	struct spec spec;

	if (!ws->configured || ws->damaged)
		return false;
	if (ws->has_record &&
	    (ws->rec.state == RECORD_RUNNING || !strcmp(ws->rec.boot_id, r->boot_id)))
		return false;
	settings_spec(r->settings, ws->name, &spec);
	return spec.autostart;
}

void recover_run(struct registry *r)
{
	const struct job_request clean = { .kind = JOB_CLEAN }, up = { .kind = JOB_UP };

	for (struct trash *t = r->trash; t; t = t->next) {
		t->task = (struct task){
			.ctx = t, .begin = begin_trash, .refused = refused_trash, .end = end_trash
		};
		worker_submit(r->pool, &t->task, false);
	}
	for (unsigned int i = 0; i < r->nlist; i++)
		if (job_unsettled(r->list[i]))
			job_queue(r->list[i], &clean, NULL);
	for (unsigned int i = 0; i < r->nlist; i++)
		if (autostarts(r, r->list[i]))
			job_queue(r->list[i], &up, NULL);
	registry_hosts_dirty(r);
}

void recover_free(struct registry *r)
{
	while (r->trash) {
		struct trash *t = r->trash;

		r->trash = t->next;
		free(t);
	}
}
