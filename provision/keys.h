/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of an authorized_keys file (sshd(8)), apart from where it lies. keys_listed() is in auth.h. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* A key as a login offers it. */
struct keys_wanted {
	const char *alg; /* signature algorithm: "rsa-sha2-256" stands for a key of type ssh-rsa */
	const uint8_t *blob;
	size_t len;
};
struct keys_found {
	unsigned int line;    /* that lists it; 0: none */
	unsigned int refused; /* first line that lists it, but with options */
	char option[64];      /* the one to blame in that line, escaped */
	unsigned int bad;     /* lines that are no keys */
	unsigned int first_bad;
};

/*
 * Search a file's text (any bytes) for the key. A line with options never lists a key: none of them is enforced yet, so
 * taking the key without them would grant more than was meant.
 */
void keys_find(const char *text, size_t len, const struct keys_wanted *wanted,
	       struct keys_found *out);
