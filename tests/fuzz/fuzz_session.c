/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: what the session parses itself: patterns and environment from the client, DER signatures and key types.
 * Input: a selector byte, then two NUL-separated texts, or a blob.
 */
#include "../../sshd-gate/session/blob.h"
#include "../../sshd-gate/session/env.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static void fuzz_env(const char *text, size_t size)
{
	static uint8_t block[4096];
	static uint32_t len;
	const char *second = memchr(text, 0, size);
	size_t count = 0;

	second = second ? second + 1 : "";
	(void)env_accepts(text, second);
	(void)env_accepts(second, text);
	if (env_put(block, &len, sizeof(block), text, second) == -E2BIG)
		len = 0;
	if (len > sizeof(block) || (len && block[len - 1]))
		abort();
	for (uint32_t off = 0; off < len; off += (uint32_t)strlen((char *)block + off) + 1)
		count++;
	if (count > ENV_VARS_MAX)
		abort();
}

static void fuzz_blob(const uint8_t *data, size_t size)
{
	static struct interpose_record r;
	static struct gate_key k;
	static const char *const types[] = { "ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp521",
					     "sk-ssh-ed25519@openssh.com" };
	char type[64];
	uint8_t out[256];
	uint32_t len;

	if (blob_ecdsa(data, size, out, sizeof(out), &len) == 0 && (len < 8 || len > sizeof(out)))
		abort();
	if (blob_key_type(data, size, type, sizeof(type)) == 0 && !type[0])
		abort();
	r.sig_len = (uint32_t)(size < sizeof(r.sig) ? size : sizeof(r.sig));
	memcpy(r.sig, data, r.sig_len);
	r.data_len = size % 2 ? 69 : 0;
	for (size_t i = 0; i < 4; i++)
		if (blob_signature(types[i], &r, &k) == 0 && k.sig.len > sizeof(k.sig.data))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	fuzz_blob(data + 1, size - 1);
	text = calloc(1, size + 2);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	fuzz_env(text, size);
	free(text);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char env[] = "eLC_*\0LC_ALL", name[] = "eLANG\0de_DE.UTF-8";
	static const uint8_t der[] = { 'b', 0x30, 0x07, 2, 1, 5, 2, 2, 0, 0x80 };
	static const uint8_t type[] = { 'b', 0, 0, 0, 7, 's', 's', 'h', '-', 'r', 's', 'a' };

	emit("env-pattern", env, sizeof(env));
	emit("env-value", name, sizeof(name));
	emit("ecdsa", der, sizeof(der));
	emit("key-type", type, sizeof(type));
}
