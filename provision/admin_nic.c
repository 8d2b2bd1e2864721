/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NICs from three sides: what the host has (nic_find.h), what the records hold, what is in quarantine.  Everything that
 * is one of these, or named by the pool, is one row.  provisiond's main process; only looks, and starts a worker.
 */
#include "admin_nic.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "admin_recover.h"
#include "allocate_nic.h"
#include "nic_find.h"
#include "nic_identify.h"
#include "quarantine.h"
#include "registry.h"
#include "vfio.h"

#define ROWS_MAX 512

struct rows {
	struct registry *reg;
	unsigned int n;
	struct admin_nic row[ROWS_MAX];
};

static struct admin_nic *row_of(struct rows *r, const char *id)
{
	struct admin_nic *row;

	for (unsigned int i = 0; i < r->n; i++)
		if (strcmp(r->row[i].id, id) == 0)
			return &r->row[i];
	if (r->n == ROWS_MAX)
		return NULL;
	row = &r->row[r->n++];
	memset(row, 0, sizeof(*row));
	(void)str_copy(row->id, sizeof(row->id), id);
	row->numa = (uint32_t)(nic_find_numa(r->reg->settings->hardware.sysfs, id) + 1);
	return row;
}

static void set_state(struct admin_nic *row, const char *state, const char *detail)
{
	(void)str_copy(row->state, sizeof(row->state), state);
	(void)str_format(row->detail, sizeof(row->detail), "%s", detail);
}

/* Virtual interfaces are everywhere; they are shown when somebody has named them. */
static void add_seen(void *ctx, const struct nic_seen *seen)
{
	struct rows *r = ctx;
	struct admin_nic *row;

	if ((seen->flags & IFF_LOOPBACK) || strncmp(seen->id, "name:", 5) == 0)
		return;
	row = row_of(r, seen->id);
	if (!row)
		return;
	(void)str_copy(row->name, sizeof(row->name), seen->name);
	row->speed = seen->speed;
	row->carrier = seen->carrier ? 2 : 1;
	if (nic_find_default_route(seen->name))
		set_state(row, "host", "the host's default route goes through it");
	else if (strcmp(seen->name, r->reg->settings->network.announce) == 0)
		set_state(row, "host", "[network] announce");
	else if (seen->flags & (IFF_SLAVE | IFF_MASTER))
		set_state(row, "host", "part of a bond");
	else
		set_state(row, "free", "");
}

/* The row of a NIC that is away, by what a record knows of it: the word it was leased by, and its MAC address. */
static struct admin_nic *row_of_leased(struct rows *r, const char *what)
{
	const struct workspace *ws = NULL;
	char mac[18];

	while ((ws = workspace_next(r->reg, (struct workspace *)(uintptr_t)ws))) {
		const struct record *rec = workspace_record(ws);

		if (!workspace_exists(ws) || !rec->nic.id[0])
			continue;
		if (strcmp(rec->nic.asked, what) == 0 ||
		    (strncmp(what, "mac:", 4) == 0 &&
		     strcasecmp(nic_find_mac_text(rec->nic.mac, mac), what + 4) == 0))
			return row_of(r, rec->nic.id);
	}
	return NULL;
}

/* What the configuration names: the pool, or a workspace's nic. */
static void add_named(struct rows *r, const char *what, bool pool)
{
	const struct settings *s = r->reg->settings;
	struct record rec = { 0 };
	struct nic_seen seen = { 0 };
	struct err why = { 0 };
	struct admin_nic *row;

	if (!*what || strcmp(what, "auto") == 0 || strcmp(what, "none") == 0 ||
	    strncmp(what, NIC_IDENTIFY_MACVLAN, strlen(NIC_IDENTIFY_MACVLAN)) == 0)
		return;
	if (nic_identify(s, what, &rec, &seen, &why) == 0) {
		row = row_of(r, rec.nic.id);
		if (row && !row->name[0]) {
			(void)str_copy(row->name, sizeof(row->name), seen.name);
			row->speed = seen.speed;
			row->carrier = seen.carrier ? 2 : 1;
			set_state(row, "free", "");
		}
	} else {
		/* A leased one is known by its other names, too: add_leased has made its row already. */
		for (unsigned int i = 0; i < r->n; i++)
			if (strcmp(r->row[i].name, what) == 0 || strcmp(r->row[i].id, what) == 0) {
				r->row[i].pool |= pool;
				return;
			}
		row = why.code == ENODEV ? row_of_leased(r, what) : NULL;
		if (!row && why.code == ENODEV)
			row = row_of(r, what);
		if (row && !row->state[0])
			set_state(row, "missing", why.text);
	}
	if (row && pool)
		row->pool = 1;
}

