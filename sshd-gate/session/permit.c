/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See permit.h.  Session process.  The lists come from the administrator's files by way of provisiond; hosts and ports
 * that are compared with them come from the client.
 */
#include "permit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "env.h"

/* A list is strings one after another, each with its NUL. */
static bool is_list(const uint8_t *data, uint32_t len)
{
	return len == 0 || data[len - 1] == 0;
}

int permit_take(struct session *s, const struct gate_permit *p)
{
	bool more = p->command[0] || p->environment.len || p->open.len || p->listen.len;

	if (!is_list(p->environment.data, p->environment.len) ||
	    !is_list(p->open.data, p->open.len) || !is_list(p->listen.data, p->listen.len))
		return -EBADMSG;
	free(s->permit);
	s->permit = NULL;
	s->permitted = false;
	if (more) {
		s->permit = malloc(sizeof(*s->permit));
		if (!s->permit)
			return -ENOMEM;
		*s->permit = *p;
	}
	s->may = p->flags;
	s->permitted = true;
	return 0;
}

bool permit_has(const struct session *s, uint32_t flag)
{
	return s->permitted && (s->may & flag) == flag;
}

/* Does "host:port", where either may be *, stand for this one? A host with colons is in brackets. */
static bool matches(const char *entry, const char *host, uint32_t port)
{
	const char *colon = strrchr(entry, ':');
	size_t n;
	uint64_t number;

	if (!colon)
		return false;
	if (strcmp(colon + 1, "*") != 0 &&
	    (num_u64(colon + 1, 1, 65535, &number, NULL) < 0 || number != port))
		return false;
	n = (size_t)(colon - entry);
	if (n == 1 && *entry == '*')
		return true;
	if (n >= 2 && entry[0] == '[' && entry[n - 1] == ']') {
		entry++;
		n -= 2;
	}
	return n == strlen(host) && memcmp(entry, host, n) == 0;
}

static bool listed(const uint8_t *data, uint32_t len, const char *host, uint32_t port)
{
	for (uint32_t off = 0; off < len; off += (uint32_t)strlen((const char *)data + off) + 1)
		if (matches((const char *)data + off, host, port))
			return true;
	return len == 0;
}

bool permit_open(const struct session *s, const char *host, uint32_t port)
{
	return permit_has(s, GATE_MAY_FORWARD) &&
	       (!s->permit || listed(s->permit->open.data, s->permit->open.len, host, port));
}

bool permit_listen(const struct session *s, const char *host, uint32_t port)
{
	return permit_has(s, GATE_MAY_FORWARD) &&
	       (!s->permit || listed(s->permit->listen.data, s->permit->listen.len, host, port));
}

bool permit_unix(const struct session *s)
{
	return permit_has(s, GATE_MAY_FORWARD) &&
	       (!s->permit || (!s->permit->open.len && !s->permit->listen.len));
}

const char *permit_command(const struct session *s)
{
	return s->permit && s->permit->command[0] ? s->permit->command : NULL;
}

int permit_environment(const struct session *s, uint8_t *block, uint32_t *len, size_t cap)
{
	const struct gate_permit *p = s->permit;
	char entry[sizeof(p->environment.data)];
	int ret = 0;

	if (!p)
		return 0;
	for (uint32_t off = 0; ret == 0 && off < p->environment.len;
	     off += (uint32_t)strlen((const char *)p->environment.data + off) + 1) {
		char *value;

		memcpy(entry, p->environment.data + off,
		       strlen((const char *)p->environment.data + off) + 1);
		value = strchr(entry, '=');
		if (!value)
			continue;
		*value++ = '\0';
		ret = env_set(block, len, cap, entry, value);
	}
	return ret;
}
