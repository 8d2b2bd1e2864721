/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: binary lists of revoked keys.  Input: the list.  Whether it is damaged does not depend on what is looked for.
 */
#include "krl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t blob[] = "a key, which is none";
	const struct krl_subject s = { .key = { blob, sizeof(blob) },
				       .sha1 = { 1 },
				       .sha256 = { 2 },
				       .ca = { blob, 5 },
				       .id = { blob, 1 },
				       .serial = 42 };
	struct err e = { 0 };
	int alone = krl_revokes(data, size, NULL, &e), ret;

	if (alone > 0 || (alone < 0 && (e.code != -alone || !e.text[0])))
		abort();
	ret = krl_revokes(data, size, &s, NULL);
	if ((ret < 0 ? ret : 0) != alone || (alone == 0 && !krl_is(data, size)))
		abort();
	return 0;
}
