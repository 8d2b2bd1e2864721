/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See interpose.h.  Session process and zygote.  These definitions must stay visible in the dynamic symbol table of the
 * program (-rdynamic); the self-test refuses to start when libssh does not reach them.
 */
#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "lens.h"

#define RECORDS_MAX 16

typedef int (*digest_sign_fn)(EVP_MD_CTX *ctx, unsigned char *sig, size_t *siglen,
			      const unsigned char *data, size_t len);
typedef int (*rand_bytes_fn)(unsigned char *buf, int num);
typedef int (*digest_verify_fn)(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen,
				const unsigned char *data, size_t len);
typedef int (*cipher_update_fn)(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen,
				const unsigned char *in, int len);
typedef int (*decrypt_final_fn)(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen);
typedef int (*digest_update_fn)(EVP_MD_CTX *ctx, const void *data, size_t len);

/* The process' own context of this file: these functions get no argument of ours. */
static struct {
	cipher_update_fn real_update, real_encrypt, real_decrypt;
	decrypt_final_fn real_decrypt_final;
	digest_update_fn real_digest_update;
	unsigned int nested; /* calls of libcrypto to itself are not libssh's */
	digest_sign_fn real_sign;
	digest_verify_fn real_verify;
	rand_bytes_fn real_random;
	interpose_sign_fn sign;
	void *ctx;
	unsigned int signs, verifies;
	struct interpose_record records[RECORDS_MAX];
	unsigned int first, count;
	bool overflow;
	int socket;
	size_t unsent;
	size_t budget; /* packets that may still be made, 0 = not counting */
} self = { .socket = -1 };

/* The function that ours hides, into a pointer of any function type. */
static bool find(const char *name, void *out)
{
	void *f = dlsym(RTLD_NEXT, name);

	memcpy(out, &f, sizeof(f));
	return f;
}

int interpose_setup(void)
{
	bool all = find("EVP_DigestSign", &self.real_sign) &&
		   find("EVP_DigestVerify", &self.real_verify) &&
		   find("RAND_bytes", &self.real_random) &&
		   find("EVP_CipherUpdate", &self.real_update) &&
		   find("EVP_EncryptUpdate", &self.real_encrypt) &&
		   find("EVP_DecryptUpdate", &self.real_decrypt) &&
		   find("EVP_DecryptFinal", &self.real_decrypt_final) &&
		   find("EVP_DigestSignUpdate", &self.real_digest_update);

	return all ? 0 : -ENOSYS;
}

/* Whoever calls before the start of main, or in a test that has no set-up. */
static bool is_set_up(void)
{
	return self.real_digest_update || interpose_setup() == 0;
}

void interpose_hook(interpose_sign_fn sign, void *ctx)
{
	self.sign = sign;
	self.ctx = ctx;
}

void interpose_counts(unsigned int *signs, unsigned int *verifies)
{
	*signs = self.signs;
	*verifies = self.verifies;
}

bool interpose_take(struct interpose_record *out)
{
	if (!self.count)
		return false;
	*out = self.records[self.first];
	self.first = (self.first + 1) % RECORDS_MAX;
	self.count--;
	return true;
}

bool interpose_overflow(void)
{
	return self.overflow;
}

int EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *sig, size_t *siglen, const unsigned char *data,
		   size_t len)
{
	if (!self.sign)
		return self.real_sign ? self.real_sign(ctx, sig, siglen, data, len) : 0;
	if (!sig || !siglen || *siglen < 64)
		return 0;
	self.signs++;
	if (self.sign(self.ctx, data, len, sig) < 0)
		return 0;
	*siglen = 64;
	return 1;
}

static int digest_bits(EVP_MD_CTX *ctx)
{
	const EVP_MD *md = EVP_MD_CTX_get0_md(ctx);

	return md ? EVP_MD_get_size(md) * 8 : 0;
}

int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen,
		     const unsigned char *data, size_t len)
{
	struct interpose_record *r;

	if (!self.sign)
		return self.real_verify ? self.real_verify(ctx, sig, siglen, data, len) : 0;
	self.verifies++;
	if (self.count == RECORDS_MAX || siglen > INTERPOSE_SIG_MAX) {
		self.overflow = true;
		return 0;
	}
	r = &self.records[(self.first + self.count++) % RECORDS_MAX];
	memcpy(r->sig, sig, siglen);
	r->sig_len = (uint32_t)siglen;
	r->digest_bits = digest_bits(ctx);
	r->data_len = len <= INTERPOSE_DATA_MAX ? (uint32_t)len : 0;
	memcpy(r->data, data, r->data_len);
	return 1;
}

