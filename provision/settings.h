/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration as values: one sshbay.ini and the workspaces.d files, read, checked and resolved once.  Immutable
 * after loading; a reload makes a new one and the old one stays when that fails.  Tables: schema.h. File layer: conf.h.
 */
#pragma once
#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"
#include "settings_gate.h"
#include "spec.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_DNS_MAX 3

/* [hardware] rdma_netns: the kernel's exclusive mode is needed; is needed and set at start; shared will do, too. */
enum settings_rdma { SETTINGS_RDMA_EXCLUSIVE, SETTINGS_RDMA_SET, SETTINGS_RDMA_SHARED };

struct settings {
	char file[PATH_MAX];
	struct settings_gate gate;
	struct settings_auth auth;
	struct settings_penalties penalties;
	struct {                                          /* [network] */
		struct ipnet control_cidr, control_cidr6; /* cidr6 family 0: no IPv6 */
		bool nat, isolate;
		char announce[16];      /* LAN interface or "" */
		struct ipnet data_cidr; /* family 0: none */
		struct ip dns[SETTINGS_DNS_MAX];
		uint32_t ndns;        /* 0: the host's resolvers that are not loopback */
		uint32_t mark, table; /* fwmark and routing table of the tproxy path */
	} network;
	struct { /* [storage] */
		char state[PATH_MAX], run[PATH_MAX], images[PATH_MAX];
		uint64_t id_base, id_count;
		uint32_t id_slots; /* most workspaces that can exist at once */
		bool reserve_disk;
	} storage;
	struct { /* [limits] */
		char cgroup
			[64]; /* parent group of this instance, below every hierarchy's own root */
		uint32_t workers;       /* operations at once */
		uint32_t start_timeout; /* seconds until a start is given up */
		uint32_t stop_timeout;
		uint32_t connections_per_user;
	} limits;
	struct {                      /* [log] */
		char audit[PATH_MAX]; /* JSON lines; "" = none */
	} log;
	struct { /* [hardware]: where devices are looked for */
		char sysfs[PATH_MAX], proc[PATH_MAX], dev[PATH_MAX];
		char cdi[1024];      /* directories, separated by ':' */
		uint32_t rdma_netns; /* enum settings_rdma */
	} hardware;
	struct { /* [pool] */
		char nics[1024], gpus[256];
	} pool;
	struct spec defaults;    /* name empty */
	struct spec *workspaces; /* sorted by name */
	uint32_t nworkspaces;
};

/* All problems of one load, in file order: "FILE:LINE: [section] key: reason" one per line. */
struct settings_report {
	char *text; /* malloc'd, "" when there are none */
	unsigned int count;
};

/*
 * Load `file` and every *.ini of workspaces.d beside it. 0 and *out (settings_free), or -EINVAL with every problem in
 * `report` (settings_report_free), *out NULL. Files must be regular, owned by root, not writable by group or others.
 */
int settings_load(const char *file, struct settings **out, struct settings_report *report);
/* [storage] run alone, whatever else is wrong: where a provisiond is that loaded an older text. 0, -EINVAL, -ENOMEM. */
int settings_run(const char *file, char out[PATH_MAX]);
void settings_free(struct settings *s);
void settings_report_free(struct settings_report *r);

/* The spec of workspace `name`: its file's, or (defaults, users = name) copied into *out. */
void settings_spec(const struct settings *s, const char *name, struct spec *out);
/* The configured workspace with this control address, or NULL. */
const struct spec *settings_find_ip(const struct settings *s, const struct ip *ip);
/* What is suspicious and yet loaded, into `text`; false: nothing is. */
bool settings_suspicious(const struct settings *s, char *text, size_t size);
bool settings_may_enter(const struct spec *spec, const char *user);
/* Print the whole effective configuration as an INI that loads to the same settings (`sshbay dump`). */
int settings_dump(const struct settings *s, int fd, struct err *e);
