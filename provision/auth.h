/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys and signatures in provisiond: the host key, authorized_keys files, and verification with libcrypto. */
#pragma once
#include "base/err.h"
#include "proto/gate_login.h"
#include "settings.h"
#include <stddef.h>
#include <stdint.h>

struct cert;
struct hostkey;

/* Load the OpenSSH-format ed25519 private key, or make it (0600) and NAME.pub when the file does not exist. */
int hostkey_load(const char *path, struct hostkey **out, struct err *e);
/* The same, but -ENOENT when there is no such file. */
int hostkey_open(const char *path, struct hostkey **out, struct err *e);
/* One more owner; each one calls hostkey_free. */
struct hostkey *hostkey_ref(struct hostkey *k);
void hostkey_free(struct hostkey *k);                   /* NULL is fine */
const uint8_t *hostkey_public(const struct hostkey *k); /* 32 bytes */
/* "ssh-ed25519 AAAA..." and the SHA-256 of the key's blob in hex. */
int hostkey_text(const struct hostkey *k, char line[160], char sha256[72], struct err *e);
/* Sign 20..64 bytes. */
int hostkey_sign(const struct hostkey *k, const void *hash, size_t len, uint8_t sig[64],
		 struct err *e);
/* A secret that only follows from the private key and `purpose` (at most 64 bytes), the same after every start. */
int hostkey_derive(const struct hostkey *k, const char *purpose, uint8_t out[32], struct err *e);

/*
 * Verify an SSH user-authentication signature (RFC 4252 section 7) over
 *   string session_id, byte 50, string login, "ssh-connection", "publickey", TRUE, alg, key
 * for ssh-ed25519, ecdsa-sha2-nistp{256,384,521}, rsa-sha2-256/512 (RSA >= 2048 bits; never ssh-rsa with SHA-1), the sk-
 * forms of ed25519 and nistp256, the latter's webauthn- form, and the certificate algorithms of all of them, where `key` is a certificate: that one's
 * key is used, the certificate itself is not looked at (auth_key_accept() does).
 * 0, -EKEYREJECTED (does not verify), -EINVAL (malformed), -EOPNOTSUPP (algorithm).
 */
struct verify_request {
	const uint8_t *session_id;
	size_t session_id_len;
	const char *login;
	const char *alg;
	const uint8_t *key;
	size_t key_len;
	const uint8_t *sig;
	size_t sig_len;
	bool no_touch,
		verified; /* security keys: presence is not demanded; the user must have been verified */
};
int verify_signature(const struct verify_request *v, struct err *e);
/* Did the authority that it names sign the certificate? Never by SHA-1. 0 or -errno as above. */
int verify_certificate(const struct cert *c, struct err *e);
/* Start-up self-test with fixed keys: one good and one bad signature per algorithm. Failing it must end the daemon. */
int verify_self_test(struct err *e);
/* The hashes of a key blob by which lists of revoked keys may name it. 0 or -EIO. */
int verify_hashes(const uint8_t *key, size_t len, uint8_t sha1[20], uint8_t sha256[32],
		  struct err *e);
/* "SHA256:..." of a key blob, as ssh-keygen -l prints. */
int verify_fingerprint(const uint8_t *key, size_t len, char out[64], struct err *e);

/*
 * May this key log `user` in, and what may it do then? Looks in the user's authorized_keys file, in what keys_command
 * printed (`more`, may be NULL), and, for a certificate, among the trusted authorities and principals; a revoked key or
 * authority never. Options are enforced (from, expiry-time) or handed on in `out`. A user that does not exist takes the
 * same way (`exists` false). 1 accepted, 0 not (`e` tells the administrator why, never the client; its code is ENOKEY when
 * the key just is not listed), -errno: a file cannot be trusted or read, so nothing is accepted.
 */
struct auth_query {
	const struct settings *settings;
	const char *user;
	bool exists;
	const char *alg; /* signature algorithm */
	const uint8_t *key;
	size_t len;
	const struct ip *peer;
	uint64_t now; /* seconds since the epoch */
	const char *more;
	size_t more_len;
};
struct auth_grant {
	struct gate_permit permit;
	bool touch_required, verify_required; /* sk keys: demanded of the signature */
	char by[192]; /* for the audit log: "authorized_keys line 3", "certificate 'id' serial 7 by SHA256:..." */
};
/* The file that `pattern` (%u) names for a user. -ENAMETOOLONG. */
int auth_user_path(const char *pattern, const char *user, char *buf, size_t size);
int auth_key_accept(const struct auth_query *q, struct auth_grant *out, struct err *e);
/* What the configuration allows, without any key's options: for passwords and the like. */
void auth_permit(const struct settings *s, struct gate_permit *out);
