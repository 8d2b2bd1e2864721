/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record from what the runtime directory and the files tell: pinned namespaces, the note of the NIC that is away, the
 * owner of the files.  Its downs then do the rest.  Runs in provisiond's main process, at its start.
 */
#include "recover_orphan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "allocate.h"
#include "audit.h"
#include "base/clk.h"
#include "base/fd.h"
#include "base/log.h"
#include "disk.h"
#include "gpu_note.h"
#include "nic_note.h"
#include "operate.h"

#define WHY "its record was lost: it was stopped, and its NIC went home"

static int find_slot(struct registry *r, struct workspace *ws, struct err *e)
{
	uid_t owner;

	if (disk_owner(r->storefd, ws->name, &owner))
		return allocate_slot_at(r, ws, owner, &ws->rec, e);
	return allocate_slot(r, ws, &ws->rec, e);
}

static void find_nic(const char *dir, struct record *rec)
{
	struct nic_note *note = calloc(1, sizeof(*note));

	if (note && nic_note_load(dir, note, NULL) == 0) {
		(void)str_copy(rec->nic.id, sizeof(rec->nic.id), note->id);
		(void)str_copy(rec->nic.name, sizeof(rec->nic.name), note->name);
		memcpy(rec->nic.mac, note->mac, sizeof(rec->nic.mac));
		rec->nic.mtu = note->mtu;
		rec->nic.flags = note->flags;
		rec->nic.ifindex = note->index;
		if (note->bus.driver[0] && strncmp(note->id, "pci:", 4) == 0)
			(void)str_copy(rec->vfio, sizeof(rec->vfio), note->id + 4);
	}
	free(note);
}

/* Its GPUs are nobody else's until its processes are gone. */
static void find_gpus(const char *dir, struct record *rec)
{
	struct gpu_note note;

	if (gpu_note_load(dir, &note, NULL) == 0)
		(void)str_copy(rec->gpus, sizeof(rec->gpus), note.ids);
}

/* What a killed worker has left behind in a directory that was to be removed is no workspace. */
static bool has_something(const char *dir)
{
	static const char *const made[] = { "net", "user", "groups", "init.sock", "nic", "gpu" };
	char path[PATH_MAX];

	for (unsigned int i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (str_format(path, sizeof(path), "%s/%s", dir, made[i]) == 0 &&
		    faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

static int make_record(struct registry *r, struct workspace *ws, const char *dir, struct err *e)
{
	struct record *rec = &ws->rec;
	int ret;

	memset(rec, 0, sizeof(*rec));
	(void)str_copy(rec->name, sizeof(rec->name), ws->name);
	ret = find_slot(r, ws, e);
	if (ret)
		return ret;
	find_nic(dir, rec);
	find_gpus(dir, rec);
	rec->state = RECORD_STOPPING;
	(void)str_copy(rec->step, sizeof(rec->step), OPERATE_STEP_RETURN);
	(void)str_copy(rec->boot_id, sizeof(rec->boot_id), r->boot_id);
	(void)str_copy(rec->note, sizeof(rec->note), WHY);
	rec->created = rec->started = clk_wall_s();
	return record_save(r->recordsfd, rec, e);
}

static void look_at(struct registry *r, const char *name)
{
	const struct audit_field fields[] = { AUDIT_TEXT("ws", name), AUDIT_TEXT("reason", WHY) };
	struct workspace *ws = registry_get(r, name);
	char dir[PATH_MAX];
	struct err e = { 0 };

	if (!ws || ws->has_record || ws->damaged ||
	    str_format(dir, sizeof(dir), "%s/ws/%s", r->settings->storage.run, name) ||
	    !has_something(dir))
		return;
	if (make_record(r, ws, dir, &e)) {
		log_error("workspace '%s' has no record and is left alone: %s", name, e.text);
		memset(&ws->rec, 0, sizeof(ws->rec));
		(void)str_copy(ws->rec.name, sizeof(ws->rec.name), name);
		return;
	}
	ws->has_record = true;
	log_error("workspace '%s': %s", name, WHY);
	audit_write("state.corrupt", fields, 2);
}

void recover_orphan_all(struct registry *r)
{
	auto_dir DIR *d = NULL;
	struct dirent *entry;
	char path[PATH_MAX];

	if (str_format(path, sizeof(path), "%s/ws", r->settings->storage.run) == 0)
		d = opendir(path);
	while (d && (entry = readdir(d)))
		if (str_is_name(entry->d_name, strlen(entry->d_name)))
			look_at(r, entry->d_name);
}
