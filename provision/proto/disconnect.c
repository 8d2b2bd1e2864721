/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See disconnect.h.  The identification is that of the sessions (transport.c): a client shall not learn from it which
 * process it talks to.
 */
#include "proto/disconnect.h"

#include <string.h>

#define IDENTIFICATION "SSH-2.0-OpenSSH_compatible_sshbay\r\n"
#define SSH_DISCONNECT 1
#define TEXT_MAX       256
#define BLOCK          8 /* of a packet before keys are exchanged, RFC 4253 section 6 */
#define PADDING_MIN    4

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
	*p++ = (uint8_t)(v >> 24);
	*p++ = (uint8_t)(v >> 16);
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

size_t disconnect_packet(enum disconnect_reason reason, const char *text,
			 uint8_t out[DISCONNECT_BYTES_MAX])
{
	size_t n = strnlen(text, TEXT_MAX), ident = strlen(IDENTIFICATION);
	size_t payload = 1 + 4 + 4 + n + 4;
	size_t pad = BLOCK - (4 + 1 + payload) % BLOCK;
	uint8_t *p = out;

	if (pad < PADDING_MIN)
		pad += BLOCK;
	memcpy(p, IDENTIFICATION, ident);
	p = put_u32(p + ident, (uint32_t)(1 + payload + pad));
	*p++ = (uint8_t)pad;
	*p++ = SSH_DISCONNECT;
	p = put_u32(p, reason);
	p = put_u32(p, (uint32_t)n);
	memcpy(p, text, n);
	p = put_u32(p + n, 0); /* language tag */
	memset(p, 0, pad);
	return (size_t)(p - out) + pad;
}
