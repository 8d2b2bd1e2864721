/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict numbers.  strtoul(3) takes signs, spaces, octal and "12abc"; nothing here does.  A leading zero is refused
 * rather than read one way or the other, because half of the world reads 022 as 18.
 */
#include "base/num.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN 48 /* bytes of a wrong value that a message repeats, escaped */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {
	{ "", 1 },
	{ "K", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 },
	{ "T", UINT64_C(1) << 40 },
	{ "KB", UINT64_C(1000) },
	{ "MB", UINT64_C(1000000) },
	{ "GB", UINT64_C(1000000000) },
	{ "TB", UINT64_C(1000000000000) },
};

static const struct unit times[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };

static int refuse(struct err *e, const char *s, const char *why)
{
	char shown[SHOWN];

	return err_set(e, EINVAL, "'%s' %s", str_vis(s, strlen(s), shown, sizeof(shown)), why);
}

/* Read the digits at the start of s; *end is what follows. 0, -EINVAL (no number) or -ERANGE. */
static int digits(const char *s, uint64_t *out, const char **end)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	if (p == s || (s[0] == '0' && p > s + 1))
		return -EINVAL;
	*out = v;
	*end = p;
	return 0;
}

int num_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
	const char *end;
	uint64_t v;
	char why[96];
	int r = digits(s, &v, &end);

	if (r == -EINVAL || (r == 0 && *end != '\0'))
		return refuse(e, s, "is not a whole number");
	if (r == -ERANGE || v < min || v > max) {
		(void)str_format(why, sizeof(why), "is not between %" PRIu64 " and %" PRIu64, min,
				 max);
		return refuse(e, s, why);
	}
	*out = v;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

int num_size(const char *s, uint64_t *bytes, struct err *e)
{
	const struct unit *u;
	const char *end;
	uint64_t v;
	int r = digits(s, &v, &end);

	if (r == -EINVAL)
		return refuse(e, s, "is not a size (4096, 512K, 8M, 64G, 1T, or KB MB GB TB)");
	if (r == -ERANGE)
		return refuse(e, s, "is too large");
	u = find_unit(sizes, sizeof(sizes) / sizeof(sizes[0]), end);
	if (!u)
		return refuse(e, s, "is not a size (4096, 512K, 8M, 64G, 1T, or KB MB GB TB)");
	if (__builtin_mul_overflow(v, u->factor, &v))
		return refuse(e, s, "is too large");
	*bytes = v;
	return 0;
}

int num_seconds(const char *s, uint64_t *seconds, struct err *e)
{
	const struct unit *u;
	const char *end;
	uint64_t v;
	int r = digits(s, &v, &end);

	if (r == -EINVAL)
		return refuse(e, s, "is not a time (30s, 5m, 2h, 1d)");
	if (r == -ERANGE)
		return refuse(e, s, "is too long");
	if (*end == '\0' && v != 0)
		return refuse(e, s, "has no unit (s, m, h or d)");
	u = *end ? find_unit(times, sizeof(times) / sizeof(times[0]), end) : &times[0];
	if (!u)
		return refuse(e, s, "is not a time (30s, 5m, 2h, 1d)");
	if (__builtin_mul_overflow(v, u->factor, &v))
		return refuse(e, s, "is too long");
	*seconds = v;
	return 0;
}

int num_bool(const char *s, bool *out, struct err *e)
{
	bool yes = strcmp(s, "yes") == 0;

	if (!yes && strcmp(s, "no") != 0)
		return refuse(e, s, "is neither yes nor no");
	*out = yes;
	return 0;
}

const char *num_size_text(uint64_t bytes, char *buf, unsigned long size)
{
	static const char letters[] = " KMGT";
	unsigned int i = 0;

	while (i < 4 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	if (i == 0)
		(void)str_format(buf, size, "%" PRIu64, bytes);
	else
		(void)str_format(buf, size, "%" PRIu64 "%c", bytes, letters[i]);
	return buf;
}
