/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The row that a workspace is in the "admin" conversation (proto/admin.h): ADMIN_WORKSPACE, the answer to ADMIN_LIST. */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct admin_workspace {
	uint32_t tag;
	char name[STR_NAME_MAX], state[16], users[512], image[64];
	char control_ip[64], control_ip6[64], data_ip[64], nic[64], rdma[64], gpu[64], cpus[128];
	uint64_t id_base, memory, swap, disk;
	uint32_t id_count, pids, data_mtu, init_pid, sessions, autostart, root;
	uint64_t created, started; /* seconds since the epoch, 0 = never */
	uint64_t ns_user, ns_net, generation;
	char interface[16];                    /* host side of the veth */
	char attach[16];                       /* bridge that this is a port of; "" routed */
	char nic_driver[32], nic_firmware[32]; /* of the leased NIC; inside a tenant is not told */
	char disk_way
		[16]; /* how `disk` is kept: "quota", "image"; empty: it is not, or not known */
	uint64_t disk_size, disk_used, inodes, inodes_used; /* in effect; UINT64_MAX: not known */
	uint32_t disk_device; /* image: its device as stat(2) tells it, ... */
	uint64_t
		disk_blocks; /* ... and its blocks in all; what is used is the asker's to find out (disk.h) */
	char cgroup[128], rootfs[512],
		file[512]; /* where things are; file = configuration file or empty */
	char note[256];    /* why it is not running, quarantine reason, ... */
};
