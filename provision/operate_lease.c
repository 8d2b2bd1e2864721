/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a start asks for, from configuration and record to what it may have. Main process of provisiond. */
#include "operate_lease.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "allocate.h"
#include "allocate_direct.h"
#include "allocate_gpu.h"
#include "allocate_nic.h"
#include "allocate_rdma.h"
#include "audit.h"
#include "base/clk.h"
#include "base/log.h"
#include "disk.h"
#include "reconcile_gpu.h"

void operate_lease_audit(const struct workspace *ws, const char *event, const char *kind,
			 const char *object)
{
	const struct audit_field fields[] = {
		AUDIT_TEXT("ws", ws->name),
		AUDIT_TEXT("kind", kind),
		AUDIT_TEXT("object", object),
	};

	audit_write(event, fields, 3);
}

/* Files without a record: take them over with the id range that owns them, so that nothing that was kept is lost. */
static int find_files(struct workspace *ws, struct record *rec, struct err *e)
{
	struct registry *r = ws->registry;
	struct stat st;
	uid_t owner;

	if (fstatat(r->storefd, ws->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? allocate_slot(r, ws, rec, e)
				       : err_sys(e, "look at files of '%s'", ws->name);
	if (!disk_owner(r->storefd, ws->name, &owner))
		return allocate_slot(r, ws, rec, e);
	if (allocate_slot_at(r, ws, owner, rec, e))
		return err_wrap(e,
				"create workspace '%s': files without a record are in the way "
				"(%s/workspaces/%s)",
				ws->name, r->settings->storage.state, ws->name);
	rec->created = clk_wall_s(); /* so that a failure does not count as a first creation */
	log_warn("create workspace '%s': took over files that were found without a record",
		 ws->name);
	return 0;
}

int operate_lease_choose(struct workspace *ws, struct spec *spec, struct record *rec, struct err *e)
{
	struct registry *r = ws->registry;
	int ret;

	settings_spec(r->settings, ws->name, spec);
	if (ws->has_record) {
		*rec = ws->rec;
	} else {
		memset(rec, 0, sizeof(*rec));
		str_copy(rec->name, sizeof(rec->name), ws->name);
		ret = find_files(ws, rec, e);
		if (ret)
			return ret;
	}
	/* The upper directory is a difference to one image: a later change of the setting is for new workspaces. */
	if (!rec->image[0])
		str_copy(rec->image, sizeof(rec->image), spec->image);
	str_copy(spec->image, sizeof(spec->image), rec->image);
	rec->note[0] = '\0';
	str_copy(rec->attach, sizeof(rec->attach), spec->attach);
	ret = allocate_address(r, ws, spec, rec, e);
	if (!ret)
		ret = allocate_data_ip(r, ws, spec, rec, e);
	if (!ret)
		ret = allocate_nic(r, ws, spec, rec, e);
	if (!ret)
		ret = allocate_direct_vfio(r, ws, spec, rec, e);
	if (!ret)
		ret = allocate_direct_hugepages(r, ws, spec, rec, e);
	if (!ret)
		ret = allocate_rdma(r, ws, spec, rec, e);
	if (!ret)
		ret = allocate_gpu(r, ws, spec, rec, e);
	if (!ret)
		ret = allocate_cpus(r, ws, spec, rec, e);
	return ret;
}

bool operate_lease_outdated(const struct record *kept, const struct record *rec)
{
	return kept->ns_net &&
	       (memcmp(&kept->control_ip, &rec->control_ip, sizeof(rec->control_ip)) ||
		memcmp(&kept->control_ip6, &rec->control_ip6, sizeof(rec->control_ip6)) ||
		memcmp(&kept->data_ip, &rec->data_ip, sizeof(rec->data_ip)) ||
		strcmp(kept->attach, rec->attach) || strcmp(kept->gpus, rec->gpus) ||
		strcmp(kept->vfio, rec->vfio) || strcmp(kept->rdma, rec->rdma) ||
		strcmp(kept->nic.id, rec->nic.id) || strcmp(kept->nic.name, rec->nic.name));
}

void operate_lease_taken(const struct workspace *ws, const struct record *before)
{
	const struct record *rec = &ws->rec;
	char text[IP_TEXT_MAX];

	if (!ip_equal(&before->control_ip, &rec->control_ip))
		operate_lease_audit(ws, "lease.take", "ip",
				    ip_text(&rec->control_ip, text, sizeof(text)));
	if (rec->nic.name[0] && strcmp(before->nic.id, rec->nic.id))
		operate_lease_audit(ws, "lease.take", "nic", rec->nic.id);
	if (rec->gpus[0] && strcmp(before->gpus, rec->gpus))
		operate_lease_audit(ws, "lease.take", "gpu", rec->gpus);
	if (rec->rdma[0] && strcmp(before->rdma, rec->rdma))
		operate_lease_audit(ws, "lease.take", "rdma", rec->rdma);
	if (before->gpus[0] && strcmp(before->gpus, rec->gpus))
		reconcile_gpu_returned(ws, before->gpus);
}
