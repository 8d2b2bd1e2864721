/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OpenSSH certificates (PROTOCOL.certkeys): the blob taken apart, and what it says about a login.  Pure; the signatures
 * are verify.c's.
 */
#pragma once
#include "base/err.h"
#include "key_options.h"
#include "proto/gate_login.h"
#include "wire.h"

#define CERT_PRINCIPALS_MAX 256

/* Points into the blob that was parsed, but for `key`. */
struct cert {
	const char *type;  /* "ssh-rsa-cert-v01@openssh.com" */
	const char *plain; /* type of the key that it certifies: "ssh-rsa" */
	uint8_t key[GATE_KEY_MAX];
	size_t key_len;           /* the key alone, as a blob */
	uint64_t serial;          /* chosen by the authority */
	uint64_t after, before;   /* valid from `after` until before `before` */
	struct wire id;           /* "key identity": any bytes but NUL */
	struct wire principals;   /* strings */
	struct wire critical;     /* pairs of strings, as are: */
	struct wire extensions;   /* */
	struct wire ca;           /* the authority's key blob, of a plain type */
	struct wire ca_sig, data; /* its signature, and what that covers */
};

/* Does the type name belong to a certificate? */
bool cert_is(const char *type);
/*
 * The name of the plain algorithm that the user's signature has inside when the request names the certificate algorithm
 * `alg` ("rsa-sha2-512-cert-v01@openssh.com": "rsa-sha2-512"). NULL: no such algorithm.
 */
const char *cert_plain_alg(const char *alg);
/* Take a user certificate apart, to the last byte. 0, or -EINVAL (also for a host's certificate). */
int cert_parse(const uint8_t *blob, size_t len, struct cert *out, struct err *e);
/* Is it valid at `now`? 0, -EKEYEXPIRED. */
int cert_valid(const struct cert *c, uint64_t now, struct err *e);
/*
 * Is `name` (or, when `list` is not NULL, one of the comma list) among its principals? A certificate without principals is
 * good for nobody.
 */
bool cert_names(const struct cert *c, const char *name, const char *list);
/*
 * What it permits: nothing but what its extensions say, its critical options enforced by key_options_allow(). An unknown
 * critical option is -EINVAL; unknown extensions are skipped.
 */
int cert_options(const struct cert *c, struct key_options *out, struct err *e);
