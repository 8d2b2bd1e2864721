/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SSH wire forms (RFC 4251 section 5) that the session builds itself: the host key file without its secret, and
 * signature blobs from what libssh handed to libcrypto.  Pure functions.
 */
#pragma once
#include "base/err.h"
#include "interpose.h"
#include "proto/gate.h"
#include <stddef.h>
#include <stdint.h>

/*
 * An openssh-key-v1 file with the public key `pub` and an all-zero seed, NUL-terminated. libssh loads it and then has
 * every signature made by EVP_DigestSign. 0, or -ENOBUFS (1 KiB is enough).
 */
int blob_host_key(const uint8_t pub[32], char *out, size_t cap);

/* The key type of a public key blob ("ssh-rsa"), or -EBADMSG. */
int blob_key_type(const uint8_t *key, size_t len, char *out, size_t cap);

/*
 * Fill in name and signature of k (rsa: the name follows the digest that was used) from a recorded verification with a
 * key of type `type`, which may be a certificate's: then the name is too, but the signature inside bears the key's. 0, -EBADMSG or -ENOBUFS.
 */
int blob_signature(const char *type, const struct interpose_record *r, struct gate_key *k);

/* The name that a probe carries: libssh does not tell which RSA digest the client has in mind. */
const char *blob_probe_alg(const char *type);

/* The two integers of a DER ECDSA-Sig-Value as SSH mpints. 0, -EBADMSG or -ENOBUFS. */
int blob_ecdsa(const uint8_t *der, size_t der_len, uint8_t *out, size_t cap, uint32_t *len);
