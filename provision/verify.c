/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verification of SSH user-authentication signatures with libcrypto.  provisiond rebuilds the signed bytes from its own
 * session id, so that a session process cannot have anything else verified.  Every length is checked, no blob may have
 * trailing bytes, and an algorithm that is not in the table does not exist.
 */
#include "auth.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "cert.h"
#include "verify_vectors.h"
#include "verify_webauthn.h"
#include "wire.h"

#define SIGNED_MAX                                                                                 \
	(16 * 1024) /* session id + login + algorithm + key, all bounded by the gate conversation */
#define RSA_BITS_MIN     2048
#define RSA_BITS_MAX     16384
#define RSA_E_BYTES_MAX  8                   /* a longer public exponent only costs time */
#define SK_TEXT_MAX      (69 + GATE_SIG_MAX) /* two hashes, flags, counter; extensions */
#define SK_HEAD_LEN      5                   /* flags and counter */
#define SK_USER_PRESENT  1
#define SK_USER_VERIFIED 4
#define ECDSA_DER_MAX    160 /* SEQUENCE of two INTEGER of at most 67 bytes */

struct algorithm {
	const char *name;   /* of the signature */
	const char *blob;   /* type name in the key blob */
	const char *curve;  /* RFC 5656 name, ECDSA only */
	const char *group;  /* libcrypto's name for it */
	const char *digest; /* NULL: the scheme hashes itself */
	size_t field;       /* bytes of a field element */
	bool sk;            /* a security key: signs more than the text (PROTOCOL.u2f of OpenSSH) */
	bool webauthn;      /* ... through a browser; never an authority's */
	EVP_PKEY *(*key)(const struct algorithm *a, struct wire *blob);
	bool (*sig)(const struct algorithm *a, struct wire *raw, EVP_PKEY *key,
		    struct wire_out *out);
};

static EVP_PKEY *key_from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx)
		return NULL;
	if (EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* RFC 8709 section 4: string "ssh-ed25519", string 32 bytes. */
static EVP_PKEY *key_ed25519(const struct algorithm *a, struct wire *blob)
{
	struct wire pub;

	if (!wire_str(blob, &pub) || pub.n != 32)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub.p, pub.n);
}

static bool sig_ed25519(const struct algorithm *a, struct wire *raw, EVP_PKEY *key,
			struct wire_out *out)
{
	if (raw->n != 64)
		return false;
	wire_put(out, raw->p, raw->n);
	return true;
}

/* RFC 5656 section 3.1: string identifier, string Q; Q uncompressed only, checked to be on the curve. */
static EVP_PKEY *key_ecdsa(const struct algorithm *a, struct wire *blob)
{
	OSSL_PARAM params[3];
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key;
	struct wire q;
	int good;

	if (!wire_expect(blob, a->curve) || !wire_str(blob, &q))
		return NULL;
	if (q.n != 1 + 2 * a->field || q.p[0] != POINT_CONVERSION_UNCOMPRESSED)
		return NULL;
	params[0] =
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)a->group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)q.p, q.n);
	params[2] = OSSL_PARAM_construct_end();
	key = key_from_params("EC", params);
	if (!key)
		return NULL;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	good = ctx && EVP_PKEY_public_check_quick(ctx) > 0;
	EVP_PKEY_CTX_free(ctx);
	if (!good) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

/* RFC 5656 section 3.1.2: mpint r, mpint s, for libcrypto as DER. */
static bool sig_ecdsa(const struct algorithm *a, struct wire *raw, EVP_PKEY *key,
		      struct wire_out *out)
{
	struct wire r, s;
	ECDSA_SIG *sig;
	BIGNUM *br, *bs;
	uint8_t der[ECDSA_DER_MAX], *p = der;
	int n = -1;

	if (!wire_mpint(raw, &r) || !wire_mpint(raw, &s) || raw->n || r.n > a->field ||
	    s.n > a->field)
		return false;
	sig = ECDSA_SIG_new();
	br = BN_bin2bn(r.p, (int)r.n, NULL);
	bs = BN_bin2bn(s.p, (int)s.n, NULL);
	if (sig && br && bs && ECDSA_SIG_set0(sig, br, bs)) {
		br = bs = NULL; /* owned by sig now */
		n = i2d_ECDSA_SIG(sig, NULL);
		if (n > 0 && n <= ECDSA_DER_MAX)
			n = i2d_ECDSA_SIG(sig, &p);
		else
			n = -1;
	}
	BN_free(br);
	BN_free(bs);
	ECDSA_SIG_free(sig);
	if (n <= 0)
		return false;
	wire_put(out, der, (size_t)n);
	return true;
}

