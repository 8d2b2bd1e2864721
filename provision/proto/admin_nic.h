/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "admin", the part about NICs. Part of proto/admin.h. */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct admin_nics { /* recover empty: list them */
	uint32_t tag;
	char recover[80]; /* name or id of one in quarantine: restore it and lift that */
	uint32_t force;   /* recover: as it is */
};
struct admin_nic {
	uint32_t tag;
	char name[64], id[80];
	char state[16]; /* free, leased, shared, host, missing, quarantined */
	char owner[STR_NAME_MAX];
	uint32_t numa;    /* node + 1; 0 unknown */
	uint32_t speed;   /* Mbit/s; 0 unknown */
	uint32_t carrier; /* 1 no, 2 yes; 0 unknown: it is not on the host */
	uint32_t pool;    /* nic = auto may take it */
	uint64_t since;
	char detail[256];
};
