/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit log: one JSON object per line (THREATS section 5.9), O_APPEND, one write(2) of at most 4 KiB, every string
 * escaped and cut at 256 bytes ("user" at 64).  A log that cannot be written is reported once and never stops the service.
 */
#pragma once
#include "base/err.h"
#include <stdint.h>

struct audit_field {
	const char *key;
	const char *text; /* NULL: number */
	uint64_t number;
};
#define AUDIT_TEXT(k, v)                                                                           \
	{                                                                                          \
		(k), (v), 0                                                                        \
	}
#define AUDIT_NUM(k, v)                                                                            \
	{                                                                                          \
		(k), NULL, (uint64_t)(v)                                                           \
	}

/* Open (create 0640). Empty path: no log, subscribers only. Called again on reload. */
int audit_open(const char *path, struct err *e);
/* `event` as in THREATS 5.9 ("auth.ok"). ts, mono, boot_id, seq and pid are added. */
void audit_write(const char *event, const struct audit_field *fields, unsigned int n);
/* Called with every line written, for `sshbay events`. NULL removes it. */
void audit_subscribe(void (*fn)(void *ctx, const char *line), void *ctx);