/* The record's note says so after the next reconciliation; who looks at once is told as well. */
static bool unplugged(const struct rows *r, const char *id)
{
	return strncmp(id, "pci:", 4) == 0 &&
	       !nic_find_pci_exists(r->reg->settings->hardware.sysfs, id + 4);
}

static void add_leased(struct rows *r)
{
	const struct workspace *ws = NULL;
	size_t n = strlen(NIC_IDENTIFY_MACVLAN);

	while ((ws = workspace_next(r->reg, (struct workspace *)(uintptr_t)ws))) {
		const struct record *rec = workspace_record(ws);
		bool macvlan = strncmp(rec->nic.id, NIC_IDENTIFY_MACVLAN, n) == 0;
		struct admin_nic *row;
		char vfio[48];
		bool gone;

		if (!workspace_exists(ws) || !rec->nic.id[0])
			continue;
		row = row_of(r, macvlan ? rec->nic.id + n : rec->nic.id);
		if (!row)
			return;
		if (!row->name[0]) {
			(void)str_copy(row->name, sizeof(row->name), rec->nic.name);
			row->speed = rec->nic.speed;
		}
		gone = unplugged(r, row->id);
		set_state(row,
			  gone      ? "missing"
			  : macvlan ? "shared"
				    : "leased",
			  strncmp(rec->note, "its NIC ", 8) == 0 ? rec->note
			  : gone                                 ? "it has been unplugged"
				 : admin_nic_vfio(r->reg->settings, rec, vfio, sizeof(vfio)));
		(void)str_copy(row->owner, sizeof(row->owner), workspace_name(ws));
		row->since = workspace_leased(ws);
	}
}

static void add_quarantined(void *ctx, const struct quarantine *q)
{
	struct admin_nic *row = row_of(ctx, q->id);

	if (!row)
		return;
	set_state(row, "quarantined", q->reason);
	(void)str_copy(row->name, sizeof(row->name), q->name);
	(void)str_copy(row->owner, sizeof(row->owner), q->owner);
	row->since = q->since;
}

static void each_of_pool(struct rows *r)
{
	const char *at = r->reg->settings->pool.nics;
	char entry[NIC_FIND_ID];

	for (; *at; at += strcspn(at, ",")) {
		at += strspn(at, ", ");
		if (*at && str_format(entry, sizeof(entry), "%.*s", (int)strcspn(at, ","), at) == 0)
			add_named(r, entry, true);
	}
}

static struct rows *collect(struct registry *reg)
{
	const struct settings *s = reg->settings;
	struct rows *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->reg = reg;
	(void)nic_find_each(s->hardware.sysfs, add_seen, r, NULL);
	add_leased(r);
	each_of_pool(r);
	for (uint32_t i = 0; i < s->nworkspaces; i++)
		if (!strstr(s->workspaces[i].nic, "/vf"))
			add_named(r, s->workspaces[i].nic, false);
	(void)quarantine_each(s->storage.state, "nic", add_quarantined, r, NULL);
	return r;
}

const char *admin_nic_vfio(const struct settings *s, const struct record *rec, char *buf,
			   size_t size)
{
	unsigned int group;

	buf[0] = '\0';
	if (!rec->vfio[0])
		return buf;
	if (vfio_group(s->hardware.sysfs, rec->vfio, &group, NULL))
		(void)str_format(buf, size, "vfio-pci");
	else
		(void)str_format(buf, size, "vfio-pci, IOMMU group %u", group);
	return buf;
}

const char *admin_nic_place(const struct settings *s, const char *id, char *buf, size_t size)
{
	int node = nic_find_numa(s->hardware.sysfs, id);

	buf[0] = '\0';
	if (node >= 0)
		(void)str_format(buf, size, ", NUMA node %d", node);
	return buf;
}

