/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text that grows piece by piece in a buffer of the caller's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *buf; /* size > 0 bytes; always ends with NUL after the first text_add */
	size_t size, len;
	bool cut; /* something did not fit: the text ends there */
};

void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
