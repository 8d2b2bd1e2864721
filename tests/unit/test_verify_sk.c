/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verify.c: signatures of security keys (flags, counter, application, every damaged byte) and signatures by the key in a
 * certificate, made here with libcrypto by PROTOCOL.u2f and PROTOCOL.certkeys of OpenSSH.
 */
#include "auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "cert.h"
#include "wire.h"

static const uint8_t session_id[32] = "another exchange hash, 32 bytes.";
#define LOGIN    "alice"
#define SK_ED    "sk-ssh-ed25519@openssh.com"
#define SK_EC    "sk-ecdsa-sha2-nistp256@openssh.com"
#define CERT     "-cert-v01@openssh.com"
#define SUBJECTS 6

static const struct {
	const char *alg, *type; /* request; the key's own */
	bool ec, sk, cert;
} kinds[SUBJECTS] = {
	{ SK_ED, SK_ED, false, true, false },
	{ SK_EC, SK_EC, true, true, false },
	{ "sk-ssh-ed25519" CERT, SK_ED, false, true, true },
	{ "sk-ecdsa-sha2-nistp256" CERT, SK_EC, true, true, true },
	{ "ssh-ed25519" CERT, "ssh-ed25519", false, false, true },
	{ "ecdsa-sha2-nistp256" CERT, "ecdsa-sha2-nistp256", true, false, true },
};

static EVP_PKEY *keys[2]; /* ed25519, P-256 */
static uint8_t key_buf[2048], sig_buf[1024];
static struct verify_request v;

static int setup(void **state)
{
	keys[0] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	keys[1] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	return keys[0] && keys[1] ? 0 : -1;
}

static int teardown(void **state)
{
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
	return 0;
}

static void text(struct wire_out *o, const char *s)
{
	wire_put_str(o, s, strlen(s));
}

/* The key's own fields, as they stand in its blob and in a certificate. */
static void put_fields(struct wire_out *o, int kind, const char *application)
{
	uint8_t pub[80];
	size_t n = sizeof(pub);

	if (kinds[kind].ec) {
		text(o, "nistp256");
		assert_int_equal(EVP_PKEY_get_octet_string_param(keys[1], OSSL_PKEY_PARAM_PUB_KEY,
								 pub, sizeof(pub), &n),
				 1);
	} else {
		assert_int_equal(EVP_PKEY_get_raw_public_key(keys[0], pub, &n), 1);
	}
	wire_put_str(o, pub, n);
	if (kinds[kind].sk)
		text(o, application);
}

/* Signed by nobody: verify_signature() does not ask for that. */
static size_t key_blob(int kind)
{
	struct wire_out o = { key_buf, 0, sizeof(key_buf), false };

	text(&o, kinds[kind].cert ? kinds[kind].alg : kinds[kind].type);
	if (kinds[kind].cert)
		text(&o, "nonce");
	put_fields(&o, kind, "ssh:x");
	if (kinds[kind].cert) {
		wire_put(&o, "\0\0\0\0\0\0\0\1\0\0\0\1", 12);
		text(&o, "id");
		wire_put(&o, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
		wire_put(&o, "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0", 20);
		wire_put(&o, "\0\0\0\x0f\0\0\0\x0bssh-ed25519", 19);
		text(&o, "none");
	}
	assert_false(o.bad);
	return o.n;
}

static void sha256(const void *p, size_t n, uint8_t out[32])
{
	assert_int_equal(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL), 1);
}

static void put_raw(struct wire_out *o, const uint8_t *sig, size_t n, bool ec)
{
	uint8_t pair[80];
	struct wire_out two = { pair, 0, sizeof(pair), false };
	ECDSA_SIG *s;

	if (!ec) {
		wire_put_str(o, sig, n);
		return;
	}
	s = d2i_ECDSA_SIG(NULL, &sig, (long)n);
	assert_non_null(s);
	for (int i = 0; i < 2; i++) {
		const BIGNUM *bn = i ? ECDSA_SIG_get0_s(s) : ECDSA_SIG_get0_r(s);
		uint8_t num[33] = { 0 };
		size_t len = (size_t)BN_num_bytes(bn);

		BN_bn2bin(bn, num + 1);
		wire_put_str(&two, num[1] & 0x80 ? num : num + 1, num[1] & 0x80 ? len + 1 : len);
	}
	ECDSA_SIG_free(s);
	wire_put_str(o, pair, two.n);
}

/* What is signed: the text itself, or what a security key makes of it with these flags. */
static size_t signed_bytes(int kind, uint8_t flags, uint8_t *out, size_t cap)
{
	struct wire_out o = { out, 0, cap, false };
	uint8_t hash[32];

	wire_put_str(&o, session_id, sizeof(session_id));
	wire_put(&o, "\x32", 1);
	text(&o, LOGIN);
	text(&o, "ssh-connection");
	text(&o, "publickey");
	wire_put(&o, "\x01", 1);
	text(&o, kinds[kind].alg);
	wire_put_str(&o, v.key, v.key_len);
	if (!kinds[kind].sk)
		return o.n;
	sha256(out, o.n, hash);
	sha256("ssh:x", 5, out);
	out[32] = flags;
	memcpy(out + 33, "\0\1\2\3", 4);
	memcpy(out + 37, hash, 32);
	return 69;
}

