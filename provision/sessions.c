/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The list of authenticated connections and their files in run/sessions.  A file is "key = value" lines that an operator
 * can read; only provisiond writes them (0600 in a 0700 directory), and a line that does not fit is an error.
 */
#include "sessions.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "proto/gate.h"

#define KEY_LINE_MAX (2 * SESSIONS_KEY_MAX + 128)
#define FILE_MAX     (4096 + SESSIONS_KEYS_MAX * KEY_LINE_MAX)

/* The list is this file's only state; sessions_each has to find it without a handle. */
static struct session_info *head;

static const char *const kinds[] = {
	[GATE_CHAN_SHELL] = "shell", [GATE_CHAN_EXEC] = "exec",     [GATE_CHAN_SUBSYSTEM] = "sftp",
	[GATE_CHAN_DIAL] = "dial",   [GATE_CHAN_LISTEN] = "listen", [GATE_CHAN_AGENT] = "agent",
	[GATE_CHAN_X11] = "x11",
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == SESSIONS_KINDS, "every kind has a name");

const char *sessions_kind(uint32_t kind)
{
	return kind < SESSIONS_KINDS ? kinds[kind] : "?";
}

const char *sessions_method(const struct session_info *s)
{
	return !s->method[0] && s->fingerprint[0] ? "publickey" : s->method;
}

void sessions_each(void (*fn)(void *ctx, const struct session_info *s), void *ctx)
{
	for (const struct session_info *s = head; s; s = s->next)
		fn(ctx, s);
}

void sessions_add(struct session_info *s)
{
	struct session_info **at = &head;

	while (*at)
		at = &(*at)->next;
	s->next = NULL;
	*at = s;
}

void sessions_remove(struct session_info *s)
{
	for (struct session_info **at = &head; *at; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			s->next = NULL;
			return;
		}
	}
}

unsigned int sessions_count(const char *user)
{
	unsigned int n = 0;

	for (const struct session_info *s = head; s; s = s->next)
		n += strcmp(s->user, user) == 0;
	return n;
}

int sessions_open_dir(const char *run, struct err *e)
{
	char path[PATH_MAX];
	int ret, fd;

	if (str_format(path, sizeof(path), "%s/sessions", run) < 0)
		return err_set(e, ENAMETOOLONG, "open '%s/sessions': path too long", run);
	ret = path_mkdirs(path, 0700, e);
	if (ret < 0)
		return ret;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open '%s'", path) : fd;
}

/* One row per line of the file; all strings, so that reading and writing cannot drift apart. */
static const struct {
	const char *key;
	size_t offset, size;
} texts[] = {
#define TEXT(k, m)                                                                                 \
	{                                                                                          \
		k, offsetof(struct session_saved, m), sizeof(((struct session_saved *)0)->m)       \
	}
	TEXT("login", login),
	TEXT("host_key", host_key),
	TEXT("user", info.user),
	TEXT("workspace", info.workspace),
	TEXT("fingerprint", info.fingerprint),
	TEXT("peer", info.peer),
	TEXT("local", info.local),
	TEXT("method", info.method),
#undef TEXT
};
#define NTEXTS (sizeof(texts) / sizeof(texts[0]))

int sessions_add_key(struct session_saved *s, const struct session_key *key, const uint8_t *blob)
{
	struct session_key **at = &s->keys, *k;
	unsigned int n = 0;

	for (; *at; at = &(*at)->next)
		n++;
	if (n >= SESSIONS_KEYS_MAX || key->len > SESSIONS_KEY_MAX)
		return n >= SESSIONS_KEYS_MAX ? -E2BIG : -EMSGSIZE;
	k = malloc(sizeof(*k) + key->len);
	if (!k)
		return -ENOMEM;
	*k = *key;
	k->next = NULL;
	memcpy(k->blob, blob, key->len);
	*at = k;
	return 0;
}

void sessions_free_keys(struct session_saved *s)
{
	while (s->keys) {
		struct session_key *k = s->keys;

		s->keys = k->next;
		free(k);
	}
}

/* "key = WHERE ALGORITHM HEX". */
static size_t put_key(char *to, size_t size, const struct session_key *k)
{
	size_t used = (size_t)snprintf(to, size, "key = %s %s ", k->by_command ? "command" : "file",
				       k->alg);

	if (used + 2 * (size_t)k->len + 2 > size)
		return size;
	str_hex(k->blob, k->len, to + used);
	used += 2 * (size_t)k->len;
	to[used++] = '\n';
	return used;
}

int sessions_save(int dirfd, const struct session_saved *s, struct err *e)
{
	auto_free char *buf = malloc(FILE_MAX);
	char hash[2 * SESSIONS_HASH_MAX + 1];
	struct path_content c = { .buf = buf, .mode = 0600 };
	size_t used = 0;

	if (!buf)
		return err_set(e, ENOMEM, "save session '%s': out of memory", s->info.id);
	for (size_t i = 0; i < NTEXTS; i++)
		used += (size_t)snprintf(buf + used, FILE_MAX - used, "%s = %s\n", texts[i].key,
					 (const char *)s + texts[i].offset);
	for (const struct session_key *k = s->keys; k; k = k->next)
		used += put_key(buf + used, FILE_MAX - used, k);
	str_hex(s->hash, s->hash_len, hash);
	if (used < FILE_MAX)
		used += (size_t)snprintf(buf + used, FILE_MAX - used,
					 "session_id = %s\nsince = %llu\npid = %u\nstart = "
					 "%llu\nend = yes\n",
					 hash, (unsigned long long)s->info.since, s->info.pid,
					 (unsigned long long)s->pid_start);
	/* The texts have fixed sizes that fit; this can only fail when somebody makes them larger. */
	if (used >= FILE_MAX)
		return err_set(e, ENAMETOOLONG, "save session '%s': too long", s->info.id);
	c.len = used;
	return path_write_atomic(dirfd, s->info.id, &c, e);
}

