/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See verify_webauthn.h.  Pure.  The browser's JSON is never parsed: it is compared with the one beginning that it may
 * have, and what comes behind is the browser's own and means nothing here.
 */
#include "verify_webauthn.h"

#include <errno.h>
#include <openssl/evp.h>

#define HEAD        5
#define BEFORE_TEXT "{\"type\":\"webauthn.get\",\"challenge\":\""
#define AFTER_TEXT  "\",\"origin\":\""
#define DATA_MAX    2048

/* Base64 with the characters that URLs can have and without padding. Length, 0: too long for any signature. */
static size_t encode(const struct wire *text, uint8_t out[DATA_MAX + 1])
{
	size_t n;

	if ((text->n + 2) / 3 * 4 > DATA_MAX)
		return 0;
	n = (size_t)EVP_EncodeBlock(out, text->p, (int)text->n);
	while (n && out[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	return n;
}

static bool begins(struct wire *w, const void *bytes, size_t n)
{
	if (w->n < n || memcmp(w->p, bytes, n) != 0)
		return false;
	w->p += n;
	w->n -= n;
	return true;
}

int verify_webauthn_parse(const struct wire *text, const struct wire *rest,
			  struct verify_webauthn *out)
{
	struct wire w = *rest, origin, data;
	uint8_t challenge[DATA_MAX + 1];
	size_t n;

	if (w.n < HEAD)
		return -EINVAL;
	out->head = w.p;
	w.p += HEAD;
	w.n -= HEAD;
	if (!wire_str(&w, &origin) || !wire_str(&w, &out->data) ||
	    !wire_str(&w, &out->extensions) || w.n || (origin.n && memchr(origin.p, '"', origin.n)))
		return -EINVAL;
	n = encode(text, challenge);
	data = out->data;
	if (!n || !begins(&data, BEFORE_TEXT, strlen(BEFORE_TEXT)) ||
	    !begins(&data, challenge, n) || !begins(&data, AFTER_TEXT, strlen(AFTER_TEXT)) ||
	    !begins(&data, origin.p, origin.n) || !begins(&data, "\"", 1))
		return -EKEYREJECTED;
	return 0;
}