int interpose_real_sign(const uint8_t seed[32], const uint8_t *data, size_t len, uint8_t sig[64])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t siglen = 64;
	int ok = key && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
		 self.real_sign(ctx, sig, &siglen, data, len) == 1 && siglen == 64;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return ok ? 0 : -EIO;
}

void interpose_socket(int fd)
{
	self.socket = fd;
}

size_t interpose_unsent(void)
{
	return self.unsent;
}

void interpose_budget(size_t len)
{
	self.budget = len ? len / 64 + 1024 : 0;
}

/* libssh takes 0 for "nothing went out, try again when poll says so", and any error for the end of the connection. */
ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	bool ours = fd == self.socket;
	ssize_t n;

	do {
		n = syscall(SYS_sendto, fd, buf, len, ours ? flags | MSG_DONTWAIT : flags, NULL, 0);
	} while (n < 0 && errno == EINTR);
	if (!ours)
		return n;
	if (n < 0 && errno == EAGAIN)
		n = 0;
	self.unsent = n < 0 ? 0 : len - (size_t)n;
	return n;
}

/* libssh calls this once per packet, for the padding. */
int RAND_bytes(unsigned char *buf, int num)
{
	if (self.budget && !--self.budget) {
		log_warn("client asked for packets too small to be served: connection dropped");
		_exit(1);
	}
	return is_set_up() ? self.real_random(buf, num) : 0;
}

/* libssh's ciphers. lens.c has the order of the calls. */
int EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen, const unsigned char *in,
		      int len)
{
	if (!is_set_up())
		return 0;
	if (len > 0 && !self.nested)
		lens_encrypting(ctx, in, (size_t)len);
	return self.real_encrypt(ctx, out, outlen, in, len);
}

int EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen, const unsigned char *in,
		      int len)
{
	int ok = is_set_up() ? self.real_decrypt(ctx, out, outlen, in, len) : 0;

	if (ok == 1 && len > 0 && !self.nested)
		lens_decrypted(ctx, out, in, (size_t)len);
	return ok;
}

/* chacha20-poly1305, both ways. Of other ciphers it is libcrypto itself that calls, for its random numbers. */
int EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen, const unsigned char *in,
		     int len)
{
	bool packet = len > 0 && EVP_CIPHER_CTX_get_nid(ctx) == NID_chacha20;
	bool encrypting = EVP_CIPHER_CTX_is_encrypting(ctx);
	int ok;

	if (!is_set_up())
		return 0;
	if (packet && encrypting)
		lens_encrypting(ctx, in, (size_t)len);
	/* The real one calls one of the two above. */
	self.nested++;
	ok = self.real_update(ctx, out, outlen, in, len);
	self.nested--;
	if (packet && !encrypting && ok == 1)
		lens_decrypted(ctx, out, in, (size_t)len);
	return ok;
}

/* AES-GCM: the tag. Some builds of libssh take only a negative result for a failure (CVE-2026-59847). */
int EVP_DecryptFinal(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outlen)
{
	int ok = is_set_up() ? self.real_decrypt_final(ctx, out, outlen) : 0;

	if (ok != 1)
		return -1;
	lens_authentic(ctx);
	return 1;
}

/* HMAC. The buffer is libssh's packet, which it may write to. */
int EVP_DigestSignUpdate(EVP_MD_CTX *ctx, const void *data, size_t len)
{
	int ok;

	if (!is_set_up())
		return 0;
	lens_digesting(data, len);
	ok = self.real_digest_update(ctx, data, len);
	if (ok == 1)
		lens_digested((uint8_t *)(uintptr_t)data, len);
	return ok;
}

/* An empty set: libssh then answers the request with a plain failure. Layout of gss_OID_set_desc (RFC 2744, 6). */
uint32_t gss_indicate_mechs(uint32_t *minor, void **set);
uint32_t gss_indicate_mechs(uint32_t *minor, void **set)
{
	struct oid_set {
		size_t count;
		void *elements;
	} *empty = calloc(1, sizeof(*empty));

	*minor = 0;
	*set = empty;
	return empty ? 0 : 13U << 16; /* GSS_S_COMPLETE, GSS_S_FAILURE */
}
