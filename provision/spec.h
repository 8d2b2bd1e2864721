/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One workspace as configured. Part of settings.h. */
#pragma once
#include "base/ip.h"
#include "base/str.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_USERS_MAX   16
#define SETTINGS_ROUTES_MAX  16
#define SETTINGS_BRIDGES_MAX 16 /* different ones that attach names */
#define SETTINGS_UNLIMITED   UINT64_MAX
#define SPEC_NO_ADDRESS      255 /* plen of data_ip = none */

struct spec_route {
	struct ipnet to;
	struct ip via;
};

/* One workspace as configured: [defaults] under workspaces.d/NAME.ini; or [defaults] alone for one made by a login. */
struct spec {
	char name[STR_NAME_MAX];
	char users[SETTINGS_USERS_MAX]
		  [STR_NAME_MAX]; /* may enter; never empty (default: the workspace's name) */
	uint32_t nusers;
	char image[64];
	struct ip control_ip, control_ip6; /* family 0: automatic */
	char attach[16];                   /* bridge that eth0 is on; "": routed */
	struct ip control_gateway,
		control_gateway6; /* with attach; family 0: the bridge's own address */
	char nic[80]; /* "none", "auto", "NAME", "pci:..", "mac:..", one of these + "/vfN", "macvlan:NAME" */
	/* Family 0: none; data_ip then comes from data_cidr, unless plen is SPEC_NO_ADDRESS or data_ip6 is set. */
	struct ipnet data_ip, data_ip6;
	uint32_t data_mtu;                     /* 0: leave it */
	struct ip data_gateway, data_gateway6; /* family 0: none */
	struct spec_route routes[SETTINGS_ROUTES_MAX];
	uint32_t nroutes;
	char nic_features[256];      /* "tso off, gro on" as ethtool -K takes them */
	bool nic_optional, nic_full; /* nic_policy = optional, nic_admin = full */
	uint8_t vf_mac[6];           /* all zero: as it is */
	uint32_t vf_vlan;            /* 0: none */
	bool vf_spoofcheck, vf_trust;
	char rdma[64]; /* "none", "auto", or a device's name */
	bool rdma_cm, dpdk;
	uint32_t hugepages_2m, hugepages_1g; /* pages */
	char gpu[128];
	char cpus[128];              /* "" all, "N" a count, or a list as in cpuset.cpus */
	uint64_t memory, swap, disk; /* bytes, SETTINGS_UNLIMITED */
	uint32_t pids;               /* 0: unlimited */
	bool autostart, root, nesting;
	char password[256];  /* crypt(5) hash that its users may log in with, "" none */
	char file[PATH_MAX]; /* its file, "" when there is none */
};
