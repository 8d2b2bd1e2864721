/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of the "admin" conversation: sshbay and provisiond.
 */
#include "proto/admin.h"
#include "proto/table.h"

static const struct msg_field name_[] = {
	U32(admin_name, tag, 0, 0),
	STR(admin_name, name, 0),
	STR(admin_name, user, 0),
	U32(admin_name, follow, 0, 1),
};
static const struct msg_field operate[] = {
	U32(admin_operate, tag, 0, 0),       U32(admin_operate, operation, 0, ADMIN_ATTACH),
	STR(admin_operate, name, 1),         U32(admin_operate, purge, 0, 1),
	U32(admin_operate, timeout_s, 0, 0),
};
#define WS(kind, f) kind(admin_workspace, f, 0)
static const struct msg_field workspace[] = {
	U32(admin_workspace, tag, 0, 0),
	STR(admin_workspace, name, 1),
	WS(STR, state),
	WS(STR, users),
	WS(STR, image),
	WS(STR, control_ip),
	WS(STR, control_ip6),
	WS(STR, data_ip),
	WS(STR, nic),
	WS(STR, rdma),
	WS(STR, gpu),
	WS(STR, cpus),
	U64(admin_workspace, id_base),
	U64(admin_workspace, memory),
	U64(admin_workspace, swap),
	U64(admin_workspace, disk),
	U32(admin_workspace, id_count, 0, 0),
	U32(admin_workspace, pids, 0, 0),
	U32(admin_workspace, data_mtu, 0, 0),
	U32(admin_workspace, init_pid, 0, INT32_MAX),
	U32(admin_workspace, sessions, 0, 0),
	U32(admin_workspace, autostart, 0, 1),
	U32(admin_workspace, root, 0, 1),
	U64(admin_workspace, created),
	U64(admin_workspace, started),
	U64(admin_workspace, ns_user),
	U64(admin_workspace, ns_net),
	U64(admin_workspace, generation),
	WS(STR, interface),
	WS(STR, attach),
	WS(STR, nic_driver),
	WS(STR, nic_firmware),
	WS(STR, disk_way),
	U64(admin_workspace, disk_size),
	U64(admin_workspace, disk_used),
	U64(admin_workspace, inodes),
	U64(admin_workspace, inodes_used),
	U32(admin_workspace, disk_device, 0, 0),
	U64(admin_workspace, disk_blocks),
	WS(STR, cgroup),
	WS(STR, rootfs),
	WS(STR, file),
	WS(STR, note),
};
static const struct msg_field progress[] = {
	U32(admin_progress, tag, 0, 0), STR(admin_progress, step, 1),
	STR(admin_progress, detail, 0), U64(admin_progress, us),
	U32(admin_progress, up, 0, 1),
};
static const struct msg_field session[] = {
	U32(admin_session, tag, 0, 0),         STR(admin_session, id, 0),
	STR(admin_session, user, 0),           STR(admin_session, workspace, 0),
	STR(admin_session, peer, 0),           STR(admin_session, local, 0),
	STR(admin_session, fingerprint, 0),    U64(admin_session, since),
	U32(admin_session, pid, 0, INT32_MAX), U32(admin_session, channels, 0, 0),
	STR(admin_session, kinds, 0),          STR(admin_session, method, 0),
};
static const struct msg_field channel[] = {
	U32(admin_channel, tag, 0, 0), U32(admin_channel, id, 0, 0), STR(admin_channel, session, 0),
	STR(admin_channel, kind, 1),   STR(admin_channel, what, 0),  U64(admin_channel, since),
};
static const struct msg_field sources[] = {
	U32(admin_sources, tag, 0, 0),
	STR(admin_sources, lift, 0),
};
static const struct msg_field source[] = {
	U32(admin_source, tag, 0, 0),
	U32(admin_source, left_s, 0, 0),
	STR(admin_source, source, 1),
};
static const struct msg_field kick[] = {
	U32(admin_kick, tag, 0, 0),
	STR(admin_kick, who, 1),
	STR(admin_kick, message, 0),
};
static const struct msg_field lease[] = {
	U32(admin_lease, tag, 0, 0),   STR(admin_lease, kind, 1),   STR(admin_lease, object, 1),
	STR(admin_lease, owner, 0),    STR(admin_lease, detail, 0), U64(admin_lease, since),
	STR(admin_lease, id, 0),       STR(admin_lease, state, 1),  U32(admin_lease, numa, 0, 0),
	U32(admin_lease, speed, 0, 0),
};
static const struct msg_field event[] = { U32(admin_event, tag, 0, 0), STR(admin_event, line, 0) };
static const struct msg_field done[] = { U32(admin_done, tag, 0, 0), STR(admin_done, text, 0) };
static const struct msg_field failed[] = {
	U32(admin_failed, tag, 0, 0),
	U32(admin_failed, code, 0, 4095),
	STR(admin_failed, text, 0),
};
static const struct msg_field explain[] = {
	U32(admin_explain, tag, 0, 0),
	STR(admin_explain, login, 0),
	STR(admin_explain, address, 0),
	STR(admin_explain, from, 0),
};
static const struct msg_field fact[] = {
	U32(admin_fact, tag, 0, 0),  STR(admin_fact, name, 1),    STR(admin_fact, value, 0),
	STR(admin_fact, file, 0),    STR(admin_fact, section, 0), STR(admin_fact, key, 0),
	U32(admin_fact, line, 0, 0),
};
static const struct msg_field host[] = {
	U32(admin_host, tag, 0, 0),      STR(admin_host, name, 0),
	STR(admin_host, address, 0),     STR(admin_host, address6, 0),
	U32(admin_host, port, 1, 65535), U32(admin_host, route, 0, ADMIN_ROUTE_LOGIN),
	STR(admin_host, public_key, 1),  STR(admin_host, sshfp, 1),
};

