/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bounded strings, the one escaping of text that a tenant or peer can influence, and the one validator of names.
 * Character classes are spelled out: <ctype.h> depends on the locale.
 */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char hexdigits[] = "0123456789abcdef";

int str_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (size == 0)
		return -ENAMETOOLONG;
	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (n < 0) {
		buf[0] = '\0';
		return -EINVAL;
	}
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int str_copy(char *buf, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (size == 0)
		return -ENAMETOOLONG;
	if (n >= size) {
		memmove(buf, src, size - 1);
		buf[size - 1] = '\0';
		return -ENAMETOOLONG;
	}
	memmove(buf, src, n + 1);
	return 0;
}

const char *str_vis(const char *src, size_t n, char *buf, size_t size)
{
	size_t at = 0;

	if (size == 0)
		return "";
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)src[i];
		bool plain = c >= 0x20 && c <= 0x7e && c != '\\';

		/* An escape that does not fit is left out whole: half of one could read as something else. */
		if (size - at <= (plain ? 1U : 4U))
			break;
		if (plain) {
			buf[at++] = (char)c;
			continue;
		}
		buf[at++] = '\\';
		buf[at++] = 'x';
		buf[at++] = hexdigits[c >> 4];
		buf[at++] = hexdigits[c & 15];
	}
	buf[at] = '\0';
	return buf;
}

bool str_is_name(const char *s, size_t n)
{
	if (n < 1 || n >= STR_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if ((c >= 'a' && c <= 'z') || c == '_')
			continue;
		if (i > 0 && ((c >= '0' && c <= '9') || c == '-'))
			continue;
		return false;
	}
	return true;
}

void str_hex(const void *bytes, size_t n, char *out)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		*out++ = hexdigits[p[i] >> 4];
		*out++ = hexdigits[p[i] & 15];
	}
	*out = '\0';
}

static int hexvalue(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool str_unhex(const char *hex, void *out, size_t n)
{
	uint8_t *p = out;

	if (strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = hexvalue(hex[2 * i]), lo = hexvalue(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		p[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}
