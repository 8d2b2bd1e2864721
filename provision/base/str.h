/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounded strings and the escaping of text that a tenant or a peer can influence. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* snprintf that tells truncation: 0, or -ENAMETOOLONG (buf holds the cut text). */
int str_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Copy with the same result. */
int str_copy(char *buf, size_t size, const char *src);
/* Every byte outside printable ASCII, and the backslash, becomes \xNN; NUL-terminated and cut to fit. Returns buf. */
const char *str_vis(const char *src, size_t n, char *buf, size_t size);
/* [a-z_][a-z0-9_-]{0,30}: user and workspace names (DESIGN section 5). `n` is the full length on the wire. */
bool str_is_name(const char *s, size_t n);
#define STR_NAME_MAX 32 /* bytes of a name with its NUL */
/* Lower-case hex; out holds 2n+1 bytes. str_unhex: exactly n bytes or false. */
void str_hex(const void *bytes, size_t n, char *out);
bool str_unhex(const char *hex, void *out, size_t n);
