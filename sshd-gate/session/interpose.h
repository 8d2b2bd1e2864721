/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions of libcrypto, libc and libgssapi that this program defines itself, so that libssh, which calls them through
 * the dynamic symbol table, calls ours.  EVP_DigestSign: the host key is not here, a hook asks provisiond.
 * EVP_DigestVerify: a hook keeps signature and algorithm for provisiond, which alone decides.  send: never blocks.
 * RAND_bytes: counts packets.  The ciphers and EVP_DigestSignUpdate: show each packet to the lens.
 * gss_indicate_mechs: GSSAPI has no mechanism, so no Kerberos code runs before the login.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sign `hash` into sig (64 bytes). 0 or -errno. */
typedef int (*interpose_sign_fn)(void *ctx, const uint8_t *hash, size_t len, uint8_t sig[64]);

#define INTERPOSE_SIG_MAX  1024 /* raw signature: RSA 8192 */
#define INTERPOSE_DATA_MAX 80   /* what an sk key signs is 69 bytes; longer data is not kept */

/* What libssh wanted verified. */
struct interpose_record {
	uint32_t sig_len, data_len;
	int digest_bits; /* 160, 256, 384, 512; 0 = none (ed25519) */
	uint8_t sig[INTERPOSE_SIG_MAX];
	uint8_t data[INTERPOSE_DATA_MAX]; /* empty when it was longer */
};

/* Resolve the real functions. Before any sandbox. -errno when one is missing. */
int interpose_setup(void);
/*
 * With hooks on, EVP_DigestSign calls `sign` and EVP_DigestVerify records and reports success without looking: the
 * verdict is provisiond's.  NULL: the real functions.
 */
void interpose_hook(interpose_sign_fn sign, void *ctx);
/* Oldest record that was not taken yet. False when there is none. */
bool interpose_take(struct interpose_record *out);
/* Records lost because nobody took them: the session must end. */
bool interpose_overflow(void);
/* Calls seen by the hooks so far, for the self-test. */
void interpose_counts(unsigned int *signs, unsigned int *verifies);
/* The real EVP_DigestSign with an ed25519 seed, for the self-test's pretended provisiond. 0 or -errno. */
int interpose_real_sign(const uint8_t seed[32], const uint8_t *data, size_t len, uint8_t sig[64]);

/* The connection whose send() must not block. */
void interpose_socket(int fd);
/* Bytes libssh could not send at its last try. */
size_t interpose_unsent(void);
/*
 * Before a channel write of `len` bytes. A client that asked for absurdly small packets makes libssh send without end
 * (for ever at 10 bytes): past a generous number of packets for `len` the process ends. 0 after the write.
 */
void interpose_budget(size_t len);
