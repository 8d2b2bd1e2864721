// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * state/quarantine/KIND-ID: lines of "key value"; KIND-ID.note beside it is the caller's own.  '/' in an id stands as
 * '+' in the file's name.  What is written here may outlive the workspace that had the device, and every reboot.
 */
#include "quarantine.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#define DIR_NAME "quarantine"
#define TEXT_MAX 2048
#define FILE_MAX 128

static int open_dir(const char *state, bool make, struct err *e)
{
	char path[PATH_MAX];
	auto_fd int fd = -1;
	int dirfd, ret = str_format(path, sizeof(path), "%s/" DIR_NAME, state);

	if (ret)
		return err_set(e, ENAMETOOLONG, "open '%s/" DIR_NAME "': name too long", state);
	if (make)
		ret = path_mkdirs(path, 0700, e);
	if (ret)
		return ret;
	fd = path_open_dir(path, e);
	if (fd < 0)
		return fd;
	dirfd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd < 0 ? err_sys(e, "open '%s'", path) : dirfd;
}

static void file_name(const char *kind, const char *id, const char *suffix, char file[FILE_MAX])
{
	(void)str_format(file, FILE_MAX, "%s-%s%s", kind, id, suffix);
	for (char *p = file; *p; p++)
		if (*p == '/')
			*p = '+';
}

/* One line each: a reason may quote what a tenant named something. */
static void print_line(FILE *f, const char *key, const char *value)
{
	char text[4 * 256 + 1];

	fprintf(f, "%s %s\n", key, str_vis(value, strlen(value), text, sizeof(text)));
}

int quarantine_add(const char *state, const struct quarantine *q, const char *note, struct err *e)
{
	char text[TEXT_MAX] = "", file[FILE_MAX];
	struct path_content c = { .buf = text, .mode = 0600, .durable = true };
	auto_fd int dirfd = open_dir(state, true, e);
	FILE *f;
	int ret = 0;

	if (dirfd < 0)
		return dirfd;
	f = fmemopen(text, sizeof(text), "w");
	if (!f)
		return err_sys(e, "quarantine '%s'", q->id);
	print_line(f, "id", q->id);
	print_line(f, "mac", q->mac);
	print_line(f, "name", q->name);
	print_line(f, "owner", q->owner);
	print_line(f, "reason", q->reason);
	fprintf(f, "since %" PRIu64 "\n", q->since);
	if (fclose(f))
		return err_set(e, EOVERFLOW, "quarantine '%s': the text is too long", q->id);
	c.len = strlen(text);
	if (note) {
		struct path_content n = { note, strlen(note), 0600, true };

		file_name(q->kind, q->id, ".note", file);
		ret = path_write_atomic(dirfd, file, &n, e);
	}
	file_name(q->kind, q->id, "", file);
	if (ret == 0)
		ret = path_write_atomic(dirfd, file, &c, e);
	return ret ? err_wrap(e, "quarantine '%s'", q->id) : 0;
}

static void take_line(struct quarantine *q, char *line)
{
	char *value = strchr(line, ' ');

	if (!value)
		return;
	*value++ = '\0';
	if (strcmp(line, "id") == 0)
		(void)str_copy(q->id, sizeof(q->id), value);
	else if (strcmp(line, "mac") == 0)
		(void)str_copy(q->mac, sizeof(q->mac), value);
	else if (strcmp(line, "name") == 0)
		(void)str_copy(q->name, sizeof(q->name), value);
	else if (strcmp(line, "owner") == 0)
		(void)str_copy(q->owner, sizeof(q->owner), value);
	else if (strcmp(line, "reason") == 0)
		(void)str_format(q->reason, sizeof(q->reason), "%s", value);
	else if (strcmp(line, "since") == 0)
		(void)num_u64(value, 0, UINT64_MAX, &q->since, NULL);
}

static int load(int dirfd, const char *file, struct quarantine *q, struct err *e)
{
	char text[TEXT_MAX], *line, *save = NULL;
	size_t len;
	int ret = path_read(dirfd, file, text, sizeof(text), &len, e);

	memset(q, 0, sizeof(*q));
	if (ret)
		return ret;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(q, line);
	return q->id[0] ? 0 : err_set(e, EUCLEAN, "read '" DIR_NAME "/%s': no id", file);
}

int quarantine_get(const char *state, const char *kind, const char *id, struct quarantine *out,
		   struct err *e)
{
	auto_fd int dirfd = open_dir(state, false, e);
	char file[FILE_MAX];
	int ret;

	memset(out, 0, sizeof(*out));
	if (dirfd < 0)
		return dirfd;
	file_name(kind, id, "", file);
	ret = load(dirfd, file, out, e);
	/* Unreadable is not free. */
	if (ret && ret != -ENOENT) {
		(void)str_copy(out->id, sizeof(out->id), id);
		(void)str_format(out->reason, sizeof(out->reason), "its entry cannot be read");
		ret = 0;
	}
	(void)str_copy(out->kind, sizeof(out->kind), kind);
	return ret;
}

int quarantine_note(const char *state, const char *kind, const char *id, char *buf, size_t size,
		    struct err *e)
{
	auto_fd int dirfd = open_dir(state, false, e);
	char file[FILE_MAX];
	size_t len;

	file_name(kind, id, ".note", file);
	return dirfd < 0 ? dirfd : path_read(dirfd, file, buf, size, &len, e);
}

int quarantine_remove(const char *state, const char *kind, const char *id, struct err *e)
{
	auto_fd int dirfd = open_dir(state, false, e);
	char file[FILE_MAX];

	if (dirfd < 0)
		return dirfd == -ENOENT ? 0 : dirfd;
	file_name(kind, id, "", file);
	if (unlinkat(dirfd, file, 0) < 0 && errno != ENOENT)
		return err_sys(e, "lift quarantine of '%s'", id);
	if (fsync(dirfd) < 0)
		return err_sys(e, "lift quarantine of '%s' durably", id);
	file_name(kind, id, ".note", file);
	(void)unlinkat(dirfd, file, 0);
	return 0;
}

int quarantine_each(const char *state, const char *kind,
		    void (*fn)(void *ctx, const struct quarantine *q), void *ctx, struct err *e)
{
	auto_dir DIR *d = NULL;
	int fd = open_dir(state, false, e);
	const struct dirent *entry;
	struct quarantine q;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	d = fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return err_sys(e, "list '%s/" DIR_NAME "'", state);
	}
	while ((entry = readdir(d))) {
		const char *dash = strchr(entry->d_name, '-');
		size_t n = dash ? (size_t)(dash - entry->d_name) : 0;

		if (!n || n >= sizeof(q.kind) || entry->d_name[0] == '.' ||
		    strstr(entry->d_name, ".note") ||
		    (kind && (strlen(kind) != n || strncmp(kind, entry->d_name, n) != 0)))
			continue;
		if (load(dirfd(d), entry->d_name, &q, NULL)) {
			(void)str_format(q.id, sizeof(q.id), "%s", dash + 1);
			(void)str_format(q.reason, sizeof(q.reason), "its entry cannot be read");
		}
		(void)str_format(q.kind, sizeof(q.kind), "%.*s", (int)n, entry->d_name);
		fn(ctx, &q);
	}
	return 0;
}
