/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of files that list keys: authorized_keys (sshd(8)), authorities, revoked keys; and of principals files.  Pure.
 * Whether the file may be believed is asked before (base/trusted.h).
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_LINE_MAX 16384 /* sshd's own limit is 8 KiB for the key, options come on top */

/* Start with p and end around the text and everything else zero. */
struct keys_reader {
	const char *p, *end;
	unsigned int line, bad, first_bad; /* at hand; lines that are not understood */
	bool names;
	/* the line at hand: */
	const char *options; /* key_options_parse(); NULL: none */
	size_t options_len;
	const char *type; /* of the key: a constant */
	uint8_t blob[KEYS_LINE_MAX];
	size_t len;
	char name[256];
};

/*
 * The next line "[OPTIONS] TYPE BASE64 [comment]". False at the end. Lines that are no keys (control characters, a type
 * other than the blob's, open quotes, longer than KEYS_LINE_MAX) are counted and skipped. Options are only cut off.
 */
bool keys_next(struct keys_reader *r);
/* The next line "[OPTIONS] NAME" of a principals file, into `name`. */
bool keys_next_name(struct keys_reader *r);

/* Is it the name of a type of keys (not of certificates)? */
bool keys_type(const char *name);

/*
 * Is the blob in a list of keys alone (authorities, revoked keys)? `r` is at the start of the text, `path` is for messages,
 * `blob` may be NULL: check the text alone. 1, 0, -EBADMSG (a line that is no key, or has options, which would not be
 * enforced: "path:line").
 */
int keys_list_has(struct keys_reader *r, const char *path, const uint8_t *blob, size_t len,
		  struct err *e);
