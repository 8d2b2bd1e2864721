/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A security key made of software, for OpenSSH's SSH_SK_PROVIDER (sk-api, version 10): keys.sh builds it as a shared
 * object.  The key handle is the private key.  SK_FLAGS in the environment (hexadecimal) are the flags that it claims:
 * 1 the user was present, 4 the user was verified.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALG_ECDSA   0
#define ALG_ED25519 1
#define ERR_GENERAL (-1)

struct sk_option;
struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};
struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

uint32_t sk_api_version(void);
int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application,
	      uint8_t flags, const char *pin, struct sk_option **options,
	      struct sk_enroll_response **out);
int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
	    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
	    struct sk_option **options, struct sk_sign_response **out);
int sk_load_resident_keys(const char *pin, struct sk_option **options, void *keys, size_t *n);

uint32_t sk_api_version(void)
{
	return 0x000a0000;
}

static uint8_t *copy(const void *p, size_t n, size_t *len)
{
	uint8_t *c = malloc(n ? n : 1);

	if (c && n)
		memcpy(c, p, n);
	*len = n;
	return c;
}

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application,
	      uint8_t flags, const char *pin, struct sk_option **options,
	      struct sk_enroll_response **out)
{
	struct sk_enroll_response *r = calloc(1, sizeof(*r));
	uint8_t pub[256], handle[8192], *p = handle;
	size_t n = sizeof(pub);
	EVP_PKEY *key = alg == ALG_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
			: alg == ALG_ECDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
					   : NULL;
	int len;

	if (!r || !key)
		return ERR_GENERAL;
	if (alg == ALG_ED25519 ? EVP_PKEY_get_raw_public_key(key, pub, &n) != 1
			       : EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, pub,
								 sizeof(pub), &n) != 1)
		return ERR_GENERAL;
	len = i2d_PrivateKey(key, NULL);
	if (len <= 0 || (size_t)len > sizeof(handle) || i2d_PrivateKey(key, &p) != len)
		return ERR_GENERAL;
	EVP_PKEY_free(key);
	r->flags = flags;
	r->public_key = copy(pub, n, &r->public_key_len);
	r->key_handle = copy(handle, (size_t)len, &r->key_handle_len);
	r->signature = copy(NULL, 0, &r->signature_len);
	r->authdata = copy(NULL, 0, &r->authdata_len);
	*out = r;
	return 0;
}

static int sign(EVP_PKEY *key, uint32_t alg, const uint8_t text[69], struct sk_sign_response *r)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[256], half[32];
	size_t n = sizeof(sig);
	const uint8_t *p = sig;
	ECDSA_SIG *pair;

	if (!ctx ||
	    EVP_DigestSignInit_ex(ctx, NULL, alg == ALG_ECDSA ? "SHA256" : NULL, NULL, NULL, key,
				  NULL) != 1 ||
	    EVP_DigestSign(ctx, sig, &n, text, 69) != 1)
		return ERR_GENERAL;
	EVP_MD_CTX_free(ctx);
	if (alg == ALG_ED25519) {
		r->sig_r = copy(sig, n, &r->sig_r_len);
		return 0;
	}
	pair = d2i_ECDSA_SIG(NULL, &p, (long)n);
	if (!pair)
		return ERR_GENERAL;
	BN_bn2binpad(ECDSA_SIG_get0_r(pair), half, sizeof(half));
	r->sig_r = copy(half, sizeof(half), &r->sig_r_len);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), half, sizeof(half));
	r->sig_s = copy(half, sizeof(half), &r->sig_s_len);
	ECDSA_SIG_free(pair);
	return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
	    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin,
	    struct sk_option **options, struct sk_sign_response **out)
{
	struct sk_sign_response *r = calloc(1, sizeof(*r));
	const char *claimed = getenv("SK_FLAGS");
	uint8_t text[69] = { 0 };
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &handle, (long)handle_len);
	int ret;

	if (!r || !key)
		return ERR_GENERAL;
	r->flags = claimed ? (uint8_t)strtoul(claimed, NULL, 16) : flags;
	r->counter = 0x12345678;
	EVP_Digest(application, strlen(application), text, NULL, EVP_sha256(), NULL);
	text[32] = r->flags;
	memcpy(text + 33, "\x12\x34\x56\x78", 4);
	EVP_Digest(data, data_len, text + 37, NULL, EVP_sha256(), NULL);
	ret = sign(key, alg, text, r);
	EVP_PKEY_free(key);
	*out = r;
	return ret;
}

int sk_load_resident_keys(const char *pin, struct sk_option **options, void *keys, size_t *n)
{
	return -2; /* not supported */
}
