/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sees the packets of the connection in the clear, where libssh hands them to libcrypto (interpose.c), and has
 * lens_rewrite.h rewrite what libssh has no words for.  Which bytes are a packet follows from the order of libssh's
 * calls alone, so that rekeying and any mix of ciphers and MACs need no bookkeeping.  Session process and self-test.
 *
 * Features, not security: with the lens off, or a packet unseen, requests are refused that would be served.
 */
#pragma once
#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Off at first. The self-test turns it on while its server side runs, */
void lens_switch(bool on);
/* and for good, knowing nothing of any packet, when it has seen it work. */
void lens_reset(bool on);
bool lens_is_on(void);

/*
 * Around the calls of libcrypto's functions, with their arguments. in: before encryption, out: after decryption.
 * `ok` is the real function's result.
 */
void lens_encrypting(const EVP_CIPHER_CTX *ctx, const uint8_t *in, size_t len);
void lens_decrypted(const EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t len);
/* EVP_DecryptFinal of an AEAD cipher found the tag right. */
void lens_authentic(const EVP_CIPHER_CTX *ctx);
/* EVP_DigestSignUpdate: before, and after it has taken the bytes. */
void lens_digesting(const uint8_t *data, size_t len);
void lens_digested(uint8_t *data, size_t len);

/* A packet held a secret: when the next one takes its place in libssh's buffer, the rest of it is overwritten, too. */
void lens_forget(void);

/*
 * What libssh tells of an open that it refuses has no words. Between the two calls such a packet goes out as nothing; the
 * second one tells whether it did, and for which channel of the client's, whose refusal is now owed to it
 * (LENS_REWRITE_FAILURE).
 */
void lens_hush(void);
bool lens_hushed(uint32_t *channel);

/* The modes of a pty request: as lens_rewrite_modes_of(); 0 when off. */
uint32_t lens_modes(uint32_t *width, uint8_t *out);
