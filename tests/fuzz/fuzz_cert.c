/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: certificates.  Input: the blob.  What is taken apart must lie within the blob, the key in it must begin
 * with its type, what the authority signed must be all but its signature, and no authority of this world signed it.
 */
#include "cert.h"

#include <stdlib.h>
#include <string.h>

#include "auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(const struct wire *w, const uint8_t *data, size_t size)
{
	if (w->n && (w->p < data || w->n > size || w->p + w->n > data + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct key_options o;
	static struct cert c;
	const struct ip peer = { AF_INET, { 10, 1, 2, 3 } };
	struct wire key;

	if (cert_parse(data, size, &c, NULL) < 0)
		return 0;
	within(&c.id, data, size);
	within(&c.principals, data, size);
	within(&c.critical, data, size);
	within(&c.extensions, data, size);
	within(&c.ca, data, size);
	within(&c.ca_sig, data, size);
	key = (struct wire){ c.key, c.key_len };
	if (!cert_is(c.type) || cert_is(c.plain) || !wire_expect(&key, c.plain))
		abort();
	if (c.data.p != data || c.data.n + 4 + c.ca_sig.n != size)
		abort();
	if (cert_names(&c, "", NULL) || cert_names(&c, NULL, ""))
		abort();
	(void)cert_names(&c, "alice", NULL);
	(void)cert_valid(&c, 1900000000, NULL);
	if (cert_options(&c, &o, NULL) == 0) {
		if (o.permit.flags & ~(uint32_t)GATE_MAY_ALL)
			abort();
		(void)key_options_allow(&o, &peer, 1900000000, NULL);
	}
	(void)verify_certificate(&c, NULL);
	return 0;
}
