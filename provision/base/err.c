/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filling `struct err`.  Linked into every program, the static ws-init included: no locale, no allocation.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* strerror(3) may read message catalogues; the _np form never leaves the process. */
static const char *reason(int code)
{
	const char *text = strerrordesc_np(code);

	return text ? text : "unknown error";
}

/* The arguments may point into e->text (err_set(e, c, "x: %s", e->text)), hence the second buffer. */
static void fill(struct err *e, int code, const char *tail, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_MAX];
	int n;

	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		text[n = 0] = '\0';
	if (tail && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, ": %s", tail);
	e->code = code;
	memcpy(e->text, text, sizeof(text));
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (code <= 0)
		code = EIO;
	if (e) {
		va_start(ap, fmt);
		fill(e, code, NULL, fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int code = errno > 0 ? errno : EIO;
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		fill(e, code, reason(code), fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_ret(struct err *e, int ret, const char *fmt, ...)
{
	int code = ret < 0 ? -ret : EIO;
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		fill(e, code, reason(code), fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	int code = e && e->code > 0 ? e->code : EIO;
	char inner[ERR_TEXT_MAX];
	va_list ap;

	if (e) {
		memcpy(inner, e->text, sizeof(inner));
		inner[sizeof(inner) - 1] = '\0';
		va_start(ap, fmt);
		fill(e, code, inner, fmt, ap);
		va_end(ap);
	}
	return -code;
}