/* OSSL_PARAM carries integers in the machine's byte order, the wire in the network's. */
static void little_endian(uint8_t *to, const struct wire *from)
{
	for (size_t i = 0; i < from->n; i++)
		to[i] = from->p[from->n - 1 - i];
}

/* RFC 4253 section 6.6: string "ssh-rsa", mpint e, mpint n. */
static EVP_PKEY *key_rsa(const struct algorithm *a, struct wire *blob)
{
	uint8_t le_e[RSA_E_BYTES_MAX], le_n[RSA_BITS_MAX / 8];
	OSSL_PARAM params[3];
	struct wire e, n;
	EVP_PKEY *key;

	if (!wire_mpint(blob, &e) || !wire_mpint(blob, &n))
		return NULL;
	if (e.n > sizeof(le_e) || n.n > sizeof(le_n) || n.n < RSA_BITS_MIN / 8)
		return NULL;
	/* An even modulus or an exponent that is even or 1 is no RSA key. */
	if (!(n.p[n.n - 1] & 1) || !(e.p[e.n - 1] & 1) || (e.n == 1 && e.p[0] < 3))
		return NULL;
	little_endian(le_e, &e);
	little_endian(le_n, &n);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "OSSL_PARAM integers are built for little-endian machines here"
#endif
	params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, le_e, e.n);
	params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, le_n, n.n);
	params[2] = OSSL_PARAM_construct_end();
	key = key_from_params("RSA", params);
	if (key &&
	    (EVP_PKEY_get_bits(key) < RSA_BITS_MIN || EVP_PKEY_get_bits(key) > RSA_BITS_MAX)) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

/* RFC 8332 section 3; a signer that dropped leading zero bytes is accepted, as every implementation does. */
static bool sig_rsa(const struct algorithm *a, struct wire *raw, EVP_PKEY *key,
		    struct wire_out *out)
{
	size_t size = (size_t)EVP_PKEY_get_size(key);

	if (raw->n == 0 || raw->n > size)
		return false;
	for (size_t i = raw->n; i < size; i++)
		wire_put(out, "", 1);
	wire_put(out, raw->p, raw->n);
	return true;
}

/* clang-format off */
static const struct algorithm algorithms[] = {
	{ "ssh-ed25519", "ssh-ed25519", NULL, NULL, NULL, 0, false, false, key_ed25519, sig_ed25519 },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "nistp256", "P-256", "SHA256", 32, false, false, key_ecdsa, sig_ecdsa },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", "nistp384", "P-384", "SHA384", 48, false, false, key_ecdsa, sig_ecdsa },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", "nistp521", "P-521", "SHA512", 66, false, false, key_ecdsa, sig_ecdsa },
	{ "rsa-sha2-256", "ssh-rsa", NULL, NULL, "SHA256", 0, false, false, key_rsa, sig_rsa },
	{ "rsa-sha2-512", "ssh-rsa", NULL, NULL, "SHA512", 0, false, false, key_rsa, sig_rsa },
	{ "sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com", NULL, NULL, NULL, 0, true, false, key_ed25519, sig_ed25519 },
	{ "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", "P-256", "SHA256", 32, true,
	  false, key_ecdsa, sig_ecdsa },
	{ "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", "P-256", "SHA256", 32,
	  true, true, key_ecdsa, sig_ecdsa },
};
/* clang-format on */

static const struct algorithm *find_algorithm(const char *name)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

/* RFC 4252 section 7. */
static void build_signed(const struct verify_request *v, struct wire_out *o)
{
	static const uint8_t userauth_request = 50, true_byte = 1;

	wire_put_str(o, v->session_id, v->session_id_len);
	wire_put(o, &userauth_request, 1);
	wire_put_str(o, v->login, strlen(v->login));
	wire_put_str(o, "ssh-connection", strlen("ssh-connection"));
	wire_put_str(o, "publickey", strlen("publickey"));
	wire_put(o, &true_byte, 1);
	wire_put_str(o, v->alg, strlen(v->alg));
	wire_put_str(o, v->key, v->key_len);
}

static int check(const struct algorithm *a, EVP_PKEY *key, const struct wire_out *sig,
		 const struct wire *text)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ret = -ENOMEM;

	if (!ctx)
		return ret;
	ret = -EKEYREJECTED;
	if (EVP_DigestVerifyInit_ex(ctx, NULL, a->digest, NULL, NULL, key, NULL) > 0 &&
	    EVP_DigestVerify(ctx, sig->p, sig->n, text->p, text->n) == 1)
		ret = 0;
	EVP_MD_CTX_free(ctx);
	return ret;
}

static bool sha256(const void *data, size_t n, uint8_t out[32])
{
	unsigned int len = 32;

	return EVP_Digest(data, n, out, &len, EVP_sha256(), NULL) == 1 && len == 32;
}

