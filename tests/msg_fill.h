/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every conversation, and filling a message's struct with valid values from its own table. Shared by the unit tests and
 * the fuzz seeds.
 */
#pragma once
#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "base/ip.h"
#include "proto/admin.h"
#include "proto/asker.h"
#include "proto/ctl.h"
#include "proto/gate.h"
#include "proto/init.h"
#include "proto/msg.h"
#include "proto/work.h"

#define MSG_BODY_MAX MSG_BYTES_MAX

static const struct msg_proto *const msg_protos[] = { &gate_proto, &ctl_proto,  &zygote_proto,
						      &init_proto, &work_proto, &admin_proto,
						      &asker_proto };
#define MSG_NPROTOS (sizeof(msg_protos) / sizeof(msg_protos[0]))

enum msg_fill { FILL_LEAST, FILL_SOME, FILL_MOST };

/* Length or value between the limits. */
static inline uint32_t msg_fill_pick(enum msg_fill how, uint32_t min, uint32_t max, uint32_t salt)
{
	uint32_t span = max - min;

	if (how == FILL_LEAST)
		return min;
	if (how == FILL_MOST)
		return max;
	return min + (span ? salt * 2654435761U % (span < 40 ? span + 1 : 40) : 0);
}

static inline void msg_fill_field(const struct msg_field *f, uint8_t *at, enum msg_fill how,
				  uint32_t salt)
{
	struct ipport ip = { .addr = { .family = salt & 1 ? AF_INET : AF_INET6 },
			     .port = (uint16_t)(salt * 77) };
	uint64_t v64 = how == FILL_MOST ? UINT64_MAX : salt * 0x123456789abcULL;
	uint32_t n;

	switch (f->kind) {
	case MSG_U32:
		n = msg_fill_pick(how, f->min, f->max ? f->max : UINT32_MAX, salt);
		memcpy(at, &n, sizeof(n));
		break;
	case MSG_U64:
		memcpy(at, &v64, sizeof(v64));
		break;
	case MSG_STR:
		n = msg_fill_pick(how, f->min, f->max - 1, salt);
		for (uint32_t i = 0; i < n; i++)
			at[i] = (uint8_t)(1 + (i * 7 + salt) % 255);
		at[n] = '\0';
		break;
	case MSG_BYTES:
		n = msg_fill_pick(how, f->min, f->max, salt);
		memcpy(at, &n, sizeof(n));
		for (uint32_t i = 0; i < n; i++)
			at[4 + i] = (uint8_t)(i * 13 + salt);
		break;
	case MSG_IPPORT:
		for (unsigned int i = 0; i < (salt & 1 ? 4U : 16U); i++)
			ip.addr.b[i] = (uint8_t)(salt + i);
		if (how == FILL_LEAST)
			memset(&ip, 0, sizeof(ip));
		memcpy(at, &ip, sizeof(ip));
		break;
	}
}

/* `body` holds MSG_BODY_MAX bytes. */
static inline void msg_fill_row(const struct msg_row *row, uint8_t *body, enum msg_fill how,
				uint32_t salt)
{
	memset(body, 0, row->size);
	for (uint32_t i = 0; i < row->nfields; i++)
		msg_fill_field(&row->fields[i], body + row->fields[i].offset, how, salt + i);
}