struct lease_rows {
	void (*fn)(void *ctx, struct admin_lease *row);
	void *ctx;
};

static void lease_of_rdma(void *ctx, const struct quarantine *q)
{
	struct admin_lease row = { .kind = "rdma", .state = "quarantined", .since = q->since };
	struct lease_rows *out = ctx;

	(void)str_format(row.object, sizeof(row.object), "%.63s", q->id);
	(void)str_format(row.detail, sizeof(row.detail), "quarantined: %.100s", q->reason);
	out->fn(out->ctx, &row);
}

void admin_nic_leases(struct registry *reg, void (*fn)(void *ctx, struct admin_lease *row),
		      void *ctx)
{
	struct lease_rows out = { fn, ctx };
	struct rows *r = collect(reg);

	for (unsigned int i = 0; r && i < r->n; i++) {
		const struct admin_nic *nic = &r->row[i];
		bool held = strcmp(nic->state, "quarantined") == 0;
		struct admin_lease row = {
			.kind = "nic", .numa = nic->numa, .speed = nic->speed, .since = nic->since
		};
		char place[32], speed[32] = "";

		if (!held && (!nic->pool || strcmp(nic->state, "leased") == 0 ||
			      (nic->owner[0] && strcmp(nic->state, "missing") == 0)))
			continue;
		(void)str_copy(row.id, sizeof(row.id), nic->id);
		(void)str_copy(row.state, sizeof(row.state), nic->state);
		(void)str_format(row.object, sizeof(row.object), "%.63s", nic->id);
		if (nic->speed)
			(void)str_format(speed, sizeof(speed), ", %u Mbit/s", nic->speed);
		(void)str_format(row.detail, sizeof(row.detail), "%s%s%s%s%s%.80s", nic->state,
				 nic->carrier == 2 ? ", carrier" : "", speed,
				 admin_nic_place(reg->settings, nic->id, place, sizeof(place)),
				 nic->detail[0] ? ": " : "", nic->detail);
		fn(ctx, &row);
	}
	free(r);
	(void)quarantine_each(reg->settings->storage.state, "rdma", lease_of_rdma, &out, NULL);
}

/* --- recover --- */

struct search {
	const char *what;
	char kind[8], id[80];
};

static void match(void *ctx, const struct quarantine *q)
{
	struct search *s = ctx;

	if ((strcmp(q->kind, "nic") != 0 && strcmp(q->kind, "rdma") != 0) ||
	    (strcmp(q->id, s->what) != 0 && strcmp(q->name, s->what) != 0) ||
	    (s->id[0] && strcmp(q->kind, "nic") != 0))
		return;
	(void)str_copy(s->kind, sizeof(s->kind), q->kind);
	(void)str_copy(s->id, sizeof(s->id), q->id);
}

static void recover(struct admin_client *c, struct registry *reg, const struct admin_nics *req)
{
	struct search s = { .what = req->recover };
	const struct admin_recover todo = { .kind = s.kind,
					    .id = s.id,
					    .done = req->force ? "is taken as it is"
							       : "is as it was",
					    .tag = req->tag,
					    .force = req->force != 0 };
	char text[256], shown[4 * 80];

	(void)quarantine_each(reg->settings->storage.state, NULL, match, &s, NULL);
	if (!s.id[0]) {
		(void)str_format(text, sizeof(text),
				 "recover '%.90s': not in quarantine (sshbay nic list)",
				 str_vis(req->recover, strlen(req->recover), shown, sizeof(shown)));
		admin_client_failed(c, req->tag, ENOENT, text);
		return;
	}
	admin_recover_start(c, reg, &todo);
}

void admin_nic_answer(struct admin_client *c, struct registry *reg, const struct admin_nics *req)
{
	struct rows *r;

	if (req->recover[0]) {
		recover(c, reg, req);
		return;
	}
	r = collect(reg);
	for (unsigned int i = 0; r && i < r->n; i++) {
		r->row[i].tag = req->tag;
		if (!r->row[i].state[0])
			set_state(&r->row[i], "missing", "");
		admin_client_send(c, ADMIN_NIC, &r->row[i], sizeof(r->row[i]), -1);
	}
	free(r);
	admin_client_done(c, req->tag, "");
}
