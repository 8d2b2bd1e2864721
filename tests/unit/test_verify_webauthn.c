/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verify.c and verify_webauthn.c: signatures of a security key that a web browser asked for, made here with libcrypto by
 * PROTOCOL.u2f of OpenSSH, and everything that may be wrong with them.
 */
#include "auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/str.h"
#include "cert.h"
#include "wire.h"

#define SK       "sk-ecdsa-sha2-nistp256@openssh.com"
#define WEBAUTHN "webauthn-" SK
#define ORIGIN   "https://shell.example.org"

static const uint8_t session_id[32] = "yet another exchange hash, long.";
static EVP_PKEY *key;
static uint8_t key_buf[256], sig_buf[2048];
static struct verify_request v;

/* How the browser words it; what is NULL is right. */
static struct wording {
	const char *type, *origin, *said_origin, *padding, *more, *extensions, *name;
	bool std_alphabet;
	uint8_t flags;
} how;

static int setup(void **state)
{
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	return key ? 0 : -1;
}

static int teardown(void **state)
{
	EVP_PKEY_free(key);
	return 0;
}

static void text(struct wire_out *o, const char *s)
{
	wire_put_str(o, s, strlen(s));
}

static void make_key(void)
{
	struct wire_out o = { key_buf, 0, sizeof(key_buf), false };
	uint8_t pub[80];
	size_t n = sizeof(pub);

	assert_int_equal(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, pub, n, &n),
			 1);
	text(&o, SK);
	text(&o, "nistp256");
	wire_put_str(&o, pub, n);
	text(&o, "ssh:");
	v.key = key_buf;
	v.key_len = o.n;
}

/* The client data, as JSON. */
static size_t client_data(char *out, size_t cap)
{
	uint8_t bytes[1024], base64[2048];
	struct wire_out o = { bytes, 0, sizeof(bytes), false };
	int n;

	wire_put_str(&o, session_id, sizeof(session_id));
	wire_put(&o, "\x32", 1);
	text(&o, "alice");
	text(&o, "ssh-connection");
	text(&o, "publickey");
	wire_put(&o, "\x01", 1);
	text(&o, WEBAUTHN);
	wire_put_str(&o, key_buf, v.key_len);
	n = EVP_EncodeBlock(base64, bytes, (int)o.n);
	for (int i = 0; i < n && !how.std_alphabet; i++)
		base64[i] = base64[i] == '+' ? '-' : base64[i] == '/' ? '_' : base64[i];
	while (base64[n - 1] == '=')
		base64[--n] = 0;
	assert_int_equal(str_format(out, cap,
				    "{\"type\":\"%s\",\"challenge\":\"%s%s\",\"origin\":\"%s\"%s}",
				    how.type ? how.type : "webauthn.get", base64,
				    how.padding ? how.padding : "",
				    how.said_origin ? how.said_origin : ORIGIN,
				    how.more ? how.more : ",\"crossOrigin\":false"),
			 0);
	return strlen(out);
}

static void put_signature(struct wire_out *o, const uint8_t *bytes, size_t n)
{
	uint8_t der[128], pair[80], *p = der;
	struct wire_out two = { pair, 0, sizeof(pair), false };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = sizeof(der);
	ECDSA_SIG *s;

	assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &len, bytes, n), 1);
	EVP_MD_CTX_free(ctx);
	s = d2i_ECDSA_SIG(NULL, (const uint8_t **)&p, (long)len);
	for (int i = 0; i < 2; i++) {
		const BIGNUM *bn = i ? ECDSA_SIG_get0_s(s) : ECDSA_SIG_get0_r(s);
		uint8_t num[33] = { 0 };
		size_t size = (size_t)BN_num_bytes(bn);

		BN_bn2bin(bn, num + 1);
		wire_put_str(&two, num[1] & 0x80 ? num : num + 1, num[1] & 0x80 ? size + 1 : size);
	}
	ECDSA_SIG_free(s);
	wire_put_str(o, pair, two.n);
}

static void make(const struct wording *w)
{
	struct wire_out o = { sig_buf, 0, sizeof(sig_buf), false };
	uint8_t bytes[512], sum[32];
	struct wire_out b = { bytes, 0, sizeof(bytes), false };
	const char *extensions;
	char data[2048];
	size_t n;

	how = *w;
	extensions = how.extensions ? how.extensions : "";
	v = (struct verify_request){ .session_id = session_id,
				     .session_id_len = sizeof(session_id),
				     .login = "alice",
				     .alg = WEBAUTHN,
				     .sig = sig_buf };
	make_key();
	n = client_data(data, sizeof(data));
	assert_int_equal(EVP_Digest("ssh:", 4, sum, NULL, EVP_sha256(), NULL), 1);
	wire_put(&b, sum, sizeof(sum));
	wire_put(&b, &how.flags, 1);
	wire_put(&b, "\0\1\2\3", 4);
	wire_put(&b, extensions, strlen(extensions));
	assert_int_equal(EVP_Digest(data, n, sum, NULL, EVP_sha256(), NULL), 1);
	wire_put(&b, sum, sizeof(sum));
	text(&o, how.name ? how.name : WEBAUTHN);
	put_signature(&o, bytes, b.n);
	wire_put(&o, &how.flags, 1);
	wire_put(&o, "\0\1\2\3", 4);
	text(&o, how.origin ? how.origin : ORIGIN);
	wire_put_str(&o, data, n);
	text(&o, extensions);
	assert_false(o.bad || b.bad);
	v.sig_len = o.n;
}

