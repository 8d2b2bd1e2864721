/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "admin": sshbay <-> provisiond, over run/admin.sock (0600; SO_PEERCRED uid 0).  A request is answered by any number
 * of rows or progress lines and then exactly one ADMIN_DONE, ADMIN_ENTERED or ADMIN_FAILED.  Requests on one connection
 * run concurrently when they name different workspaces; every answer carries the request's `tag`.
 */
#pragma once
#include "base/str.h"
#include "proto/admin_identity.h"
#include "proto/admin_nic.h"
#include "proto/admin_session.h"
#include "proto/admin_workspace.h"
#include "proto/msg.h"

enum admin_type {
	ADMIN_LIST = 2,
	ADMIN_WORKSPACE = 3,
	ADMIN_OPERATE = 4,
	ADMIN_PROGRESS = 5,
	ADMIN_ENTER = 6,
	ADMIN_ENTERED = 7,
	ADMIN_SESSIONS = 8,
	ADMIN_SESSION = 9,
	ADMIN_LEASES = 10,
	ADMIN_LEASE = 11,
	ADMIN_EVENTS = 12,
	ADMIN_EVENT = 13,
	ADMIN_RELOAD = 14,
	ADMIN_STATUS = 16,
	ADMIN_DONE = 17,
	ADMIN_FAILED = 19,
	ADMIN_KICK = 20,
	ADMIN_CHANNEL = 21,
	ADMIN_NICS = 22,
	ADMIN_NIC = 23,
	ADMIN_GPU_RECOVER = 26,
	ADMIN_SOURCES = 28,
	ADMIN_SOURCE = 29,
	ADMIN_EXPLAIN = 30,
	ADMIN_FACT = 31,
	ADMIN_HOSTS = 32,
	ADMIN_HOST = 33,
};

struct admin_name { /* LIST (empty = all), ENTER, SESSIONS, LEASES, EVENTS, RELOAD, STATUS, HOSTS */
	uint32_t tag;
	char name[STR_NAME_MAX];
	char user[STR_NAME_MAX]; /* ENTER: unix user inside, empty = root; HOSTS */
	uint32_t follow;         /* EVENTS: 1 = go on with new ones until the connection closes */
};
enum admin_operation { ADMIN_CREATE, ADMIN_START, ADMIN_STOP, ADMIN_DESTROY, ADMIN_ATTACH };
struct admin_operate {
	uint32_t tag;
	uint32_t operation; /* enum admin_operation */
	char name[STR_NAME_MAX];
	uint32_t purge;     /* DESTROY */
	uint32_t timeout_s; /* STOP, DESTROY: grace before SIGKILL */
};
struct admin_progress {
	uint32_t tag;
	char step[32], detail[128];
	uint64_t us;
	uint32_t up;
};
struct admin_lease {
	uint32_t tag;
	char kind[16], object[64], owner[STR_NAME_MAX],
		detail[128];    /* kind: ip, ids, nic, rdma, gpu, cpus, hugepages */
	char id[80], state[16]; /* id of a NIC or GPU; leased, free, missing, quarantined, .. */
	uint32_t numa, speed;   /* node + 1, Mbit/s; 0 unknown */
	uint64_t since;
};
struct admin_event {
	uint32_t tag;
	char line[4096]; /* one JSON audit line */
};
struct admin_done { /* DONE; and ENTERED with fd: a ws-init socket, BIND sent, BOUND not awaited */
	uint32_t tag;
	char text[512];
};
struct admin_failed {
	uint32_t tag;
	uint32_t code;
	char text[512];
};

struct admin_gpu { /* GPU_RECOVER: one in quarantine, by any word for it; look again and lift that when it is free */
	uint32_t tag;
	char name[128];
};

extern const struct msg_proto admin_proto;
