/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A NIC that comes late: it was missing when its workspace started (nic_policy = optional), or was pulled out and is
 * back.  The record says RUNNING all the time; its step says "nic" while a worker is at it, so that a start of
 * provisiond after a crash finishes what was begun (reconcile.c).
 */
#include "operate_nic.h"

#include <string.h>

#include "allocate.h"
#include "allocate_nic.h"
#include "audit.h"
#include "base/clk.h"
#include "base/log.h"
#include "jobs.h"
#include "quarantine.h"

struct lease {
	const char *kind, *id;
};

static void audit(const struct workspace *ws, const char *event, struct lease l, const char *why)
{
	const struct audit_field fields[] = { AUDIT_TEXT("ws", ws->name),
					      AUDIT_TEXT("kind", l.kind),
					      AUDIT_TEXT("object", l.id),
					      AUDIT_TEXT("reason", why) };

	audit_write(event, fields, why[0] ? 4 : 3);
}

static struct lease nic_of(const struct record *rec)
{
	return (struct lease){ "nic", rec->nic.id };
}

void operate_nic_returned(const struct workspace *ws, const char *kind, const char *id)
{
	const struct lease l = { kind, id };
	struct quarantine q;

	if (quarantine_get(ws->registry->settings->storage.state, kind, id, &q, NULL) == 0)
		audit(ws, "lease.quarantine", l, q.reason);
	else
		audit(ws, "lease.return", l, "");
}

void operate_nic_full(const struct workspace *ws, const struct spec *spec)
{
	char users[256] = "";

	if (!spec->nic_full || !ws->rec.nic.id[0])
		return;
	for (uint32_t i = 0; i < spec->nusers; i++)
		(void)str_format(users + strlen(users), sizeof(users) - strlen(users), "%s%s",
				 i ? "," : "", spec->users[i]);
	const struct audit_field fields[] = {
		AUDIT_TEXT("ws", ws->name), AUDIT_TEXT("kind", "nic"),
		AUDIT_TEXT("object", ws->rec.nic.id),
		/* Whoever it is named like may enter it, too. */
		AUDIT_TEXT("users", users[0] ? users : ws->name),
		AUDIT_TEXT("reason", "nic_admin = full: its EEPROM and firmware can be written")
	};

	audit_write("lease.nic_full", fields, 5);
}

int operate_nic_begin(struct workspace *ws, struct job *job, struct worker_order *o, struct err *e)
{
	struct registry *r = ws->registry;
	struct record rec = ws->rec;
	struct spec strict;
	int ret;

	settings_spec(r->settings, ws->name, &job->spec);
	(void)str_copy(job->spec.image, sizeof(job->spec.image), ws->rec.image);
	if (job->spec.dpdk)
		return err_set(e, EOPNOTSUPP,
			       "attach the NIC of workspace '%s': with dpdk = yes it is given at a "
			       "start only (restart it)",
			       ws->name);
	strict = job->spec;
	strict.nic_optional = false; /* here it is wanted now */
	ret = allocate_data_ip(r, ws, &job->spec, &rec, e);
	if (ret == 0)
		ret = allocate_nic(r, ws, &strict, &rec, e);
	if (ret == 0 && !rec.nic.name[0])
		ret = err_set(e, ENODEV,
			      "attach the NIC of workspace '%s': none is configured "
			      "(nic = none)",
			      ws->name);
	if (ret)
		return ret;
	if (ws->rec.nic.id[0] && strcmp(ws->rec.nic.id, rec.nic.id))
		return err_set(e, EBUSY,
			       "attach '%s' to workspace '%s': it has '%s' (restart it to "
			       "change)",
			       rec.nic.id, ws->name, ws->rec.nic.id);
	(void)str_copy(rec.step, sizeof(rec.step), "nic");
	ret = record_save(r->recordsfd, &rec, e);
	if (ret)
		return err_wrap(e, "attach the NIC of workspace '%s'", ws->name);
	if (!ws->rec.nic.id[0])
		audit(ws, "lease.take", nic_of(&rec), "");
	ws->rec = rec;
	*o = (struct worker_order){
		.kind = WORKER_ATTACH,
		.settings = r->settings,
		.spec = &job->spec,
		.rec = &ws->rec,
		.initfd = -1,
		.filterfd = -1,
	};
	return 0;
}

static void save(struct workspace *ws)
{
	struct err e = { 0 };

	ws->rec.step[0] = '\0';
	if (record_save(ws->registry->recordsfd, &ws->rec, &e))
		log_warn("%s", e.text);
}

void operate_nic_failed(struct workspace *ws, struct job *job, bool clean, const struct err *why)
{
	struct err e = *why;

	/* Refused before anything was recorded: there is nothing to give back. */
	if (strcmp(ws->rec.step, "nic") == 0) {
		if (clean) {
			operate_nic_returned(ws, "nic", ws->rec.nic.id);
			memset(&ws->rec.nic, 0, sizeof(ws->rec.nic));
		}
		(void)str_format(ws->rec.note, sizeof(ws->rec.note), "without its NIC: %.230s",
				 e.text);
		save(ws);
	}
	job_finish(ws, job, -e.code, &e);
}

void operate_nic_end(struct workspace *ws, struct job *job, struct worker_result *res)
{
	struct err e = { 0 };

	if (res->err.code) {
		operate_nic_failed(ws, job, res->clean, &res->err);
		return;
	}
	ws->rec.note[0] = '\0';
	/*
	 * Its node cannot follow: no process of the host enters a running workspace, where it would have to be mounted, and
	 * only whoever starts it makes the links of /sys/class and the rules of its group.
	 */
	if (job->spec.rdma[0] && strcmp(job->spec.rdma, "none") != 0)
		(void)str_copy(ws->rec.note, sizeof(ws->rec.note),
			       "its NIC came without the RDMA device (restart it to get that)");
	else if (strcmp(job->spec.cpus, "auto:nic") == 0 && !ws->rec.cpus[0])
		(void)str_copy(ws->rec.note, sizeof(ws->rec.note),
			       "its NIC came late, so it is on all cpus (restart it to get those "
			       "near the NIC)");
	save(ws);
	audit(ws, "lease.attach", nic_of(&ws->rec), "");
	operate_nic_full(ws, &job->spec);
	job_finish(ws, job, 0, &e);
}
