/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of configuration values: numbers, names and paths.  Each has a strict parser and a printer whose output
 * parses to the same value.  Pure functions; no file is touched.
 */
#include "schema_type.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define U32(row, base)    ((uint32_t *)((char *)(base) + (row)->offset))
#define U64(row, base)    ((uint64_t *)((char *)(base) + (row)->offset))
#define BOOL(row, base)   ((bool *)((char *)(base) + (row)->offset))
#define TEXT(row, base)   ((char *)(base) + (row)->offset)
#define C_U32(row, base)  ((const uint32_t *)((const char *)(base) + (row)->offset))
#define C_U64(row, base)  ((const uint64_t *)((const char *)(base) + (row)->offset))
#define C_BOOL(row, base) ((const bool *)((const char *)(base) + (row)->offset))
#define C_TEXT(row, base) ((const char *)(base) + (row)->offset)

#define MIB           UINT64_C(1048576)
#define PATH_TEXT_MAX 512 /* leaves room for what is appended, and for the line in a dump */
#define ALNUM         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int ranged(const struct schema_row *row, const char *text, uint64_t *v, struct err *e)
{
	if ((row->flags & SCHEMA_ZERO) && strcmp(text, "0") == 0) {
		*v = 0;
		return 0;
	}
	return num_u64(text, row->min, row->max, v, e);
}

static int parse_number(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint64_t v;
	int ret = ranged(row, text, &v, e);

	if (ret == 0)
		*U32(row, base) = (uint32_t)v;
	return ret;
}

static void print_number(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	str_format(buf, size, "%" PRIu32, *C_U32(row, base));
}

static int parse_number64(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return ranged(row, text, U64(row, base), e);
}

static void print_number64(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	str_format(buf, size, "%" PRIu64, *C_U64(row, base));
}

static int parse_pids(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (strcmp(text, "unlimited") == 0) {
		*U32(row, base) = 0;
		return 0;
	}
	return parse_number(row, text, base, e);
}

static void print_pids(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	if (*C_U32(row, base))
		print_number(row, base, buf, size);
	else
		str_copy(buf, size, "unlimited");
}

static int in_range(const struct schema_row *row, const char *text, uint64_t v, struct err *e)
{
	char low[32], high[32];

	if (v == 0 && (row->flags & SCHEMA_ZERO))
		return 0;
	if (v >= row->min && v <= row->max)
		return 0;
	num_size_text(row->min, low, sizeof(low));
	if (row->max == UINT64_MAX - 1)
		return err_set(e, ERANGE, "'%s' is too small (at least %s)", text, low);
	return err_set(e, ERANGE, "'%s' is not in %s to %s", text, low,
		       num_size_text(row->max, high, sizeof(high)));
}

static int parse_size(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint64_t v;
	int ret;

	if (strcmp(text, "unlimited") == 0) {
		*U64(row, base) = SETTINGS_UNLIMITED;
		return 0;
	}
	ret = num_size(text, &v, e);
	if (ret == 0)
		ret = in_range(row, text, v, e);
	if (ret == 0)
		*U64(row, base) = v;
	return ret;
}

static void print_size(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	if (*C_U64(row, base) == SETTINGS_UNLIMITED)
		str_copy(buf, size, "unlimited");
	else
		num_size_text(*C_U64(row, base), buf, size);
}

static int parse_megabytes(const struct schema_row *row, const char *text, void *base,
			   struct err *e)
{
	uint64_t v;
	int ret = num_size(text, &v, e);

	if (ret == 0)
		ret = in_range(row, text, v, e);
	if (ret < 0)
		return ret;
	if (v % (MIB))
		return err_set(e, EINVAL, "'%s' is not a multiple of 1M", text);
	*U32(row, base) = (uint32_t)(v / (MIB));
	return 0;
}

static void print_megabytes(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	num_size_text((uint64_t)*C_U32(row, base) * MIB, buf, size);
}

