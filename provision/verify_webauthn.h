/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a security key signs at the request of a web browser (PROTOCOL.u2f of OpenSSH, "webauthn signatures"). */
#pragma once
#include "wire.h"

/*
 * `rest`, behind the ECDSA signature in the blob: flags, counter, origin, client data, extensions, no more.  The client
 * data begin with what a browser makes of `text` and the origin, all of it; else nothing was said about `text`.
 */
struct verify_webauthn {
	const uint8_t *head; /* flags and counter, 5 bytes */
	struct wire data, extensions;
};
/* 0, -EINVAL (malformed) or -EKEYREJECTED (of another text). */
int verify_webauthn_parse(const struct wire *text, const struct wire *rest,
			  struct verify_webauthn *out);
