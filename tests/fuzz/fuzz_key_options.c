/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: options of keys, and address lists.  Input: the text.  An error must name a reason; what is accepted must
 * hold proper lists, and adding to the end of a line must not make its forced command go away.
 */
#include "key_options.h"

#include <stdlib.h>
#include <string.h>

#include "match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const uint8_t *data, uint32_t len, char must_have)
{
	const char *p = (const char *)data, *end = p + len;

	if (len && end[-1])
		abort();
	for (; p < end; p += strlen(p) + 1)
		if (!strchr(p, must_have))
			abort();
}

static void lists(const uint8_t *data, size_t size)
{
	const struct ip peer = { AF_INET, { 10, 1, 2, 3 } };
	char text[512];
	int check, got;

	size = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	check = match_address(NULL, text, NULL);
	got = match_address(&peer, text, NULL);
	if (check > 0 || (check < 0) != (got < 0))
		abort();
	(void)match_source(&peer, text, NULL);
	(void)match_pattern("10.1.2.3", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key_options o, again;
	const struct gate_permit *p = &o.permit;
	struct err e = { 0 };
	char *more;

	lists(data, size);
	if (key_options_parse((const char *)data, size, &o, &e) < 0) {
		if (e.code != EINVAL || !strstr(e.text, "option"))
			abort();
		return 0;
	}
	if (p->flags & ~(uint32_t)GATE_MAY_ALL)
		abort();
	check_list(p->environment.data, p->environment.len, '=');
	check_list(p->open.data, p->open.len, ':');
	check_list(p->listen.data, p->listen.len, ':');
	if (o.from[0] && match_address(NULL, o.from, NULL) < 0)
		abort();
	if (size == 0)
		return 0;
	more = malloc(size + 4);
	memcpy(more, data, size);
	memcpy(more + size, ",pty", 4);
	if (key_options_parse(more, size + 4, &again, NULL) < 0 ||
	    strcmp(again.permit.command, p->command) != 0)
		abort();
	free(more);
	return 0;
}
