/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text that grows piece by piece. Pure. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->cut)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	t->cut = n < 0 || (size_t)n >= t->size - t->len;
	t->len = t->cut ? t->size - 1 : t->len + (size_t)n;
}