static const struct msg_field nics[] = {
	U32(admin_nics, tag, 0, 0),
	STR(admin_nics, recover, 0),
	U32(admin_nics, force, 0, 1),
};
static const struct msg_field nic[] = {
	U32(admin_nic, tag, 0, 0),   STR(admin_nic, name, 0),       STR(admin_nic, id, 1),
	STR(admin_nic, state, 1),    STR(admin_nic, owner, 0),      U32(admin_nic, numa, 0, 0),
	U32(admin_nic, speed, 0, 0), U32(admin_nic, carrier, 0, 2), U32(admin_nic, pool, 0, 1),
	U64(admin_nic, since),       STR(admin_nic, detail, 0),
};

static const struct msg_field gpu[] = { U32(admin_gpu, tag, 0, 0), STR(admin_gpu, name, 1) };

static const struct msg_row rows[] = {
	{ ASK(ADMIN_LIST, admin_name, name_, 0, 0, 1, "all workspaces, or the one that is named") },
	{ ANSWER(ADMIN_WORKSPACE, admin_workspace, workspace, 0, 0, 1, "one workspace") },
	{ ASK(ADMIN_OPERATE, admin_operate, operate, 0, 0, 1,
	      "create, start, stop or destroy a workspace, or move its NIC in") },
	{ ANSWER(ADMIN_PROGRESS, admin_progress, progress, 0, 0, 1,
		 "one finished step of ADMIN_OPERATE") },
	{ ASK(ADMIN_ENTER, admin_name, name_, 0, 0, 1,
	      "connect to a running workspace as a unix user of it") },
	{ ANSWER(ADMIN_ENTERED, admin_done, done, 1, 1, 1,
		 "fd: a ws-init socket; text: the unix user") },
	{ ASK(ADMIN_SESSIONS, admin_name, name_, 0, 0, 1,
	      "connections, of all workspaces or the named one") },
	{ ANSWER(ADMIN_SESSION, admin_session, session, 0, 0, 1, "one connection") },
	{ ANSWER(ADMIN_CHANNEL, admin_channel, channel, 0, 0, 1,
		 "one open channel of the connection before it") },
	{ ASK(ADMIN_KICK, admin_kick, kick, 0, 0, 1,
	      "end connections, with a word to their clients") },
	{ ASK(ADMIN_SOURCES, admin_sources, sources, 0, 0, 1,
	      "which sources the gate refuses, the worst of them; or lift that") },
	{ ANSWER(ADMIN_SOURCE, admin_source, source, 0, 0, 1, "one source, and for how long") },
	{ ASK(ADMIN_NICS, admin_nics, nics, 0, 0, 1,
	      "the host's NICs and who has them; or lift the quarantine of one") },
	{ ANSWER(ADMIN_NIC, admin_nic, nic, 0, 0, 1, "one NIC") },
	{ ASK(ADMIN_GPU_RECOVER, admin_gpu, gpu, 0, 0, 1,
	      "look again at a GPU in quarantine, and lift that when nobody holds it") },
	{ ASK(ADMIN_LEASES, admin_name, name_, 0, 0, 1,
	      "who holds which address, id range and device") },
	{ ANSWER(ADMIN_LEASE, admin_lease, lease, 0, 0, 1, "one lease") },
	{ ASK(ADMIN_EVENTS, admin_name, name_, 0, 0, 1,
	      "recent audit lines; follow: and those to come") },
	{ ANSWER(ADMIN_EVENT, admin_event, event, 0, 0, 1, "one audit line, JSON") },
	{ ASK(ADMIN_RELOAD, admin_name, name_, 0, 0, 1,
	      "load the configuration again; the old one stays on errors") },
	{ ASK(ADMIN_STATUS, admin_name, name_, 0, 0, 1,
	      "a summary of the daemon, in the text of ADMIN_DONE") },
	{ ASK(ADMIN_EXPLAIN, admin_explain, explain, 0, 0, 1,
	      "what would become of a login: one ADMIN_FACT per answer") },
	{ ANSWER(ADMIN_FACT, admin_fact, fact, 0, 0, 1, "one answer and what decided it") },
	{ ASK(ADMIN_HOSTS, admin_name, name_, 0, 0, 1,
	      "the gate and the workspaces that a user may enter") },
	{ ANSWER(ADMIN_HOST, admin_host, host, 0, 0, 1,
		 "one of them: addresses, the way there, public host key") },
	{ ANSWER(ADMIN_DONE, admin_done, done, 0, 0, 1, "the request is complete") },
	{ ANSWER(ADMIN_FAILED, admin_failed, failed, 0, 0, 1,
		 "the request failed; errno and reason") },
};
CHECK_ROWS(rows);

const struct msg_proto admin_proto = {
	.name = "admin",
	.version = 1,
	.rows = rows,
	.nrows = NROWS(rows),
};
