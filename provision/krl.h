/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenSSH's binary lists of revoked keys and certificates (PROTOCOL.krl, ssh-keygen -k). Pure. */
#pragma once
#include "base/err.h"
#include "wire.h"

/* A key, and the certificate it comes in, if any. */
struct krl_subject {
	struct wire key; /* blob */
	uint8_t sha1[20], sha256[32];
	struct wire ca; /* n = 0: no certificate */
	struct wire id;
	uint64_t serial; /* 0: the authority gave none, so that it revokes nothing */
};

/* Does the file begin like one? */
bool krl_is(const void *text, size_t len);
/*
 * Is the subject revoked? The list is read to its end in any case; `s` may be NULL: that alone. 1, 0, -EBADMSG (malformed),
 * -EOPNOTSUPP (a part that must be understood and is not). A signature of the list is skipped: who may write the file is
 * decided before.
 */
int krl_revokes(const void *text, size_t len, const struct krl_subject *s, struct err *e);
