/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See env.h.  Session process; input comes from the client. */
#include "env.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* One pattern [p, end) against the whole name; linear in time times the number of stars. */
static bool match(const char *p, const char *end, const char *name)
{
	const char *star = NULL, *again = NULL;

	while (*name) {
		if (p < end && *p == '*') {
			star = p++;
			again = name;
		} else if (p < end && (*p == '?' || *p == *name)) {
			p++;
			name++;
		} else if (star) {
			p = star + 1;
			name = ++again;
		} else {
			return false;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

bool env_accepts(const char *patterns, const char *name)
{
	const char *p = patterns;

	while (*p) {
		size_t n = strcspn(p, " ");

		if (n && match(p, p + n, name))
			return true;
		p += n;
		p += strspn(p, " ");
	}
	return false;
}

static bool name_ok(const char *name)
{
	if (!*name || (*name >= '0' && *name <= '9'))
		return false;
	for (const char *p = name; *p; p++)
		if (!(*p >= 'A' && *p <= 'Z') && !(*p >= 'a' && *p <= 'z') &&
		    !(*p >= '0' && *p <= '9') && *p != '_')
			return false;
	return true;
}

/* The entry of that name, or NULL; *count entries in all. */
static uint8_t *find(uint8_t *block, uint32_t len, const char *name, size_t *count)
{
	size_t n = strlen(name);
	uint8_t *at = NULL;

	*count = 0;
	for (size_t off = 0; off < len; off += strlen((char *)block + off) + 1) {
		if (strncmp((char *)block + off, name, n) == 0 && block[off + n] == '=')
			at = block + off;
		++*count;
	}
	return at;
}

int env_set(uint8_t *block, uint32_t *len, size_t cap, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value), count;
	uint8_t *at = find(block, *len, name, &count);
	size_t old = at ? strlen((char *)at) + 1 : 0;

	if (!name_ok(name))
		return -EINVAL;
	if (*len - old + n + v + 2 > cap)
		return -E2BIG;
	if (at) {
		memmove(at, at + old, (size_t)(block + *len - (at + old)));
		*len -= (uint32_t)old;
	}
	memcpy(block + *len, name, n);
	block[*len + n] = '=';
	memcpy(block + *len + n + 1, value, v + 1);
	*len += (uint32_t)(n + v + 2);
	return 0;
}

int env_put(uint8_t *block, uint32_t *len, size_t cap, const char *name, const char *value)
{
	size_t count;

	if (strlen(name) > ENV_NAME_MAX || strlen(value) > ENV_VALUE_MAX)
		return name_ok(name) ? -E2BIG : -EINVAL;
	if (!find(block, *len, name, &count) && count >= ENV_VARS_MAX)
		return name_ok(name) ? -E2BIG : -EINVAL;
	return env_set(block, len, cap, name, value);
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "FPE", SIGFPE },   { "HUP", SIGHUP },
	{ "ILL", SIGILL },   { "INT", SIGINT },   { "KILL", SIGKILL }, { "PIPE", SIGPIPE },
	{ "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "TERM", SIGTERM }, { "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
};

int env_signal_number(const char *name)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (strcmp(signals[i].name, name) == 0)
			return signals[i].number;
	return 0;
}

const char *env_signal_name(uint32_t number)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if ((uint32_t)signals[i].number == number)
			return signals[i].name;
	return "SIG@openssh.com";
}
