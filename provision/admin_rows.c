/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows about workspaces: configuration, record and what the kernel can be asked cheaply, put side by side.  Main
 * process of provisiond; reads only.
 */
#include "admin_rows.h"

#include <string.h>

#include "admin_gpu.h"
#include "admin_nic.h"
#include "base/log.h"
#include "disk.h"
#include "gpu_lease.h"
#include "hugepages.h"
#include "limits.h"
#include "net.h"
#include "nic_find.h"
#include "numa.h"

static void join_users(const struct spec *spec, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < spec->nusers && n < size; i++) {
		str_format(buf + n, size - n, "%s%s", i ? ", " : "", spec->users[i]);
		n += strlen(buf + n);
	}
}

static void from_spec(const struct settings *s, const struct spec *spec,
		      struct admin_workspace *row)
{
	join_users(spec, row->users, sizeof(row->users));
	str_copy(row->image, sizeof(row->image), spec->image);
	ip_text(&spec->control_ip, row->control_ip, sizeof(row->control_ip));
	ip_text(&spec->control_ip6, row->control_ip6, sizeof(row->control_ip6));
	str_copy(row->attach, sizeof(row->attach), spec->attach);
	if (spec->data_ip.addr.family)
		ip_net_text(&spec->data_ip, row->data_ip, sizeof(row->data_ip));
	str_copy(row->nic, sizeof(row->nic), spec->nic[0] ? spec->nic : "none");
	str_copy(row->rdma, sizeof(row->rdma), spec->rdma[0] ? spec->rdma : "none");
	str_copy(row->gpu, sizeof(row->gpu), spec->gpu[0] ? spec->gpu : "none");
	str_copy(row->cpus, sizeof(row->cpus), spec->cpus);
	row->memory = spec->memory;
	row->swap = spec->swap;
	row->disk = spec->disk;
	row->pids = spec->pids;
	row->data_mtu = spec->data_mtu;
	row->autostart = spec->autostart;
	row->root = spec->root;
	str_copy(row->file, sizeof(row->file), spec->file);
	str_format(row->rootfs, sizeof(row->rootfs), "%s/workspaces/%s", s->storage.state,
		   row->name);
}

/* Which cpus were chosen, for what, and with which memory. */
static void explain_cpus(const struct settings *s, const struct record *rec,
			 struct admin_workspace *row)
{
	char why[16];
	int node = numa_node_of(s->hardware.sysfs, rec->cpus);

	str_copy(why, sizeof(why), row->cpus);
	if (node >= 0)
		str_format(row->cpus, sizeof(row->cpus), "%s (%s: near its device, memory node %d)",
			   rec->cpus, why, node);
	else
		str_format(row->cpus, sizeof(row->cpus), "%s (%s: near its device)", rec->cpus,
			   why);
}

/* Not the name of an interface that there is not. */
static void explain_vfio(const struct settings *s, const struct record *rec,
			 struct admin_workspace *row)
{
	char vfio[48];

	str_format(row->nic, sizeof(row->nic), "%.24s (%s)", rec->nic.id,
		   admin_nic_vfio(s, rec, vfio, sizeof(vfio)));
}

static void from_record(const struct settings *s, const struct record *rec,
			struct admin_workspace *row)
{
	if (rec->image[0])
		str_copy(row->image, sizeof(row->image), rec->image);
	if (rec->control_ip.family)
		ip_text(&rec->control_ip, row->control_ip, sizeof(row->control_ip));
	if (rec->control_ip6.family)
		ip_text(&rec->control_ip6, row->control_ip6, sizeof(row->control_ip6));
	if (rec->nic.name[0])
		str_copy(row->nic, sizeof(row->nic), rec->nic.name);
	if (rec->vfio[0])
		explain_vfio(s, rec, row);
	if (rec->rdma[0])
		str_copy(row->rdma, sizeof(row->rdma), rec->rdma);
	if (rec->gpus[0])
		str_copy(row->gpu, sizeof(row->gpu), rec->gpus);
	if (rec->cpus[0])
		explain_cpus(s, rec, row);
	row->id_base = rec->id_base;
	row->id_count = rec->id_count;
	row->init_pid = rec->state == RECORD_RUNNING ? rec->init_pid : 0;
	row->created = rec->created;
	row->started = rec->started;
	row->ns_user = rec->ns_user;
	row->ns_net = rec->ns_net;
	row->generation = rec->generation;
	memcpy(row->nic_driver, rec->nic.driver, sizeof(row->nic_driver));
	memcpy(row->nic_firmware, rec->nic.firmware, sizeof(row->nic_firmware));
	if (rec->state != RECORD_ABSENT) {
		net_ifname(rec->slot, row->interface);
		str_copy(row->attach, sizeof(row->attach), rec->attach);
	}
	limits_path(s, row->name, row->cgroup, sizeof(row->cgroup), NULL);
}