/* A signature being looked at. */
struct subject {
	const struct algorithm *a;
	struct wire key, sig; /* blobs */
	struct wire text;     /* what was signed */
	bool touch, verified; /* demanded of a security key */
};

/*
 * What a security key signs: the hash of its application, flags, counter and the hash of the text; by way of a browser, the
 * extensions, and the hash of the client data that it made of the text. `outer` is what the signature blob has left.
 */
static int sk_text(const struct subject *s, const struct wire *application,
		   const struct wire *outer, struct wire_out *out)
{
	struct verify_webauthn w = { .head = outer->p, .data = s->text };
	uint8_t app[32], text[32];
	int ret = s->a->webauthn ? verify_webauthn_parse(&s->text, outer, &w) : 0;

	if (ret < 0)
		return ret;
	if (!sha256(application->p, application->n, app) || !sha256(w.data.p, w.data.n, text))
		return -EIO;
	wire_put(out, app, sizeof(app));
	wire_put(out, w.head, SK_HEAD_LEN);
	wire_put(out, w.extensions.p, w.extensions.n);
	wire_put(out, text, sizeof(text));
	return out->bad ? -EINVAL : 0;
}

static int check_presence(const struct subject *s, uint8_t flags, struct err *e)
{
	if (s->touch && !(flags & SK_USER_PRESENT))
		return err_set(e, EKEYREJECTED,
			       "verify signature '%s': made without the user's touch", s->a->name);
	if (s->verified && !(flags & SK_USER_VERIFIED))
		return err_set(e, EKEYREJECTED,
			       "verify signature '%s': made without verifying the user",
			       s->a->name);
	return 0;
}