static int parse_seconds(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint64_t v;
	int ret = num_seconds(text, &v, e);

	if (ret < 0)
		return ret;
	if ((v < row->min && !(v == 0 && (row->flags & SCHEMA_ZERO))) || v > row->max)
		return err_set(e, ERANGE, "'%s' is not in %" PRIu64 "s to %" PRIu64 "s%s", text,
			       row->min, row->max, row->flags & SCHEMA_ZERO ? ", or 0" : "");
	*U32(row, base) = (uint32_t)v;
	return 0;
}

static void print_seconds(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	str_format(buf, size, "%" PRIu32 "%s", *C_U32(row, base), *C_U32(row, base) ? "s" : "");
}

static int parse_bool(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	return num_bool(text, BOOL(row, base), e);
}

static void print_bool(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	str_copy(buf, size, *C_BOOL(row, base) ? "yes" : "no");
}

static int parse_create(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (strcmp(text, "first-login") != 0 && strcmp(text, "configured") != 0)
		return err_set(e, EINVAL, "'%s' is neither 'first-login' nor 'configured'", text);
	*BOOL(row, base) = text[0] == 'f';
	return 0;
}

static void print_create(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	str_copy(buf, size, *C_BOOL(row, base) ? "first-login" : "configured");
}

/* --- text --------------------------------------------------------------------------------------------------------- */

int schema_type_store(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (strlen(text) >= row->size)
		return err_set(e, ENAMETOOLONG, "%zu characters (at most %zu)", strlen(text),
			       row->size - 1);
	str_copy(TEXT(row, base), row->size, text);
	return 0;
}

void schema_type_print_text(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	str_copy(buf, size, C_TEXT(row, base));
}

static int parse_path(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	const char *p;

	if (*text && *text != '/')
		return err_set(e, EINVAL, "'%s' is not an absolute path", text);
	if (strlen(text) > PATH_TEXT_MAX)
		return err_set(e, ENAMETOOLONG, "%zu characters (at most %d)", strlen(text),
			       PATH_TEXT_MAX);
	for (p = strstr(text, "/.."); p; p = strstr(p + 1, "/..")) {
		if (p[3] == '/' || p[3] == '\0')
			return err_set(e, EINVAL, "'%s' has a '..' in it", text);
	}
	return schema_type_store(row, text, base, e);
}

/* Paths separated by ':', each absolute. */
static int parse_paths(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ":");

		if (*p != '/' || n > PATH_TEXT_MAX)
			return err_set(e, EINVAL, "'%s' is not a list of absolute paths", text);
		p += n;
		if (*p == ':' && *++p == '\0')
			return err_set(e, EINVAL, "empty path at the end of '%s'", text);
	}
	return schema_type_store(row, text, base, e);
}

static int parse_user(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint64_t id;

	if (text[strspn(text, "0123456789")] == '\0') {
		if (num_u64(text, 1, UINT32_MAX - 1, &id, e) < 0)
			return -EINVAL;
	} else if (text[strspn(text, ALNUM "_-.")] || *text == '-' ||
		   strlen(text) >= STR_NAME_MAX) {
		return err_set(e, EINVAL, "'%s' is neither a user name nor a number", text);
	}
	return schema_type_store(row, text, base, e);
}

static int parse_image(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (text[strspn(text, ALNUM "_.+@-")] || *text == '.' || *text == '-')
		return err_set(e, EINVAL, "'%s' is not an image name (letters, digits, _ . + @ -)",
			       text);
	return schema_type_store(row, text, base, e);
}

static int parse_cgroup(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	const char *part = text;

	if (text[strspn(text, ALNUM "_.@:/-")])
		return err_set(e, EINVAL, "'%s' is not a group name (letters, digits, _ . @ : - /)",
			       text);
	do {
		size_t n = strcspn(part, "/");

		if (n == 0)
			return err_set(e, EINVAL, "'%s' is not a relative path", text);
		if (*part == '.')
			return err_set(e, EINVAL, "'%s' has a part that begins with '.'", text);
		part = part[n] ? part + n + 1 : NULL;
	} while (part);
	return schema_type_store(row, text, base, e);
}

/* Numbers separated by colons: exactly n. */
static int parse_colons(const char *text, uint64_t max, uint32_t *out, unsigned int n,
			struct err *e)
{
	char part[32];
	uint64_t v;
	unsigned int i;

