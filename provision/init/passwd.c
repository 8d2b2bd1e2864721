/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parser and composer for the account files of a workspace.  The texts come from the tenant: every length is checked,
 * a line that does not parse is skipped.  Pure; fuzzed by tests/fuzz/fuzz_init_passwd.c.
 */
#include "passwd.h"

#include <string.h>

#define FIELDS_MAX 8 /* passwd has 7, shadow 9 (the tail stays in one piece), group 4 */

struct span {
	const char *s;
	size_t n;
};

/* The next line without its newline; false at the end. */
static bool next_line(struct passwd_text *t, struct span *line)
{
	const char *end;

	if (t->n == 0)
		return false;
	end = memchr(t->data, '\n', t->n);
	line->s = t->data;
	line->n = end ? (size_t)(end - t->data) : t->n;
	t->data += line->n + (end ? 1 : 0);
	t->n -= line->n + (end ? 1 : 0);
	return true;
}

/* Split at ':' into at most FIELDS_MAX spans; the last one keeps further colons. Number of fields. */
static size_t split(struct span line, struct span f[FIELDS_MAX])
{
	size_t n = 0;

	for (;;) {
		const char *colon = n + 1 < FIELDS_MAX ? memchr(line.s, ':', line.n) : NULL;

		f[n].s = line.s;
		f[n].n = colon ? (size_t)(colon - line.s) : line.n;
		n++;
		if (!colon)
			return n;
		line.n -= f[n - 1].n + 1;
		line.s = colon + 1;
	}
}

static bool same(struct span f, const char *s)
{
	return strlen(s) == f.n && memcmp(f.s, s, f.n) == 0;
}

