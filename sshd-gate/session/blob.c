/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See blob.h.  Session process; nothing here allocates or keeps anything. */
#include "blob.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

struct writer {
	uint8_t *p;
	size_t cap, len;
	bool full;
};

static void put(struct writer *w, const void *data, size_t n)
{
	if (n > w->cap - w->len) {
		w->full = true;
		return;
	}
	if (n)
		memcpy(w->p + w->len, data, n);
	w->len += n;
}

static void put_u32(struct writer *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	put(w, b, sizeof(b));
}

static void put_string(struct writer *w, const void *data, size_t n)
{
	put_u32(w, (uint32_t)n);
	put(w, data, n);
}

static void put_text(struct writer *w, const char *s)
{
	put_string(w, s, strlen(s));
}

/* PROTOCOL.key of OpenSSH: magic, cipher, kdf, options, count, public key, private section padded to 8. */
static size_t host_key_binary(const uint8_t pub[32], uint8_t *out, size_t cap)
{
	uint8_t public_[128], private_[256], secret[64] = { 0 };
	struct writer w = { out, cap, 0, false }, p = { public_, sizeof(public_), 0, false };
	struct writer s = { private_, sizeof(private_), 0, false };

	put_text(&p, "ssh-ed25519");
	put_string(&p, pub, 32);
	memcpy(secret + 32, pub, 32);
	put_u32(&s, 1);
	put_u32(&s, 1);
	put_text(&s, "ssh-ed25519");
	put_string(&s, pub, 32);
	put_string(&s, secret, sizeof(secret));
	put_text(&s, "");
	for (uint8_t pad = 1; s.len % 8; pad++)
		put(&s, &pad, 1);
	put(&w, "openssh-key-v1", sizeof("openssh-key-v1"));
	put_text(&w, "none");
	put_text(&w, "none");
	put_text(&w, "");
	put_u32(&w, 1);
	put_string(&w, public_, p.len);
	put_string(&w, private_, s.len);
	return w.full ? 0 : w.len;
}

int blob_host_key(const uint8_t pub[32], char *out, size_t cap)
{
	uint8_t binary[512];
	char text[720];
	size_t n = host_key_binary(pub, binary, sizeof(binary)), used = 0;
	int len;

	if (!n)
		return -ENOBUFS;
	len = EVP_EncodeBlock((unsigned char *)text, binary, (int)n);
	if (str_format(out, cap, "-----BEGIN OPENSSH PRIVATE KEY-----\n") < 0)
		return -ENOBUFS;
	for (int i = 0; i < len; i += 70) {
		used = strlen(out);
		if (str_format(out + used, cap - used, "%.70s\n", text + i) < 0)
			return -ENOBUFS;
	}
	used = strlen(out);
	return str_format(out + used, cap - used, "-----END OPENSSH PRIVATE KEY-----\n") < 0
		       ? -ENOBUFS
		       : 0;
}

int blob_key_type(const uint8_t *key, size_t len, char *out, size_t cap)
{
	size_t n;

	if (len < 4)
		return -EBADMSG;
	n = (size_t)key[0] << 24 | (size_t)key[1] << 16 | (size_t)key[2] << 8 | key[3];
	if (!n || n > len - 4 || n >= cap || memchr(key + 4, 0, n))
		return -EBADMSG;
	memcpy(out, key + 4, n);
	out[n] = 0;
	return 0;
}

/* A DER length below 64 KiB. Bytes consumed, or 0. */
static size_t der_length(const uint8_t *p, size_t n, size_t *len)
{
	if (n < 1)
		return 0;
	if (p[0] < 0x80) {
		*len = p[0];
		return 1;
	}
	if (p[0] == 0x81 && n >= 2 && p[1] >= 0x80) {
		*len = p[1];
		return 2;
	}
	if (p[0] == 0x82 && n >= 3 && p[1]) {
		*len = (size_t)p[1] << 8 | p[2];
		return 3;
	}
	return 0;
}

/* Tag, length and content of the next element; moves *p behind it. */
static bool der_next(const uint8_t **p, const uint8_t *end, uint8_t tag, const uint8_t **body,
		     size_t *len)
{
	size_t used;

	if (end - *p < 2 || **p != tag)
		return false;
	(*p)++;
	used = der_length(*p, (size_t)(end - *p), len);
	if (!used || *len > (size_t)(end - *p) - used)
		return false;
	*body = *p + used;
	*p = *body + *len;
	return true;
}