static bool take_number(const char *value, uint64_t max, uint64_t *out)
{
	return num_u64(value, 0, max, out, NULL) == 0;
}

static bool take_bytes(const char *hex, uint8_t *out, size_t max, uint32_t *len)
{
	size_t n = strlen(hex);

	if (n % 2 || n / 2 > max || !str_unhex(hex, out, n / 2))
		return false;
	*len = (uint32_t)(n / 2);
	return true;
}

static bool take_key(struct session_saved *s, const char *value)
{
	uint8_t blob[SESSIONS_KEY_MAX];
	struct session_key k = { 0 };
	size_t n = strcspn(value, " ");

	k.by_command = n == 7 && memcmp(value, "command", n) == 0;
	if (!k.by_command && (n != 4 || memcmp(value, "file", n) != 0))
		return false;
	value += n + (value[n] == ' ');
	n = strcspn(value, " ");
	if (n == 0 || n >= sizeof(k.alg) || value[n] != ' ')
		return false;
	memcpy(k.alg, value, n);
	return take_bytes(value + n + 1, blob, sizeof(blob), &k.len) && k.len &&
	       sessions_add_key(s, &k, blob) == 0;
}

/* One line; false when it is none of ours. */
static bool take(struct session_saved *s, const char *key, const char *value, bool *end)
{
	uint64_t v;

	for (size_t i = 0; i < NTEXTS; i++)
		if (strcmp(key, texts[i].key) == 0)
			return str_copy((char *)s + texts[i].offset, texts[i].size, value) == 0;
	if (strcmp(key, "session_id") == 0)
		return take_bytes(value, s->hash, sizeof(s->hash), &s->hash_len);
	if (strcmp(key, "key") == 0)
		return take_key(s, value);
	if (strcmp(key, "since") == 0)
		return take_number(value, UINT64_MAX, &s->info.since);
	if (strcmp(key, "start") == 0)
		return take_number(value, UINT64_MAX, &s->pid_start);
	if (strcmp(key, "pid") == 0) {
		if (!take_number(value, INT32_MAX, &v))
			return false;
		s->info.pid = (uint32_t)v;
		return true;
	}
	*end = strcmp(key, "end") == 0;
	return *end;
}

/* Everything that a resumed connection relies on has to be there and well-formed. */
static bool plausible(const struct session_saved *s)
{
	return str_is_name(s->info.user, strlen(s->info.user)) && s->login[0] &&
	       s->hash_len >= 20 &&
	       (!s->info.workspace[0] ||
		str_is_name(s->info.workspace, strlen(s->info.workspace))) &&
	       (!s->host_key[0] || str_is_name(s->host_key, strlen(s->host_key)));
}

static int parse(struct session_saved *s, char *text, struct err *e)
{
	char *line, *rest = text;
	bool end = false;

	while (!end && (line = strsep(&rest, "\n")) && rest) {
		char *value = strstr(line, " = ");

		if (value) {
			*value = 0;
			value += 3;
		}
		if (!value || !take(s, line, value, &end))
			return err_set(e, EBADMSG, "load session '%s': not a session file",
				       s->info.id);
	}
	if (!end || !plausible(s))
		return err_set(e, EBADMSG, "load session '%s': incomplete", s->info.id);
	return 0;
}

int sessions_load(int dirfd, const char *id, struct session_saved *s, struct err *e)
{
	auto_free char *buf = malloc(FILE_MAX);
	size_t len;
	int ret;

	memset(s, 0, sizeof(*s));
	if (!buf)
		return err_set(e, ENOMEM, "load session '%s': out of memory", id);
	ret = path_read(dirfd, id, buf, FILE_MAX, &len, e);
	if (ret < 0)
		return ret;
	if (strlen(buf) != len || str_copy(s->info.id, sizeof(s->info.id), id) < 0)
		return err_set(e, EBADMSG, "load session '%s': not a session file", id);
	ret = parse(s, buf, e);
	if (ret < 0)
		sessions_free_keys(s);
	return ret;
}

int sessions_forget(int dirfd, const char *id, struct err *e)
{
	if (unlinkat(dirfd, id, 0) < 0 && errno != ENOENT)
		return err_sys(e, "forget session '%s'", id);
	return 0;
}

/* Gone for certain: the file names a process, and that process does not exist. */
static bool gone(int dirfd, const char *id)
{
	struct session_saved s;
	auto_fd int pidfd = -1;

	if (sessions_load(dirfd, id, &s, NULL) < 0)
		return true;
	sessions_free_keys(&s);
	if (!s.info.pid)
		return false;
	pidfd = proc_open((pid_t)s.info.pid, s.pid_start, NULL);
	return pidfd == -ESRCH;
}

int sessions_sweep(int dirfd, struct err *e)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	auto_dir DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!d) {
		fd_close(&copy);
		return err_sys(e, "list 'sessions'");
	}
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || !gone(dirfd, entry->d_name))
			continue;
		if (unlinkat(dirfd, entry->d_name, 0) == 0)
			n++;
	}
	return n;
}
