/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading and writing the data types of RFC 4251 section 5 within fixed buffers.  Readers refuse whatever does not fit;
 * nothing is allocated.  Used by hostkey.c and verify.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Unread bytes. */
struct wire {
	const uint8_t *p;
	size_t n;
};

/* Bytes written so far; `bad` stays set once something did not fit. */
struct wire_out {
	uint8_t *p;
	size_t n, cap;
	bool bad;
};

static inline bool wire_u32(struct wire *w, uint32_t *out)
{
	if (w->n < 4)
		return false;
	*out = (uint32_t)w->p[0] << 24 | (uint32_t)w->p[1] << 16 | (uint32_t)w->p[2] << 8 | w->p[3];
	w->p += 4;
	w->n -= 4;
	return true;
}

/* A `string`: `out` points into the input. */
static inline bool wire_str(struct wire *w, struct wire *out)
{
	struct wire t = *w;
	uint32_t n;

	if (!wire_u32(&t, &n) || n > t.n)
		return false;
	out->p = t.p;
	out->n = n;
	w->p = t.p + n;
	w->n = t.n - n;
	return true;
}

static inline bool wire_is(const struct wire *w, const char *text)
{
	return w->n == strlen(text) && memcmp(w->p, text, w->n) == 0;
}

/* A `string` that has to be exactly `text`. */
static inline bool wire_expect(struct wire *w, const char *text)
{
	struct wire s;

	return wire_str(w, &s) && wire_is(&s, text);
}

/* A positive `mpint` in its shortest form; `out` is its magnitude without the sign byte, never empty. */
static inline bool wire_mpint(struct wire *w, struct wire *out)
{
	struct wire s;

	if (!wire_str(w, &s) || s.n == 0 || s.p[0] & 0x80)
		return false;
	if (s.p[0] == 0) {
		if (s.n == 1 || !(s.p[1] & 0x80))
			return false;
		s.p++;
		s.n--;
	}
	*out = s;
	return true;
}

static inline void wire_put(struct wire_out *o, const void *bytes, size_t n)
{
	if (o->bad || n > o->cap - o->n) {
		o->bad = true;
		return;
	}
	if (n)
		memcpy(o->p + o->n, bytes, n);
	o->n += n;
}

static inline void wire_put_u32(struct wire_out *o, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	wire_put(o, b, sizeof(b));
}

static inline void wire_put_str(struct wire_out *o, const void *bytes, size_t n)
{
	if (n > UINT32_MAX) {
		o->bad = true;
		return;
	}
	wire_put_u32(o, (uint32_t)n);
	wire_put(o, bytes, n);
}