	for (i = 0; i < n; i++) {
		size_t len = strcspn(text, ":");

		if (len >= sizeof(part) || (text[len] == '\0') != (i == n - 1))
			return err_set(e, EINVAL, "%u numbers with ':' between them are needed", n);
		memcpy(part, text, len);
		part[len] = '\0';
		if (num_u64(part, 0, max, &v, e) < 0)
			return -EINVAL;
		out[i] = (uint32_t)v;
		text += len + 1;
	}
	return 0;
}

static int parse_startups(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint32_t v[3] = { 0 };

	if (parse_colons(text, row->max, v, 3, e) < 0)
		return -EINVAL;
	if (v[0] < 1 || v[2] < v[0])
		return err_set(e, EINVAL, "'%s': begin must be at least 1 and full not below begin",
			       text);
	if (v[1] < 1 || v[1] > 100)
		return err_set(e, EINVAL, "'%s': rate is a percentage, 1 to 100", text);
	memcpy(U32(row, base), v, sizeof(v));
	return 0;
}

static void print_startups(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const uint32_t *v = C_U32(row, base);

	str_format(buf, size, "%" PRIu32 ":%" PRIu32 ":%" PRIu32, v[0], v[1], v[2]);
}

static int parse_prefixes(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	uint32_t v[2] = { 0 };

	if (parse_colons(text, 128, v, 2, e) < 0)
		return -EINVAL;
	if (v[0] > 32)
		return err_set(e, ERANGE, "'%s': an IPv4 prefix has at most 32 bits", text);
	memcpy(U32(row, base), v, sizeof(v));
	return 0;
}

static void print_prefixes(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	const uint32_t *v = C_U32(row, base);

	str_format(buf, size, "%" PRIu32 ":%" PRIu32, v[0], v[1]);
}

int schema_type_each(const char *text,
		     int (*one)(void *ctx, const char *entry, unsigned int n, struct err *e),
		     void *ctx, struct err *e)
{
	char entry[256];
	unsigned int n = 0;
	int ret;

	for (;;) {
		size_t len = strcspn(text, ","), skip = strspn(text, " \t"), cut = len;

		while (cut > skip && strchr(" \t", text[cut - 1]))
			cut--;
		if (cut <= skip)
			return err_set(e, EINVAL, "empty entry in the list");
		if (cut - skip >= sizeof(entry))
			return err_set(e, EINVAL, "entry %u of the list is too long", n + 1);
		memcpy(entry, text + skip, cut - skip);
		entry[cut - skip] = '\0';
		ret = one(ctx, entry, n, e);
		if (ret < 0)
			return ret;
		n++;
		if (text[len] == '\0')
			return (int)n;
		text += len + 1;
	}
}

const struct schema_type schema_type_number = { "number", parse_number, print_number };
const struct schema_type schema_type_number64 = { "number", parse_number64, print_number64 };
const struct schema_type schema_type_port = { "port number", parse_number, print_number };
const struct schema_type schema_type_pids = { "number or unlimited", parse_pids, print_pids };
const struct schema_type schema_type_size = { "size or unlimited", parse_size, print_size };
const struct schema_type schema_type_megabytes = { "size, in whole M", parse_megabytes,
						   print_megabytes };
const struct schema_type schema_type_seconds = { "time", parse_seconds, print_seconds };
const struct schema_type schema_type_bool = { "yes or no", parse_bool, print_bool };
const struct schema_type schema_type_create = { "first-login or configured", parse_create,
						print_create };
const struct schema_type schema_type_path = { "absolute path", parse_path, schema_type_print_text };
const struct schema_type schema_type_paths = { "absolute paths, separated by ':'", parse_paths,
					       schema_type_print_text };
const struct schema_type schema_type_user = { "user name or number", parse_user,
					      schema_type_print_text };
const struct schema_type schema_type_image = { "name", parse_image, schema_type_print_text };
const struct schema_type schema_type_cgroup = { "relative path", parse_cgroup,
						schema_type_print_text };
const struct schema_type schema_type_startups = { "begin:rate:full", parse_startups,
						  print_startups };
const struct schema_type schema_type_prefixes = { "bits:bits", parse_prefixes, print_prefixes };