static int verdict(const struct wording *w)
{
	make(w);
	return verify_signature(&v, NULL);
}

static void what_a_browser_signs_is_accepted(void **state)
{
	assert_int_equal(verdict(&(struct wording){ .flags = 1 }), 0);
	assert_int_equal(verdict(&(struct wording){ .flags = 1, .more = "" }), 0);
	assert_int_equal(verdict(&(struct wording){ .flags = 0x85, .extensions = "\xa1x" }), 0);
	assert_int_equal(verdict(&(struct wording){ .flags = 1, .origin = "", .said_origin = "" }),
			 0);
}

/* Rightly signed by the right key, all of them; but not for this login. */
static void what_it_signs_for_others_is_not(void **state)
{
	static const struct wording wrong[] = {
		{ .flags = 1, .type = "webauthn.create" },
		{ .flags = 1, .padding = "=" },
		{ .flags = 1, .padding = "A" },
		{ .flags = 1, .said_origin = "https://shell.example.com" },
		{ .flags = 1, .origin = "https://shell" },
		{ .flags = 1, .type = "webauthn.get\",\"x\":\"" },
	};
	struct wording quoted = { .flags = 1,
				  .origin = "x\",\"type\":\"y",
				  .said_origin = "x\",\"type\":\"y" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (verdict(&wrong[i]) != -EKEYREJECTED)
			fail_msg("wording %zu", i);
	assert_int_equal(verdict(&quoted), -EINVAL);
	make(&(struct wording){ .flags = 1 });
	v.login = "bob";
	assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
	v.login = "alicf";
	assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
	v.login = "alice";
	v.session_id = (const uint8_t *)"yet another exchange hash, lonG.";
	assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
	/* Too long to be in any signature. */
	make(&(struct wording){ .flags = 1 });
	{
		static char login[GATE_LOGIN_MAX + 4096];

		memset(login, 'a', sizeof(login) - 1);
		v.login = login;
		assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
	}
}

static void flags_are_demanded(void **state)
{
	assert_int_equal(verdict(&(struct wording){ .flags = 0 }), -EKEYREJECTED);
	make(&(struct wording){ .flags = 1 });
	v.verified = true;
	assert_int_equal(verify_signature(&v, NULL), -EKEYREJECTED);
	make(&(struct wording){ .flags = 0 });
	v.no_touch = true;
	assert_int_equal(verify_signature(&v, NULL), 0);
}

static void any_damage_is_noticed(void **state)
{
	make(&(struct wording){ .flags = 1, .extensions = "some" });
	for (size_t n = 0; n < v.sig_len; n++) {
		sig_buf[n] ^= 0x04;
		assert_true(verify_signature(&v, NULL) < 0);
		sig_buf[n] ^= 0x04;
	}
	assert_int_equal(verify_signature(&v, NULL), 0);
	for (size_t whole = v.sig_len, n = 0; n < whole; n++) {
		v.sig_len = n;
		assert_int_equal(verify_signature(&v, NULL), -EINVAL);
		v.sig_len = whole;
	}
	sig_buf[v.sig_len++] = 0;
	assert_int_equal(verify_signature(&v, NULL), -EINVAL);
}

/* The plain form and this one are two algorithms of one key; and no authority signs like this. */
static void names_do_not_mix(void **state)
{
	struct cert c = { 0 };
	struct err e;

	assert_int_equal(verdict(&(struct wording){ .flags = 1, .name = SK }), -EINVAL);
	make(&(struct wording){ .flags = 1 });
	v.alg = SK;
	assert_int_equal(verify_signature(&v, NULL), -EINVAL);
	c.ca = (struct wire){ v.key, v.key_len };
	c.ca_sig = (struct wire){ v.sig, v.sig_len };
	c.data = (struct wire){ (const uint8_t *)"x", 1 };
	assert_int_equal(verify_certificate(&c, &e), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_browser_signs_is_accepted),
		cmocka_unit_test(what_it_signs_for_others_is_not),
		cmocka_unit_test(flags_are_demanded),
		cmocka_unit_test(any_damage_is_noticed),
		cmocka_unit_test(names_do_not_mix),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("verify_webauthn", tests, setup, teardown);
}
