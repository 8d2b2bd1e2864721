/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the text of files that list keys.  Input: u8, bit 0 asks for names instead of keys; then the text.  What
 * is found must stand in the text, in the line that is named, its type first in its blob, and whatever options parse.
 */
#include "keys.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The line `n`, its leading blanks cut. */
static const char *line_of(const char *text, size_t len, unsigned int n, size_t *out)
{
	const char *end = text + len, *nl;

	while (--n) {
		nl = memchr(text, '\n', (size_t)(end - text));
		if (!nl)
			abort();
		text = nl + 1;
	}
	while (text < end && (*text == ' ' || *text == '\t'))
		text++;
	nl = memchr(text, '\n', (size_t)(end - text));
	*out = (size_t)((nl ? nl : end) - text);
	return text;
}

static void check_line(const struct keys_reader *r, const char *line, size_t n)
{
	static struct key_options o;
	const char *what = r->names ? r->name : r->type;

	if (!memmem(line, n, what, strlen(what)))
		abort();
	if (r->options && (r->options != line || r->options_len > n))
		abort();
	if (!r->options && memcmp(line, what, strlen(what)) != 0)
		abort();
	if (!r->names &&
	    (r->len < 4 + strlen(what) || memcmp(r->blob + 4, what, strlen(what)) != 0))
		abort();
	if (r->options)
		(void)key_options_parse(r->options, r->options_len, &o, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keys_reader r;
	const char *text = (const char *)data + 1;
	unsigned int last = 0;

	if (size < 1)
		return 0;
	memset(&r, 0, sizeof(r));
	r.p = text;
	r.end = text + size - 1;
	while (data[0] & 1 ? keys_next_name(&r) : keys_next(&r)) {
		size_t n;
		const char *line = line_of(text, size - 1, r.line, &n);

		if (r.line <= last)
			abort();
		last = r.line;
		check_line(&r, line, n);
	}
	if ((r.bad == 0) != (r.first_bad == 0) || r.p != r.end)
		abort();
	return 0;
}
