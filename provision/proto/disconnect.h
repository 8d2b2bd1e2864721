/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client is told before keys were exchanged: an SSH identification line and one unencrypted SSH_MSG_DISCONNECT
 * (RFC 4253 sections 4.2, 6 and 11.1).  Pure; the listener and the session processes send it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define DISCONNECT_BYTES_MAX 512

enum disconnect_reason { DISCONNECT_BY_APPLICATION = 11, DISCONNECT_TOO_MANY = 12 };

/* The bytes; text longer than 256 bytes is cut. Returns how many. */
size_t disconnect_packet(enum disconnect_reason reason, const char *text,
			 uint8_t out[DISCONNECT_BYTES_MAX]);
