/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The durable state of one workspace: state/records/NAME.ini, INI text with generation and checksum; the previous
 * generation stays beside it as NAME.ini.prev.  Only provisiond's main process reads and writes records.
 */
#pragma once
#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"
#include <stdint.h>

enum record_state {
	RECORD_ABSENT,
	RECORD_CREATING,
	RECORD_RUNNING,
	RECORD_STOPPING,
	RECORD_STOPPED,
	RECORD_DESTROYING,
	RECORD_NSTATES
};

struct record {
	uint64_t generation;
	char name[STR_NAME_MAX];
	enum record_state state; /* ABSENT in a file: destroyed, files and id range kept */
	char step[32];           /* step that ran last in the present transition */
	uint32_t slot;    /* short id: interface sb-<hex>, id range id_base + slot * id_count */
	uint64_t id_base; /* host id of the workspace's id 0 */
	uint32_t id_count;
	struct ip control_ip, control_ip6;
	struct ipnet data_ip; /* of data0, configured or automatic; family 0 none */
	char attach[16];      /* bridge that its eth0 is on; "" routed */
	char image[64];
	uint64_t created, started; /* seconds since the epoch, 0 = never */
	char boot_id
		[37]; /* of the boot in which init_pid, the namespaces and the NIC move are valid */
	uint32_t init_pid;
	uint64_t init_start; /* proc_start_time() */
	uint64_t ns_user, ns_net, ns_mnt;
	struct {             /* leased data-plane interface; name empty = none */
		char id[80]; /* what it is leased by (nic_find.h): pci:.., mac:.., name:.., macvlan:ID */
		char asked[80]; /* the configuration's word for it when it was leased */
		char name[16];  /* on the host */
		uint8_t mac[6];
		uint32_t mtu, flags;
		uint32_t
			speed; /* Mbit/s when it was leased, 0 unknown: from outside it is not seen any more */
		char driver[32], firmware[32];
		int32_t ifindex; /* for finding it, never for identity */
	} nic;
	char gpus[400]; /* ids of leased GPUs, separated by commas; "" none */
	char rdma[64];  /* leased RDMA device of the NIC; "" none */
	char cpus
		[128]; /* exclusive cpus that were chosen (auto:nic, auto:gpu), as a list; "" none */
	char vfio[80];                       /* PCI address bound to vfio-pci for it; "" none */
	uint32_t hugepages_2m, hugepages_1g; /* promised to it */
	char note[256];                      /* last failure, in words */
};

const char *record_state_text(enum record_state s);
/* Write a new generation (r->generation is increased): previous kept, fsync, rename, fsync. */
int record_save(int recordsfd, struct record *r, struct err *e);
/*
 * Load a record; a damaged current generation falls back to the previous one (*fell_back = 1). -ENOENT when there is
 * none, -EUCLEAN when neither generation is valid (nothing is deleted).
 */
int record_load(int recordsfd, const char *name, struct record *r, int *fell_back, struct err *e);
/* Remove both generations, durably. */
int record_remove(int recordsfd, const char *name, struct err *e);
/* Call fn for every record name found (unsorted). */
int record_each(int recordsfd, int (*fn)(void *ctx, const char *name), void *ctx, struct err *e);
