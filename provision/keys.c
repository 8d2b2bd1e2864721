/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See keys.h.  provisiond and `sshbay check`, on text that the administrator wrote; whatever is not understood as a whole
 * is no key.
 */
#include "keys.h"

#include <string.h>
#include <sys/types.h>

#include "wire.h"

static const char *const key_types[] = {
	"ssh-ed25519",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"ssh-rsa",
	"sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com",
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static const char *word_end(const char *p, const char *end)
{
	while (p < end && !is_blank(*p))
		p++;
	return p;
}

static bool word_is(const char *p, const char *end, const char *word)
{
	return (size_t)(end - p) == strlen(word) && memcmp(p, word, strlen(word)) == 0;
}

/* The key type that the word is, or NULL. */
static const char *key_type(const char *p, const char *end)
{
	size_t i;

	for (i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++) {
		if (word_is(p, end, key_types[i]))
			return key_types[i];
	}
	return NULL;
}

bool keys_type(const char *name)
{
	return key_type(name, name + strlen(name)) != NULL;
}

/* Options end at a blank outside of double quotes; \" inside of them is no quote. */
static const char *options_end(const char *p, const char *end)
{
	bool quoted = false;

	for (; p < end && (quoted || !is_blank(*p)); p++) {
		if (*p == '\\' && p + 1 < end && p[1] == '"')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	return quoted ? NULL : p;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, padded, no bits left over. Number of bytes, or -1. */
static ssize_t base64_decode(const char *p, const char *end, uint8_t *out, size_t cap)
{
	size_t n = 0, len = (size_t)(end - p), pad = 0, i;
	uint32_t bits = 0;

	if (len == 0 || len % 4 || len / 4 * 3 > cap)
		return -1;
	while (pad < 2 && end[-1 - (ssize_t)pad] == '=')
		pad++;
	for (i = 0; i < len; i++) {
		int v = i >= len - pad ? 0 : base64_value(p[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 3)
			continue;
		out[n++] = (uint8_t)(bits >> 16);
		out[n++] = (uint8_t)(bits >> 8);
		out[n++] = (uint8_t)bits;
	}
	return (ssize_t)(n - pad);
}

/* "TYPE BASE64 [comment]" */
static bool take_key(struct keys_reader *r, const char *p, const char *end)
{
	const char *stop = word_end(p, end);
	struct wire w = { r->blob, 0 };
	ssize_t n;

	r->type = key_type(p, stop);
	if (!r->type)
		return false;
	p = skip_blanks(stop, end);
	n = base64_decode(p, word_end(p, end), r->blob, sizeof(r->blob));
	if (n < 0)
		return false;
	w.n = r->len = (size_t)n;
	return wire_expect(&w, r->type);
}

static bool clean_line(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	}
	return true;
}

/* Nothing follows but a comment. */
static bool at_end(const char *p, const char *end)
{
	p = skip_blanks(p, end);
	return p == end || *p == '#';
}

static bool take_name(struct keys_reader *r, const char *p, const char *end)
{
	const char *stop = word_end(p, end);
	size_t n = (size_t)(stop - p);

	if (n == 0 || n >= sizeof(r->name) || memchr(p, '#', n) || !at_end(stop, end))
		return false;
	memcpy(r->name, p, n);
	r->name[n] = '\0';
	return true;
}

/* Options, if any, and what they are for. False: not understood. */
static bool take_line(struct keys_reader *r, const char *p, const char *end)
{
	const char *stop = options_end(p, end), *rest;
	bool bare;

	if (end - p > KEYS_LINE_MAX || !clean_line(p, end) || !stop)
		return false;
	rest = skip_blanks(stop, end);
	bare = r->names ? at_end(rest, end) : key_type(p, word_end(p, end)) != NULL;
	r->options = bare ? NULL : p;
	r->options_len = bare ? 0 : (size_t)(stop - p);
	if (!bare)
		p = rest;
	return r->names ? take_name(r, p, end) : take_key(r, p, end);
}

static bool next(struct keys_reader *r)
{
	while (r->p < r->end) {
		const char *nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
		const char *end = nl ? nl : r->end, *p = skip_blanks(r->p, end);

		r->p = nl ? nl + 1 : end;
		r->line++;
		if (end > p && end[-1] == '\r')
			end--;
		if (p == end || *p == '#')
			continue;
		if (take_line(r, p, end))
			return true;
		if (r->bad++ == 0)
			r->first_bad = r->line;
	}
	return false;
}

bool keys_next(struct keys_reader *r)
{
	r->names = false;
	return next(r);
}

bool keys_next_name(struct keys_reader *r)
{
	r->names = true;
	return next(r);
}

int keys_list_has(struct keys_reader *r, const char *path, const uint8_t *blob, size_t len,
		  struct err *e)
{
	bool found = false;

	while (keys_next(r)) {
		if (r->options)
			return err_set(e, EBADMSG, "read '%s:%u': options have no meaning here",
				       path, r->line);
		found = found || (blob && r->len == len && memcmp(r->blob, blob, len) == 0);
	}
	/* A key that was misspelt would be neither trusted nor revoked. */
	if (r->bad)
		return err_set(e, EBADMSG, "read '%s:%u': not a key", path, r->first_bad);
	return found;
}
