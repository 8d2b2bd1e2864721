/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: everything of verify_signature that comes from a session.  Input: u8 algorithm, u16 (big endian) key
 * length, key, signature.  Nothing that is not one of the self-test's signatures may verify.
 */
#include "auth.h"

#include <stdlib.h>
#include <string.h>

#include "verify_vectors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const algs[] = { "ssh-ed25519",
					    "ecdsa-sha2-nistp256",
					    "ecdsa-sha2-nistp384",
					    "ecdsa-sha2-nistp521",
					    "rsa-sha2-256",
					    "rsa-sha2-512",
					    "ssh-rsa",
					    "",
					    "sk-ssh-ed25519@openssh.com",
					    "sk-ecdsa-sha2-nistp256@openssh.com",
					    "ssh-ed25519-cert-v01@openssh.com",
					    "rsa-sha2-256-cert-v01@openssh.com" };
	struct verify_request v = { .session_id = verify_vector_id,
				    .session_id_len = VERIFY_VECTOR_ID_LEN,
				    .login = VERIFY_VECTOR_LOGIN };
	char out[64];
	size_t key;

	if (size < 3)
		return 0;
	key = (size_t)data[1] << 8 | data[2];
	if (key > size - 3)
		key = size - 3;
	v.alg = algs[data[0] % 12];
	v.key = data + 3;
	v.key_len = key;
	v.sig = data + 3 + key;
	v.sig_len = size - 3 - key;
	if (verify_signature(&v, NULL) == 0) {
		for (size_t i = 0; i < sizeof(verify_vectors) / sizeof(verify_vectors[0]); i++)
			if (v.key_len == verify_vectors[i].key_len &&
			    memcmp(v.key, verify_vectors[i].key, v.key_len) == 0)
				return 0;
		abort();
	}
	verify_fingerprint(v.key, v.key_len, out, NULL);
	return 0;
}
