/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: protocol and cookie of an x11-req, as the session and ws-init take them apart.  Input: two texts separated
 * by NUL.  What is accepted means the same after one round.
 */
#include "proto/x11.h"

#include <stdlib.h>
#include <string.h>

#include "provision/init/display.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static void round_trip(const struct x11_cookie *c)
{
	uint8_t file[DISPLAY_AUTHORITY_MAX];
	struct x11_cookie again;
	char text[X11_TEXT_MAX];
	int n;

	if (!c->len || c->len > X11_COOKIE_MAX || !c->protocol[0] ||
	    strnlen(c->protocol, X11_PROTOCOL_MAX) == X11_PROTOCOL_MAX)
		abort();
	memset(text, 'x', sizeof(text));
	x11_text(c, text);
	if (strnlen(text, sizeof(text)) == sizeof(text) || x11_parse_text(text, &again) < 0 ||
	    strcmp(again.protocol, c->protocol) != 0 || again.len != c->len ||
	    memcmp(again.data, c->data, c->len) != 0)
		abort();
	/* A line of its own for ~/.ssh/rc: no second one, nothing that a terminal acts on. */
	for (const char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			abort();
	n = display_authority("a-host-name-of-this-length", 1009, c, file);
	if (n <= 0 || n > DISPLAY_AUTHORITY_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 2);
	struct x11_cookie c;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	if (x11_parse(text, text + strlen(text) + 1, &c) == 0)
		round_trip(&c);
	if (x11_parse_text(text, &c) == 0)
		round_trip(&c);
	free(text);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char two[] = "MIT-MAGIC-COOKIE-1\0"
				  "00112233445566778899aabbccddeeff";
	static const char one[] = "XDM-AUTHORIZATION-1 00FF";
	char longest[X11_TEXT_MAX + 1];

	memset(longest, 'a', sizeof(longest));
	longest[X11_PROTOCOL_MAX - 1] = ' ';
	emit("two", two, sizeof(two));
	emit("one", one, sizeof(one));
	emit("longest", longest, sizeof(longest) - 2);
}
