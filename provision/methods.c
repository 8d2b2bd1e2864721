/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See methods.h.  Main process of provisiond, and the checks of the configuration. */
#include "methods.h"

#include <string.h>

#include "base/str.h"

static const char *const names[METHOD_COUNT] = {
	[METHOD_PUBLICKEY] = "publickey",
	[METHOD_PASSWORD] = "password",
	[METHOD_INTERACTIVE] = "keyboard-interactive",
};

const char *methods_name(enum method m)
{
	return names[m];
}

static int find(const char *word, size_t n)
{
	for (int i = 0; i < METHOD_COUNT; i++)
		if (strlen(names[i]) == n && memcmp(names[i], word, n) == 0)
			return i;
	return -1;
}

/* One chain of `n` characters. */
static int add_chain(const char *text, size_t n, struct methods *out, struct err *e)
{
	const char *end = text + n;

	if (out->n == METHODS_ALTERNATIVES_MAX)
		return err_set(e, EINVAL, "more than %d alternatives", METHODS_ALTERNATIVES_MAX);
	while (text <= end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		size_t len = (size_t)((comma ? comma : end) - text);
		int method = find(text, len);
		uint8_t *at = &out->alternatives[out->n].len;

		if (method < 0)
			return err_set(e, EINVAL, "'%.*s' is no method", (int)len, text);
		if (*at == METHODS_CHAIN_MAX)
			return err_set(e, EINVAL, "more than %d methods in a list",
				       METHODS_CHAIN_MAX);
		out->alternatives[out->n].chain[(*at)++] = (uint8_t)method;
		text += len + 1;
	}
	out->n++;
	return 0;
}

int methods_parse(const char *text, struct methods *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		size_t n = strcspn(text, " \t");

		if (add_chain(text, n, out, e) < 0)
			return -EINVAL;
		text += n;
	}
	return out->n ? 0 : err_set(e, EINVAL, "names no method");
}

bool methods_allow(const struct methods *m, enum method method)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->alternatives[i].at < m->alternatives[i].len &&
		    m->alternatives[i].chain[m->alternatives[i].at] == method)
			return true;
	return false;
}

bool methods_mention(const struct methods *m, enum method method)
{
	for (uint32_t i = 0; i < m->n; i++)
		for (uint32_t j = 0; j < m->alternatives[i].len; j++)
			if (m->alternatives[i].chain[j] == method)
				return true;
	return false;
}

bool methods_complete(struct methods *m, enum method method)
{
	bool whole = false;

	m->done++;
	for (uint32_t i = 0; i < m->n; i++) {
		uint8_t *at = &m->alternatives[i].at, len = m->alternatives[i].len;

		if (*at < len && m->alternatives[i].chain[*at] == method)
			whole |= ++*at == len;
	}
	return whole;
}

const char *methods_next(const struct methods *m, char *buf, size_t size)
{
	size_t used = 0;

	*buf = '\0';
	for (int i = 0; i < METHOD_COUNT; i++) {
		if (!methods_allow(m, (enum method)i))
			continue;
		(void)str_format(buf + used, size - used, "%s%s", used ? "," : "", names[i]);
		used = strlen(buf);
	}
	return buf;
}