static void add_disk(const struct settings *s, const struct record *rec,
		     struct admin_workspace *row)
{
	struct disk_use u;

	disk_use(s, rec, &u);
	str_copy(row->disk_way, sizeof(row->disk_way), u.way ? u.way : "");
	row->disk_size = u.size;
	row->disk_used = u.used;
	row->inodes = u.inodes;
	row->inodes_used = u.inodes_used;
	row->disk_device = u.device;
	row->disk_blocks = u.blocks;
}

void admin_rows_workspace(struct registry *reg, const struct workspace *ws,
			  struct admin_workspace *row)
{
	const struct settings *s = registry_settings(reg);
	const struct record *rec = workspace_record(ws);
	struct spec spec;

	memset(row, 0, sizeof(*row));
	workspace_spec(reg, ws, &spec);
	str_copy(row->name, sizeof(row->name), workspace_name(ws));
	str_copy(row->state, sizeof(row->state), workspace_state(ws));
	from_spec(s, &spec, row);
	if (workspace_exists(ws))
		from_record(s, rec, row);
	add_disk(s, rec, row);
	row->sessions = workspace_sessions(ws);
	str_copy(row->note, sizeof(row->note), rec->note);
	if (!rec->note[0] && rec->gpus[0] && rec->state == RECORD_RUNNING)
		gpu_lease_changed(s, row->name, row->note, sizeof(row->note));
	if (!row->note[0] && rec->image[0] && strcmp(rec->image, spec.image))
		str_format(row->note, sizeof(row->note),
			   "made from image '%s', configured is '%s' (destroy --purge to change)",
			   rec->image, spec.image);
}

static void hugepage_leases(const struct record *rec, struct admin_lease *row,
			    void (*fn)(void *ctx, struct admin_lease *row), void *ctx)
{
	struct record copy = *rec;

	str_copy(row->kind, sizeof(row->kind), "hugepages");
	row->since = rec->started;
	for (unsigned int k = 0; k < HUGEPAGES_KINDS; k++) {
		uint32_t n = *hugepages_promised(&copy, k);

		str_format(row->object, sizeof(row->object), "%u x %s", n, hugepages_kinds[k].size);
		if (n)
			fn(ctx, row);
	}
}

/* Cpus that were chosen near a device are nobody else's; a list from the configuration is no lease. */
static void cpu_lease(struct registry *reg, const struct record *rec, struct admin_lease *row)
{
	int node = numa_node_of(registry_settings(reg)->hardware.sysfs, rec->cpus);

	str_copy(row->kind, sizeof(row->kind), "cpus");
	row->numa = (uint32_t)(node + 1);
	str_format(row->object, sizeof(row->object), "%.63s", rec->cpus);
	if (node >= 0)
		str_format(row->detail, sizeof(row->detail), "near its device, memory node %d",
			   node);
	else
		str_copy(row->detail, sizeof(row->detail), "near its device");
	row->since = rec->started;
}

