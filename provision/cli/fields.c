/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of what provisiond tells about workspaces, sessions and leases, and their two forms: text and JSON.  Runs
 * in sshbay.
 */
#include "fields.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/clk.h"
#include "base/num.h"
#include "base/str.h"

#define W(name, kind, help)                                                                        \
	{                                                                                          \
#name, kind, offsetof(struct admin_workspace, name), help                          \
	}
#define S(name, kind)                                                                              \
	{                                                                                          \
#name, kind, offsetof(struct admin_session, name), NULL                            \
	}
#define C(name, kind)                                                                              \
	{                                                                                          \
#name, kind, offsetof(struct admin_channel, name), NULL                            \
	}
#define L(name, kind)                                                                              \
	{                                                                                          \
#name, kind, offsetof(struct admin_lease, name), NULL                              \
	}

const struct field fields_workspace[] = {
	W(name, FIELD_TEXT, "of the workspace, its host name and its file in workspaces.d"),
	W(state, FIELD_TEXT, "absent, creating, running, stopping, stopped or destroying"),
	W(note, FIELD_TEXT, "the last failure, or what an admin should know"),
	W(users, FIELD_LIST, "who may log in (users)"),
	W(image, FIELD_TEXT, "the read-only system below its own files (image)"),
	W(control_ip, FIELD_TEXT,
	  "its address; ssh to it reaches it, whether it runs or not (control_ip)"),
	W(control_ip6, FIELD_TEXT, "its IPv6 address (control_ip6)"),
	W(interface, FIELD_TEXT, "the host's end of its eth0"),
	W(attach, FIELD_TEXT, "the bridge that this is a port of; none: routed (attach)"),
	W(nic, FIELD_TEXT, "the interface that is leased to it, data0 inside (nic)"),
	W(nic_driver, FIELD_TEXT, "the driver of that interface"),
	W(nic_firmware, FIELD_TEXT, "the version of its firmware, if its driver tells"),
	W(data_ip, FIELD_TEXT, "the address of data0 (data_ip)"),
	W(data_mtu, FIELD_NUMBER0, "the MTU of data0, if set (data_mtu)"),
	W(rdma, FIELD_TEXT, "the RDMA device of its NIC that is leased to it (rdma)"),
	W(gpu, FIELD_TEXT, "the GPU that is leased to it (gpu)"),
	W(cpus, FIELD_TEXT, "the processors it may use; none: all (cpus)"),
	W(memory, FIELD_SIZE, "the most memory it may use (memory)"),
	W(swap, FIELD_SIZE, "the most swap it may use (swap)"),
	W(disk, FIELD_SIZE, "the most its files may take (disk)"),
	W(disk_way, FIELD_TEXT,
	  "how that is kept: by a quota of the store's file system, or by an image of its own"),
	W(disk_size, FIELD_USED, "the most that they may take now"),
	W(disk_used, FIELD_USED, "what they take; an image that is not mounted does not tell"),
	W(inodes, FIELD_COUNT, "the most files and directories that it may have"),
	W(inodes_used, FIELD_COUNT, "how many it has"),
	W(pids, FIELD_NUMBER0, "the most processes and threads it may have; none: no limit (pids)"),
	W(autostart, FIELD_BOOL, "whether it starts with the host (autostart)"),
	W(root, FIELD_BOOL, "whether its users may become root inside (root)"),
	W(id_base, FIELD_LONG, "the host's user id that is root inside"),
	W(id_count, FIELD_NUMBER0, "how many ids it has from there on"),
	W(init_pid, FIELD_NUMBER0, "the host's number of its first process, ws-init"),
	W(sessions, FIELD_NUMBER, "how many connections are logged in"),
	W(created, FIELD_TIME, "when its files were made"),
	W(started, FIELD_TIME, "when it was started last"),
	W(generation, FIELD_LONG, "how often its record was written"),
	W(ns_user, FIELD_LONG, "the inode of its user namespace (lsns)"),
	W(ns_net, FIELD_LONG, "the inode of its network namespace (lsns)"),
	W(cgroup, FIELD_TEXT, "its control group"),
	W(rootfs, FIELD_TEXT, "where its own files are"),
	W(file, FIELD_TEXT, "its configuration; none: [defaults] alone"),
	{ NULL, FIELD_TEXT, 0, NULL },
};

/* `channels` is an array of what follows (sessions.c). */
const struct field fields_session[] = {
	S(user, FIELD_TEXT),  S(workspace, FIELD_TEXT),      S(peer, FIELD_TEXT),
	S(local, FIELD_TEXT), S(since, FIELD_TIME),          S(pid, FIELD_NUMBER0),
	S(kinds, FIELD_LIST), S(method, FIELD_TEXT),         S(fingerprint, FIELD_TEXT),
	S(id, FIELD_TEXT),    { NULL, FIELD_TEXT, 0, NULL },
};

const struct field fields_channel[] = {
	C(id, FIELD_NUMBER),  C(kind, FIELD_TEXT),           C(what, FIELD_TEXT),
	C(since, FIELD_TIME), { NULL, FIELD_TEXT, 0, NULL },
};

const struct field fields_source[] = {
	{ "source", FIELD_TEXT, offsetof(struct admin_source, source), "" },
	{ "left_s", FIELD_NUMBER, offsetof(struct admin_source, left_s), "" },
	{ NULL, FIELD_TEXT, 0, NULL },
};

