/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one error space of sshbay: a function returns 0 (or a count) on success and -errno on failure, and a fallible
 * exported function takes a caller-owned `struct err *` as its last parameter.  The only ways to fail are the calls
 * below, so that a failure without a message cannot be written.  Library code never logs; it fills a struct err.
 *
 * Message grammar: verb 'object': reason (hint)
 */
#pragma once
#include <errno.h>

#define ERR_TEXT_MAX 256

struct err {
	int code;                /* positive errno, 0 = none */
	char text[ERR_TEXT_MAX]; /* NUL-terminated; cut, never overflowed */
};

/* Store `code` (positive errno) and the formatted text; returns -code.  `e` may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set with code = errno, and ": <strerror>" appended. errno 0 is reported as EIO. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As err_sys with an explicit -errno `ret` (what a raw call of ours returned). Returns `ret`. */
int err_ret(struct err *e, int ret, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "<formatted>: " before the text that `e` holds already; keeps and returns -e->code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