/* The key, whole, and the application that a security key belongs to. */
static EVP_PKEY *load_key(const struct subject *s, struct wire *application)
{
	struct wire blob = s->key;
	EVP_PKEY *key = wire_expect(&blob, s->a->blob) ? s->a->key(s->a, &blob) : NULL;

	if (key && ((s->a->sk && !wire_str(&blob, application)) || blob.n)) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

/* What may be left behind the signature proper. */
static bool rest_fits(const struct algorithm *a, size_t n)
{
	if (a->webauthn)
		return n >= SK_HEAD_LEN;
	return n == (a->sk ? SK_HEAD_LEN : 0);
}

static int verify_subject(const struct subject *s, struct err *e)
{
	const char *name = s->a->name;
	uint8_t sigbuf[RSA_BITS_MAX / 8], skbuf[SK_TEXT_MAX];
	struct wire_out sig = { sigbuf, 0, sizeof(sigbuf), false };
	struct wire_out sk = { skbuf, 0, sizeof(skbuf), false };
	struct wire outer = s->sig, raw, application = { 0 }, text = s->text;
	EVP_PKEY *key;
	int ret = 0;

	if (!wire_expect(&outer, name) || !wire_str(&outer, &raw) || !rest_fits(s->a, outer.n))
		return err_set(e, EINVAL, "verify signature '%s': malformed signature", name);
	key = load_key(s, &application);
	if (!key)
		return err_set(e, EINVAL, "verify signature '%s': malformed or unacceptable key",
			       name);
	if (s->a->sk) {
		uint8_t flags = outer.p[0];

		ret = check_presence(s, flags, e);
		if (ret == 0 && (ret = sk_text(s, &application, &outer, &sk)) < 0)
			err_set(e, -ret, "verify signature '%s': %s", name,
				ret == -EIO            ? "libcrypto failed"
				: ret == -EKEYREJECTED ? "made for another text"
						       : "malformed signature");
		text = (struct wire){ sk.p, sk.n };
	}
	if (ret == 0 && (!s->a->sig(s->a, &raw, key, &sig) || sig.bad))
		ret = err_set(e, EINVAL, "verify signature '%s': malformed signature", name);
	else if (ret == 0 && (ret = check(s->a, key, &sig, &text)) < 0)
		err_set(e, -ret, "verify signature '%s': it does not match", name);
	EVP_PKEY_free(key);
	return ret;
}

int verify_signature(const struct verify_request *v, struct err *e)
{
	const char *plain = cert_plain_alg(v->alg);
	struct subject s = { .a = find_algorithm(plain ? plain : v->alg),
			     .touch = !v->no_touch,
			     .verified = v->verified };
	uint8_t textbuf[SIGNED_MAX];
	struct wire_out text = { textbuf, 0, sizeof(textbuf), false };
	struct cert cert;

	if (!s.a)
		return err_set(e, EOPNOTSUPP,
			       "verify signature of '%.64s': algorithm not supported", v->alg);
	build_signed(v, &text);
	if (text.bad || v->session_id_len == 0)
		return err_set(e, EINVAL, "verify signature '%s': the signed data are too long",
			       s.a->name);
	s.key = (struct wire){ v->key, v->key_len };
	if (plain) {
		int ret = cert_parse(v->key, v->key_len, &cert, e);

		if (ret < 0)
			return ret;
		s.key = (struct wire){ cert.key, cert.key_len };
	}
	s.sig = (struct wire){ v->sig, v->sig_len };
	s.text = (struct wire){ text.p, text.n };
	return verify_subject(&s, e);
}

int verify_certificate(const struct cert *c, struct err *e)
{
	struct subject s = { .key = c->ca, .sig = c->ca_sig, .text = c->data };
	struct wire sig = c->ca_sig, name;
	char alg[64];

	if (!wire_str(&sig, &name) || name.n >= sizeof(alg))
		return err_set(e, EINVAL, "verify certificate 'signature': malformed");
	memcpy(alg, name.p, name.n);
	alg[name.n] = '\0';
	s.a = memchr(alg, 0, name.n) ? NULL : find_algorithm(alg);
	if (!s.a || s.a->webauthn)
		return err_set(e, EOPNOTSUPP,
			       "verify certificate 'signature': algorithm not supported");
	return verify_subject(&s, e) < 0 ? err_wrap(e, "verify certificate") : 0;
}

/* A vector has to verify as it is, and must not with a bit of the session id, of the signature or of the login wrong. */
static int test_vector(const struct verify_vector *t, struct err *e)
{
	uint8_t id[VERIFY_VECTOR_ID_LEN], sig[VERIFY_VECTOR_SIG_MAX];
	struct verify_request v = {
		verify_vector_id,
		VERIFY_VECTOR_ID_LEN,
		VERIFY_VECTOR_LOGIN,
		t->alg,
		t->key,
		t->key_len,
		t->sig,
		t->sig_len,
		.no_touch = false,
	};
	int ret = verify_signature(&v, e);

	if (ret < 0)
		return err_wrap(e, "self-test");
	v.login = VERIFY_VECTOR_LOGIN "x";
	if (verify_signature(&v, NULL) != -EKEYREJECTED)
		return err_set(e, EPROTO,
			       "self-test '%s': a signature for another login is accepted", t->alg);
	v.login = VERIFY_VECTOR_LOGIN;
	memcpy(id, verify_vector_id, sizeof(id));
	id[0] ^= 1;
	v.session_id = id;
	if (verify_signature(&v, NULL) != -EKEYREJECTED)
		return err_set(e, EPROTO,
			       "self-test '%s': a signature for another connection is accepted",
			       t->alg);
	v.session_id = verify_vector_id;
	memcpy(sig, t->sig, t->sig_len);
	sig[t->sig_len - 1] ^= 1;
	v.sig = sig;
	if (verify_signature(&v, NULL) != -EKEYREJECTED)
		return err_set(e, EPROTO, "self-test '%s': a damaged signature is accepted",
			       t->alg);
	return 0;
}

int verify_self_test(struct err *e)
{
	size_t found = 0;

	for (size_t i = 0; i < sizeof(verify_vectors) / sizeof(verify_vectors[0]); i++) {
		int ret = test_vector(&verify_vectors[i], e);

		if (ret < 0)
			return ret;
		found++;
	}
	if (found != sizeof(algorithms) / sizeof(algorithms[0]))
		return err_set(e, EPROTO, "self-test 'verify': %zu algorithms have no test vector",
			       sizeof(algorithms) / sizeof(algorithms[0]) - found);
	return 0;
}

int verify_fingerprint(const uint8_t *key, size_t len, char out[64], struct err *e)
{
	uint8_t sum[32], text[48];
	unsigned int n = sizeof(sum);

	if (EVP_Digest(key, len, sum, &n, EVP_sha256(), NULL) != 1 || n != sizeof(sum))
		return err_set(e, EIO, "hash 'key': libcrypto failed");
	/* 32 bytes make 44 characters, the last of them padding that ssh-keygen leaves out. */
	EVP_EncodeBlock(text, sum, sizeof(sum));
	memcpy(out, "SHA256:", 7);
	memcpy(out + 7, text, 43);
	out[50] = 0;
	return 0;
}

int verify_hashes(const uint8_t *key, size_t len, uint8_t sha1[20], uint8_t sum256[32],
		  struct err *e)
{
	if (EVP_Digest(key, len, sha1, NULL, EVP_sha1(), NULL) != 1 || !sha256(key, len, sum256))
		return err_set(e, EIO, "hash 'key': libcrypto failed");
	return 0;
}