static void nic_lease(struct registry *reg, const struct workspace *ws, struct admin_lease *row)
{
	const struct record *rec = workspace_record(ws);
	const struct settings *s = registry_settings(reg);
	char place[32], speed[32] = "", vfio[48];

	str_copy(row->kind, sizeof(row->kind), "nic");
	str_copy(row->object, sizeof(row->object), rec->nic.name);
	str_copy(row->id, sizeof(row->id), rec->nic.id);
	row->numa = (uint32_t)(nic_find_numa(s->hardware.sysfs, rec->nic.id) + 1);
	row->speed = rec->nic.speed;
	if (rec->nic.speed)
		str_format(speed, sizeof(speed), ", %u Mbit/s", rec->nic.speed);
	str_format(row->detail, sizeof(row->detail),
		   "mac %02x:%02x:%02x:%02x:%02x:%02x mtu %u%s%s%s%s", rec->nic.mac[0],
		   rec->nic.mac[1], rec->nic.mac[2], rec->nic.mac[3], rec->nic.mac[4],
		   rec->nic.mac[5], rec->nic.mtu, speed,
		   admin_nic_place(s, rec->nic.id, place, sizeof(place)), rec->vfio[0] ? ", " : "",
		   admin_nic_vfio(s, rec, vfio, sizeof(vfio)));
	row->since = workspace_leased(ws);
}

/* Of the record as such: its ids and addresses. */
static void number_leases(const struct workspace *ws, struct admin_lease *row,
			  void (*fn)(void *ctx, struct admin_lease *row), void *ctx)
{
	const struct record *rec = workspace_record(ws);
	const struct ip *ips[] = { &rec->control_ip, &rec->control_ip6 };

	str_copy(row->kind, sizeof(row->kind), "ids");
	str_format(row->object, sizeof(row->object), "%llu-%llu", (unsigned long long)rec->id_base,
		   (unsigned long long)rec->id_base + rec->id_count - 1);
	fn(ctx, row);
	str_copy(row->kind, sizeof(row->kind), "ip");
	for (unsigned int i = 0; i < 2; i++) {
		if (!ips[i]->family)
			continue;
		ip_text(ips[i], row->object, sizeof(row->object));
		fn(ctx, row);
	}
	if (rec->data_ip.addr.family) {
		ip_text(&rec->data_ip.addr, row->object, sizeof(row->object));
		str_format(row->detail, sizeof(row->detail), "%s, data0", workspace_state(ws));
		fn(ctx, row);
	}
}

void admin_rows_leases(struct registry *reg, const struct workspace *ws,
		       void (*fn)(void *ctx, struct admin_lease *row), void *ctx)
{
	const struct record *rec = workspace_record(ws);
	struct admin_lease row = { .since = rec->created, .state = "leased" };

	if (!workspace_exists(ws))
		return;
	str_copy(row.owner, sizeof(row.owner), workspace_name(ws));
	str_copy(row.detail, sizeof(row.detail), workspace_state(ws));
	number_leases(ws, &row, fn, ctx);
	str_copy(row.kind, sizeof(row.kind), "gpu");
	row.since = workspace_leased_gpu(ws);
	for (const char *id = rec->gpus; *id; id += strcspn(id, ","), id += *id == ',') {
		str_format(row.object, sizeof(row.object), "%.*s", (int)strcspn(id, ","), id);
		str_format(row.id, sizeof(row.id), "%.*s", (int)strcspn(id, ","), id);
		admin_gpu_place(registry_settings(reg), workspace_state(ws), &row);
		fn(ctx, &row);
	}
	row.id[0] = '\0';
	row.numa = 0;
	str_copy(row.detail, sizeof(row.detail), workspace_state(ws));
	hugepage_leases(rec, &row, fn, ctx);
	if (rec->cpus[0]) {
		cpu_lease(reg, rec, &row);
		fn(ctx, &row);
		row.numa = 0;
	}
	if (!rec->nic.name[0])
		return;
	nic_lease(reg, ws, &row);
	fn(ctx, &row);
	row.id[0] = '\0';
	row.numa = row.speed = 0;
	if (!rec->rdma[0])
		return;
	str_copy(row.kind, sizeof(row.kind), "rdma");
	str_format(row.object, sizeof(row.object), "%.63s", rec->rdma);
	str_format(row.detail, sizeof(row.detail), "of %.80s", rec->nic.name);
	fn(ctx, &row);
}