int blob_ecdsa(const uint8_t *der, size_t der_len, uint8_t *out, size_t cap, uint32_t *len)
{
	const uint8_t *p = der, *seq, *end;
	struct writer w = { out, cap, 0, false };
	size_t n;

	if (!der_next(&p, der + der_len, 0x30, &seq, &n) || p != der + der_len)
		return -EBADMSG;
	end = seq + n;
	for (int i = 0; i < 2; i++) {
		const uint8_t *v;

		/* A DER INTEGER is an mpint: two's complement, shortest form, big endian. */
		if (!der_next(&seq, end, 0x02, &v, &n) || !n || (v[0] & 0x80) ||
		    (n > 1 && !v[0] && !(v[1] & 0x80)))
			return -EBADMSG;
		if (n == 1 && !v[0])
			n = 0;
		put_string(&w, v, n);
	}
	if (seq != end)
		return -EBADMSG;
	*len = (uint32_t)w.len;
	return w.full ? -ENOBUFS : 0;
}

#define CERT_SUFFIX "-cert-v01@openssh.com"

static bool is_cert(const char *type)
{
	size_t n = strlen(type), suffix = strlen(CERT_SUFFIX);

	return n > suffix && strcmp(type + n - suffix, CERT_SUFFIX) == 0;
}

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* The type of the key itself: without the certificate's suffix; names of security keys have a domain of their own. */
static int plain_type(const char *type, char *out, size_t cap)
{
	if (!is_cert(type))
		return str_copy(out, cap, type);
	return str_format(out, cap, "%.*s%s", (int)(strlen(type) - strlen(CERT_SUFFIX)), type,
			  starts(type, "sk-") ? "@openssh.com" : "");
}

const char *blob_probe_alg(const char *type)
{
	if (strcmp(type, "ssh-rsa") == 0)
		return "rsa-sha2-512";
	return strcmp(type, "ssh-rsa" CERT_SUFFIX) == 0 ? "rsa-sha2-512" CERT_SUFFIX : type;
}

/* The signature's own name: of a plain key, RSA's by the digest. */
static const char *algorithm(const char *plain, int bits)
{
	if (strcmp(plain, "ssh-rsa"))
		return plain;
	return bits == 512 ? "rsa-sha2-512" : bits == 256 ? "rsa-sha2-256" : "ssh-rsa";
}

/* The name in the request, which for a certificate is another one. */
static int request_alg(const char *type, const char *name, struct gate_key *k)
{
	bool rsa = strcmp(type, "ssh-rsa" CERT_SUFFIX) == 0;

	if (!is_cert(type))
		return str_copy(k->alg, sizeof(k->alg), name);
	return str_format(k->alg, sizeof(k->alg), "%s%s", rsa ? name : type,
			  rsa ? CERT_SUFFIX : "");
}

int blob_signature(const char *type, const struct interpose_record *r, struct gate_key *k)
{
	char plain[64];
	const char *name;
	struct writer w = { k->sig.data, sizeof(k->sig.data), 0, false };
	uint8_t ints[256];
	uint32_t n;
	int ret;

	if (plain_type(type, plain, sizeof(plain)) < 0)
		return -ENOBUFS;
	name = algorithm(plain, r->digest_bits);
	if (request_alg(type, name, k) < 0)
		return -ENOBUFS;
	put_text(&w, name);
	if (starts(type, "ecdsa-sha2-") || starts(type, "sk-ecdsa-")) {
		ret = blob_ecdsa(r->sig, r->sig_len, ints, sizeof(ints), &n);
		if (ret < 0)
			return ret;
		put_string(&w, ints, n);
	} else {
		put_string(&w, r->sig, r->sig_len);
	}
	/* What a security key signs: application hash, flags, counter, message hash (PROTOCOL.u2f of OpenSSH). */
	if (starts(type, "sk-")) {
		if (r->data_len != 69)
			return -EBADMSG;
		put(&w, r->data + 32, 5);
	}
	k->sig.len = (uint32_t)w.len;
	return w.full ? -ENOBUFS : 0;
}
