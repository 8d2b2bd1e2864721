/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See x11.h.  Session process and helpers of ws-init. */
#include "proto/x11.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

/* sshd lets more through ("xauth" reads it there); no protocol that is registered needs more. */
static bool is_protocol(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(s[i] >= 'A' && s[i] <= 'Z') && !(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '-' && s[i] != '.')
			return false;
	return n > 0 && n < X11_PROTOCOL_MAX;
}

int x11_parse(const char *protocol, const char *hex, struct x11_cookie *c)
{
	size_t n = strlen(protocol), digits = strlen(hex);

	memset(c, 0, sizeof(*c));
	if (!is_protocol(protocol, n) || digits == 0 || digits % 2 || digits / 2 > X11_COOKIE_MAX ||
	    !str_unhex(hex, c->data, digits / 2))
		return -EINVAL;
	memcpy(c->protocol, protocol, n);
	c->len = digits / 2;
	return 0;
}

int x11_parse_text(const char *text, struct x11_cookie *c)
{
	char protocol[X11_PROTOCOL_MAX];
	const char *space = strchr(text, ' ');
	size_t n = space ? (size_t)(space - text) : 0;

	if (n == 0 || n >= sizeof(protocol))
		return -EINVAL;
	memcpy(protocol, text, n);
	protocol[n] = '\0';
	return x11_parse(protocol, space + 1, c);
}

void x11_text(const struct x11_cookie *c, char out[X11_TEXT_MAX])
{
	size_t n = strlen(c->protocol);

	memcpy(out, c->protocol, n);
	out[n] = ' ';
	str_hex(c->data, c->len, out + n + 1);
}
