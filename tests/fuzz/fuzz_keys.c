/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the text of authorized_keys files.  Input: u8 that selects the algorithm asked for, then the text.  A key
 * that is said to be listed must stand in the text, in the line that is named, and nothing may stand before its type.
 */
#include "keys.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define B64 "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const algs[] = { "ssh-ed25519", "ssh-rsa", "rsa-sha2-256", "" };
	static const uint8_t head[19] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
	uint8_t blob[51];
	struct keys_wanted wanted = { NULL, blob, sizeof(blob) };
	struct keys_found found;
	const char *line;
	size_t i, n;

	if (size < 1)
		return 0;
	memcpy(blob, head, sizeof(head));
	for (i = 0; i < 32; i++)
		blob[19 + i] = (uint8_t)i;
	wanted.alg = algs[data[0] % 4];
	keys_find((const char *)data + 1, size - 1, &wanted, &found);
	if ((found.bad == 0) != (found.first_bad == 0) ||
	    (found.refused == 0) != (found.option[0] == '\0'))
		abort();
	if (found.line || found.refused) {
		if (strcmp(wanted.alg, "ssh-ed25519") != 0)
			abort();
		line = line_of((const char *)data + 1, size - 1,
			       found.line ? found.line : found.refused, &n);
		if (!memmem(line, n, B64, strlen(B64)))
			abort();
		if (found.line && (n < 12 || memcmp(line, "ssh-ed25519", 11) != 0))
			abort();
	}
	return 0;
}