static void make(int kind, uint8_t flags)
{
	uint8_t bytes[4096], sig[256];
	size_t n, len = sizeof(sig);
	struct wire_out o = { sig_buf, 0, sizeof(sig_buf), false };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	v = (struct verify_request){ .session_id = session_id,
				     .session_id_len = sizeof(session_id),
				     .login = LOGIN,
				     .alg = kinds[kind].alg,
				     .key = key_buf,
				     .sig = sig_buf };
	v.key_len = key_blob(kind);
	n = signed_bytes(kind, flags, bytes, sizeof(bytes));
	assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, kinds[kind].ec ? "SHA256" : NULL, NULL,
					       NULL, keys[kinds[kind].ec], NULL),
			 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, bytes, n), 1);
	EVP_MD_CTX_free(ctx);
	text(&o, kinds[kind].type);
	put_raw(&o, sig, len, kinds[kind].ec);
	if (kinds[kind].sk) {
		wire_put(&o, &flags, 1);
		wire_put(&o, "\0\1\2\3", 4);
	}
	assert_false(o.bad);
	v.sig_len = o.n;
}

static void signatures_verify(void **state)
{
	struct err e = { 0 };

	for (int i = 0; i < SUBJECTS; i++) {
		make(i, 1);
		if (verify_signature(&v, &e) < 0)
			fail_msg("%s: %s", kinds[i].alg, e.text);
		v.login = "bob";
		assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
	}
}

static void flags_are_demanded(void **state)
{
	static const struct {
		uint8_t flags;
		bool no_touch, verified;
		const char *word; /* NULL: accepted */
	} cases[] = {
		{ 0, false, false, "touch" },    { 1, false, false, NULL },
		{ 4, false, false, "touch" },    { 5, false, false, NULL },
		{ 0, true, false, NULL },        { 1, true, false, NULL },
		{ 4, true, false, NULL },        { 0, true, true, "verifying" },
		{ 1, false, true, "verifying" }, { 4, false, true, "touch" },
		{ 4, true, true, NULL },         { 5, false, true, NULL },
		{ 0xfa, false, false, "touch" }, { 0x81, false, false, NULL },
	};
	struct err e;

	for (int kind = 0; kind < 4; kind++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			int ret;

			make(kind, cases[i].flags);
			v.no_touch = cases[i].no_touch;
			v.verified = cases[i].verified;
			ret = verify_signature(&v, &e);
			if (ret != (cases[i].word ? -EKEYREJECTED : 0) ||
			    (cases[i].word && !strstr(e.text, cases[i].word)))
				fail_msg("%s case %zu: %d", kinds[kind].alg, i, ret);
		}
	}
}

/* Flags and counter are signed as well, and so is the application. */
static void any_damage_is_noticed(void **state)
{
	for (int i = 0; i < SUBJECTS; i++) {
		make(i, 1);
		for (size_t n = 0; n < v.sig_len; n++) {
			sig_buf[n] ^= 0x04;
			assert_true(verify_signature(&v, NULL) < 0);
			sig_buf[n] ^= 0x04;
		}
		for (size_t n = 0; n < v.key_len; n++) {
			key_buf[n] ^= 0x04;
			assert_true(verify_signature(&v, NULL) < 0);
			key_buf[n] ^= 0x04;
		}
		assert_int_equal(verify_signature(&v, NULL), 0);
		for (size_t whole = v.sig_len, n = 0; n < whole; n++) {
			v.sig_len = n;
			assert_int_equal(verify_signature(&v, NULL), -EINVAL);
			v.sig_len = whole;
		}
		for (size_t whole = v.key_len, n = 0; n < whole; n++) {
			v.key_len = n;
			assert_int_equal(verify_signature(&v, NULL), -EINVAL);
			v.key_len = whole;
		}
		sig_buf[v.sig_len++] = 0;
		assert_int_equal(verify_signature(&v, NULL), -EINVAL);
		v.sig_len--;
		key_buf[v.key_len++] = 0;
		assert_int_equal(verify_signature(&v, NULL), -EINVAL);
	}
}

/* The name within is the plain key's; the certificate's is refused there, and the plain one outside. */
static void names_do_not_mix(void **state)
{
	for (int i = 0; i < SUBJECTS; i++) {
		for (int j = 0; j < SUBJECTS; j++) {
			make(i, 1);
			v.alg = kinds[j].alg;
			assert_int_equal(verify_signature(&v, NULL) == 0, i == j);
			v.alg = kinds[j].type;
			assert_int_equal(verify_signature(&v, NULL) == 0,
					 strcmp(kinds[j].type, kinds[i].alg) == 0);
		}
	}
	make(4, 1);
	v.alg = "ssh-ed25519" CERT "x";
	assert_int_equal(verify_signature(&v, NULL), -EOPNOTSUPP);
	v.alg = "ssh-rsa" CERT;
	assert_int_equal(verify_signature(&v, NULL), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(flags_are_demanded),
		cmocka_unit_test(any_damage_is_noticed),
		cmocka_unit_test(names_do_not_mix),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("verify_sk", tests, setup, teardown);
}
