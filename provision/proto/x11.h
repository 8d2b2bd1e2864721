/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "protocol hexcookie": what a client's x11-req says about the authorisation of its display (RFC 4254 section 6.3.1), and
 * what the session hands to ws-init. Pure functions over text of the client's.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define X11_PROTOCOL_MAX 64  /* with NUL; MIT-MAGIC-COOKIE-1 has 18 characters */
#define X11_COOKIE_MAX   128 /* bytes; MIT-MAGIC-COOKIE-1 has 16 */
#define X11_TEXT_MAX     (X11_PROTOCOL_MAX + 2 * X11_COOKIE_MAX + 1)

struct x11_cookie {
	char protocol[X11_PROTOCOL_MAX];
	size_t len;
	uint8_t data[X11_COOKIE_MAX];
};

/* 0, or -EINVAL: the protocol is not 1..63 of [A-Za-z0-9.-], or the cookie not 1..128 bytes in hex. */
int x11_parse(const char *protocol, const char *hex, struct x11_cookie *c);
/* The same of both in one, with one space between them. */
int x11_parse_text(const char *text, struct x11_cookie *c);
/* Into one text again. */
void x11_text(const struct x11_cookie *c, char out[X11_TEXT_MAX]);