const struct field fields_lease[] = {
	L(kind, FIELD_TEXT),           L(object, FIELD_TEXT),   L(id, FIELD_TEXT),
	L(state, FIELD_TEXT),          L(owner, FIELD_TEXT),    L(since, FIELD_TIME),
	L(numa, FIELD_NODE),           L(speed, FIELD_NUMBER0), L(detail, FIELD_TEXT),
	{ NULL, FIELD_TEXT, 0, NULL },
};

#define N(member, kind)                                                                            \
	{                                                                                          \
#member, kind, offsetof(struct admin_nic, member), ""                              \
	}
const struct field fields_nic[] = {
	N(name, FIELD_TEXT),           N(id, FIELD_TEXT),
	N(state, FIELD_TEXT),          N(owner, FIELD_TEXT),
	N(since, FIELD_TIME),          { "numa", FIELD_NODE, offsetof(struct admin_nic, numa), "" },
	N(speed, FIELD_NUMBER0),       N(carrier, FIELD_MAYBE),
	N(pool, FIELD_BOOL),           N(detail, FIELD_TEXT),
	{ NULL, FIELD_TEXT, 0, NULL },
};

static const char *at_text(const struct field *f, const void *row)
{
	return (const char *)row + f->offset;
}

static uint64_t at_number(const struct field *f, const void *row)
{
	uint64_t v64;
	uint32_t v32;

	if (f->kind == FIELD_LONG || f->kind == FIELD_SIZE || f->kind == FIELD_TIME ||
	    f->kind == FIELD_USED || f->kind == FIELD_COUNT) {
		memcpy(&v64, at_text(f, row), sizeof(v64));
		return v64;
	}
	memcpy(&v32, at_text(f, row), sizeof(v32));
	return v32;
}

/* Three digits at least are enough for people. */
static uint64_t readable(uint64_t bytes)
{
	uint64_t unit = 1;

	while (bytes / unit >= 1024 * 1024)
		unit *= 1024;
	return unit == 1 || bytes % unit == 0 ? bytes : bytes / unit * unit;
}

const char *field_text(const struct field *f, const void *row, char *buf, size_t size)
{
	bool text = f->kind == FIELD_TEXT || f->kind == FIELD_LIST;
	uint64_t v = text ? 0 : at_number(f, row);

	(void)str_copy(buf, size, "-");
	if (text && at_text(f, row)[0])
		(void)str_copy(buf, size, at_text(f, row));
	else if (f->kind == FIELD_BOOL)
		(void)str_copy(buf, size, v ? "yes" : "no");
	else if (f->kind == FIELD_MAYBE && v)
		(void)str_copy(buf, size, v == 2 ? "yes" : "no");
	else if (f->kind == FIELD_TIME && v)
		clk_text(v, buf, size);
	else if (f->kind == FIELD_SIZE)
		v == UINT64_MAX ? (void)str_copy(buf, size, "unlimited")
				: (void)num_size_text(v, buf, size);
	else if (f->kind == FIELD_USED && v != UINT64_MAX)
		(void)num_size_text(readable(v), buf, size);
	else if (f->kind == FIELD_COUNT && v != UINT64_MAX)
		(void)str_format(buf, size, "%" PRIu64, v);
	else if (f->kind == FIELD_USED || f->kind == FIELD_COUNT)
		return buf;
	else if (f->kind == FIELD_NODE && v)
		(void)str_format(buf, size, "%" PRIu64, v - 1);
	else if (!text && (v || f->kind == FIELD_NUMBER))
		(void)str_format(buf, size, "%" PRIu64, v);
	return buf;
}

/* JSON has no bytes: what is not printable ASCII is escaped as everywhere else. */
static struct json_object *json_text(const char *text, size_t n)
{
	char vis[4 * 512 + 4];

	return json_object_new_string(str_vis(text, n, vis, sizeof(vis)));
}

static struct json_object *json_list(const char *text)
{
	struct json_object *list = json_object_new_array();

	for (text += strspn(text, ", "); *text; text += strspn(text, ", ")) {
		size_t n = strcspn(text, ", ");

		json_object_array_add(list, json_text(text, n));
		text += n;
	}
	return list;
}

static struct json_object *json_value(const struct field *f, const void *row)
{
	bool counts = f->kind == FIELD_SIZE || f->kind == FIELD_USED || f->kind == FIELD_COUNT;
	const char *text = at_text(f, row);
	char stamp[40];
	uint64_t v;

	if (f->kind == FIELD_LIST)
		return json_list(text);
	if (f->kind == FIELD_TEXT)
		return *text ? json_text(text, strlen(text)) : NULL;
	v = at_number(f, row);
	if (f->kind == FIELD_BOOL)
		return json_object_new_boolean(v != 0);
	if (f->kind == FIELD_NUMBER || (counts && v != UINT64_MAX))
		return json_object_new_uint64(v);
	if (v == 0 || counts)
		return NULL;
	if (f->kind == FIELD_MAYBE)
		return json_object_new_boolean(v == 2);
	if (f->kind == FIELD_NODE)
		return json_object_new_uint64(v - 1);
	return f->kind == FIELD_TIME ? json_object_new_string(clk_text(v, stamp, sizeof(stamp)))
				     : json_object_new_uint64(v);
}

struct json_object *field_json(const struct field *fields, const void *row)
{
	struct json_object *object = json_object_new_object();

	for (const struct field *f = fields; f->name; f++)
		json_object_object_add(object, f->name, json_value(f, row));
	return object;
}