/* Decimal, no sign, no space; 4294967295 is "no id" to the kernel and therefore refused. */
static bool parse_id(struct span f, uint32_t *id)
{
	uint64_t v = 0;

	if (f.n == 0 || f.n > 10)
		return false;
	for (size_t i = 0; i < f.n; i++) {
		if (f.s[i] < '0' || f.s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(f.s[i] - '0');
	}
	if (v >= UINT32_MAX)
		return false;
	*id = (uint32_t)v;
	return true;
}

/* An absolute path, or `fallback` when empty. */
static bool copy_path(struct span f, const char *fallback, char *out, size_t cap)
{
	if (f.n == 0)
		f = (struct span){ fallback, strlen(fallback) };
	if (f.n >= cap || f.s[0] != '/' || memchr(f.s, '\0', f.n))
		return false;
	memcpy(out, f.s, f.n);
	out[f.n] = '\0';
	return true;
}

bool passwd_find(struct passwd_text passwd, const char *name, struct account *out)
{
	struct span line, f[FIELDS_MAX];

	while (next_line(&passwd, &line)) {
		if (split(line, f) != 7 || !same(f[0], name) || f[0].n >= sizeof(out->name))
			continue;
		if (!parse_id(f[2], &out->uid) || !parse_id(f[3], &out->gid))
			continue;
		if (!copy_path(f[5], "/", out->home, sizeof(out->home)) ||
		    !copy_path(f[6], "/bin/sh", out->shell, sizeof(out->shell)))
			continue;
		memcpy(out->name, name, f[0].n + 1);
		return true;
	}
	return false;
}

bool passwd_has_line(struct passwd_text t, const char *name)
{
	struct span line, f[FIELDS_MAX];

	while (next_line(&t, &line)) {
		split(line, f);
		if (same(f[0], name))
			return true;
	}
	return false;
}

bool passwd_find_group(struct passwd_text group, const char *name, uint32_t *gid)
{
	struct span line, f[FIELDS_MAX];

	while (next_line(&group, &line))
		if (split(line, f) == 4 && same(f[0], name) && parse_id(f[2], gid))
			return true;
	return false;
}

/* Is `user` one of the names in a comma list? */
static bool in_list(struct span list, const char *user)
{
	while (list.n) {
		const char *comma = memchr(list.s, ',', list.n);
		struct span name = { list.s, comma ? (size_t)(comma - list.s) : list.n };

		if (same(name, user))
			return true;
		list.n -= name.n + (comma ? 1 : 0);
		list.s += name.n + (comma ? 1 : 0);
	}
	return false;
}

bool passwd_is_member(struct passwd_text group, const char *name, const char *user)
{
	struct span line, f[FIELDS_MAX];

	while (next_line(&group, &line))
		if (split(line, f) == 4 && same(f[0], name) && in_list(f[3], user))
			return true;
	return false;
}

static bool has_group(const struct account *a, uint32_t gid)
{
	for (uint32_t i = 0; i < a->ngroups; i++)
		if (a->groups[i] == gid)
			return true;
	return false;
}

void passwd_groups(struct passwd_text group, struct account *a)
{
	struct span line, f[FIELDS_MAX];
	uint32_t gid;

	a->ngroups = 1;
	a->groups[0] = a->gid;
	while (a->ngroups < PASSWD_GROUPS_MAX && next_line(&group, &line))
		if (split(line, f) == 4 && in_list(f[3], a->name) && parse_id(f[2], &gid) &&
		    !has_group(a, gid))
			a->groups[a->ngroups++] = gid;
}

/* Mark the ids of column `col` in a bit map of the range for new users. */
static void mark_ids(struct passwd_text t, size_t col, uint8_t *used)
{
	struct span line, f[FIELDS_MAX];
	uint32_t id;

	while (next_line(&t, &line))
		if (split(line, f) > col && parse_id(f[col], &id) && id >= PASSWD_ID_FIRST &&
		    id <= PASSWD_ID_LAST)
			used[(id - PASSWD_ID_FIRST) / 8] |=
				(uint8_t)(1u << (id - PASSWD_ID_FIRST) % 8);
}

uint32_t passwd_free_id(struct passwd_text passwd, struct passwd_text group)
{
	uint8_t used[(PASSWD_ID_LAST - PASSWD_ID_FIRST) / 8 + 1] = { 0 };

	mark_ids(passwd, 2, used);
	mark_ids(passwd, 3, used);
	mark_ids(group, 2, used);
	for (uint32_t i = 0; i <= PASSWD_ID_LAST - PASSWD_ID_FIRST; i++)
		if (!(used[i / 8] & (1u << i % 8)))
			return PASSWD_ID_FIRST + i;
	return 0;
}

static int put(struct passwd_out *out, const char *s, size_t n)
{
	if (n > out->cap - out->len)
		return -EFBIG;
	memcpy(out->data + out->len, s, n);
	out->len += n;
	return 0;
}

int passwd_append(struct passwd_text t, const char *line, struct passwd_out *out)
{
	out->len = 0;
	if (t.n && put(out, t.data, t.n))
		return -EFBIG;
	if (t.n && t.data[t.n - 1] != '\n' && put(out, "\n", 1))
		return -EFBIG;
	return put(out, line, strlen(line)) || put(out, "\n", 1) ? -EFBIG : 0;
}

/* The line up to its last field, then the member list with `user` added or removed. */
static int put_edited(struct passwd_out *out, struct span line, const char *user, bool add)
{
	const char *colon = memrchr(line.s, ':', line.n);
	struct span list = { colon + 1, line.n - (size_t)(colon + 1 - line.s) };
	bool first = true;

	if (put(out, line.s, line.n - list.n))
		return -EFBIG;
	while (list.n) {
		const char *comma = memchr(list.s, ',', list.n);
		struct span name = { list.s, comma ? (size_t)(comma - list.s) : list.n };

		if (!same(name, user)) {
			if ((!first && put(out, ",", 1)) || put(out, name.s, name.n))
				return -EFBIG;
			first = false;
		}
		list.n -= name.n + (comma ? 1 : 0);
		list.s += name.n + (comma ? 1 : 0);
	}
	if (add && ((!first && put(out, ",", 1)) || put(out, user, strlen(user))))
		return -EFBIG;
	return put(out, "\n", 1);
}

int passwd_edit_member(struct passwd_text t, const char *name, const char *user, bool add,
		       struct passwd_out *out)
{
	struct span line, f[FIELDS_MAX];
	bool edited = false;
	int r = 0;

	out->len = 0;
	while (r == 0 && next_line(&t, &line)) {
		if (!edited && split(line, f) == 4 && same(f[0], name) &&
		    in_list(f[3], user) != add) {
			r = put_edited(out, line, user, add);
			edited = true;
		} else {
			r = put(out, line.s, line.n) || put(out, "\n", 1) ? -EFBIG : 0;
		}
	}
	return r < 0 ? r : edited ? 0 : -ENOENT;
}
