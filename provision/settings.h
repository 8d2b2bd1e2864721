/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration as values: one sshbay.ini and the workspaces.d files, read, checked and resolved once.  Immutable
 * after loading; a reload makes a new one and the old one stays when that fails.  Tables: schema.h. File layer: conf.h.
 */
#pragma once
#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_LISTEN_MAX 16
#define SETTINGS_USERS_MAX  16
#define SETTINGS_DNS_MAX    3
#define SETTINGS_UNLIMITED  UINT64_MAX

/* One workspace as configured: [defaults] under workspaces.d/NAME.ini; or [defaults] alone for one made by a login. */
struct spec {
	char name[STR_NAME_MAX];
	char users[SETTINGS_USERS_MAX]
		  [STR_NAME_MAX]; /* may enter; never empty (default: the workspace's name) */
	uint32_t nusers;
	char image[64];
	struct ip control_ip, control_ip6; /* family 0: automatic */
	char nic[64];                   /* "none", an interface name; "auto", "pci:..", "mac:.." */
	struct ipnet data_ip, data_ip6; /* family 0: none */
	uint32_t data_mtu;              /* 0: leave it */
	char gpu[64];
	char cpus[128];              /* "" all, "N" a count, or a list as in cpuset.cpus */
	uint64_t memory, swap, disk; /* bytes, SETTINGS_UNLIMITED */
	uint32_t pids;               /* 0: unlimited */
	bool autostart, root, nesting;
	char file[PATH_MAX]; /* its file, "" when there is none */
};

struct settings {
	char file[PATH_MAX];
	struct { /* [gate] */
		struct ipport listen[SETTINGS_LISTEN_MAX];
		uint32_t nlisten;
		char user[STR_NAME_MAX]; /* as written: a user name, or a number */
		uint32_t uid, gid;       /* resolved from `user` */
		char host_key[PATH_MAX];
		char authorized_keys[PATH_MAX]; /* %u = user */
		bool create_on_login;           /* create = first-login */
		uint32_t login_grace;           /* seconds */
		uint32_t startups_begin, startups_rate, startups_full;
		uint32_t per_source, source_v4_len, source_v6_len;
		uint32_t max_sessions, max_auth_tries;
		uint32_t alive_interval, alive_count, rekey_mb;
		char kex[512], ciphers[512], macs[512];
		char accept_env[512];
		char banner[PATH_MAX];     /* file, "" none */
		uint32_t transparent_port; /* local port of the tproxy socket */
	} gate;
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
void settings_free(struct settings *s);
void settings_report_free(struct settings_report *r);

/* The spec of workspace `name`: its file's, or (defaults, users = name) copied into *out. */
void settings_spec(const struct settings *s, const char *name, struct spec *out);
/* The configured workspace with this control address, or NULL. */
const struct spec *settings_find_ip(const struct settings *s, const struct ip *ip);
bool settings_may_enter(const struct spec *spec, const char *user);
/* Print the whole effective configuration as an INI that loads to the same settings (`sshbay dump`). */
int settings_dump(const struct settings *s, int fd, struct err *e);
