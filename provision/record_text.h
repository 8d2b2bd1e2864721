/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of a record: INI under a header with a checksum.  Pure; for record.c alone, which keeps the files.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "record.h"

#define RECORD_TEXT_MAX 8192 /* bytes of a file, with NUL */

/* Write *r to buf, at most cap bytes with NUL; *len without it. -EOVERFLOW when it does not fit, -ENOMEM. */
int record_text_encode(const struct record *r, char *buf, size_t cap, size_t *len);
/* Is the text whole, as its checksum says? Then *generation is the one that it carries. */
bool record_text_whole(const char *buf, size_t len, uint64_t *generation);
/* Read the record of workspace `name` from len bytes. -EUCLEAN: damaged, or not that workspace's; e has the reason alone. */
int record_text_decode(const char *buf, size_t len, const char *name, struct record *r,
		       struct err *e);
