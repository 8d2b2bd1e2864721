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

int env_put(uint8_t *block, uint32_t *len, size_t cap, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value), off = 0, old = 0, count = 0;
	uint8_t *at = NULL;

	if (!name_ok(name))
		return -EINVAL;
	if (n > ENV_NAME_MAX || v > ENV_VALUE_MAX)
		return -E2BIG;
	for (; off < *len; off += strlen((char *)block + off) + 1) {
		if (strncmp((char *)block + off, name, n) == 0 && block[off + n] == '=') {
			at = block + off;
			old = strlen((char *)at) + 1;
		}
		count++;
	}
	if (*len - old + n + v + 2 > cap || (!at && count >= ENV_VARS_MAX))
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
