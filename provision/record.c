/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records on disk: the durable state of a workspace, one file each; the generation before stays beside it.  Only
 * provisiond's main process comes here, one thread, one writer.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/path.h"
#include "record_text.h"

#define FILE_MAX (STR_NAME_MAX + 32)

/* One generation on disk. */
struct copy {
	char file[FILE_MAX];
	char text[RECORD_TEXT_MAX];
	size_t len;
	uint64_t generation;
	int ret; /* 0 whole, -ENOENT, -EUCLEAN, or another error: it may be whole */
	struct err why;
};

static void read_copy(int dirfd, const char *name, const char *suffix, struct copy *c)
{
	c->len = 0;
	c->generation = 0;
	c->why = (struct err){ 0 };
	(void)str_format(c->file, sizeof(c->file), "%s.ini%s", name, suffix);
	c->ret = path_read(dirfd, c->file, c->text, sizeof(c->text), &c->len, &c->why);
	/* Too large, or not a file at all: as useless as a damaged one. */
	if (c->ret == -EFBIG || c->ret == -EINVAL || c->ret == -ELOOP)
		c->ret = -EUCLEAN;
	if (c->ret == 0 && !record_text_whole(c->text, c->len, &c->generation))
		c->ret = err_set(&c->why, EUCLEAN, "read record '%s': damaged", c->file);
}

static int check_name(const char *name, struct err *e)
{
	if (str_is_name(name, strlen(name)))
		return 0;
	return err_set(e, EINVAL, "use record '%s': not a workspace name", name);
}

/* Make NAME.ini.prev a second name of NAME.ini, replacing the older generation in one step. */
static int keep_previous(int dirfd, const char *name, struct err *e)
{
	char file[FILE_MAX], prev[FILE_MAX], tmp[FILE_MAX];
	int ret = fault_point("record.prev");

	(void)str_format(file, sizeof(file), "%s.ini", name);
	(void)str_format(prev, sizeof(prev), "%s.ini.prev", name);
	(void)str_format(tmp, sizeof(tmp), ".%s.ini.prev.new", name);
	if (ret < 0)
		return err_ret(e, ret, "keep record '%s'", file);
	(void)unlinkat(dirfd, tmp, 0);
	if (linkat(dirfd, file, dirfd, tmp, 0) < 0)
		return err_sys(e, "keep record '%s'", file);
	if (renameat(dirfd, tmp, dirfd, prev) < 0) {
		ret = err_sys(e, "keep record '%s'", file);
		(void)unlinkat(dirfd, tmp, 0);
		return ret;
	}
	/* rename(2) leaves both names when they are the same file already. */
	(void)unlinkat(dirfd, tmp, 0);
	return 0;
}

/* A damaged current generation must not replace the previous one, and is kept for whoever wants to look at it. */
static int set_aside(int dirfd, const char *name, struct err *e)
{
	char file[FILE_MAX], aside[FILE_MAX];

	(void)str_format(file, sizeof(file), "%s.ini", name);
	(void)str_format(aside, sizeof(aside), "%s.ini.damaged", name);
	if (renameat(dirfd, file, dirfd, aside) < 0)
		return err_sys(e, "set aside damaged record '%s'", file);
	return 0;
}

static uint64_t newest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int record_save(int recordsfd, struct record *r, struct err *e)
{
	char file[FILE_MAX], text[RECORD_TEXT_MAX];
	struct copy current, prev;
	struct path_content c = { .buf = text, .mode = 0600, .durable = true };
	uint64_t before = r->generation;
	int ret = check_name(r->name, e);

	if (ret < 0)
		return ret;
	read_copy(recordsfd, r->name, "", &current);
	read_copy(recordsfd, r->name, ".prev", &prev);
	if (current.ret == 0)
		ret = keep_previous(recordsfd, r->name, e);
	else if (current.ret == -EUCLEAN)
		ret = set_aside(recordsfd, r->name, e);
	else if (current.ret != -ENOENT)
		ret = err_set(e, -current.ret, "%s", current.why.text);
	if (ret < 0)
		return ret;
	/* Above everything on disk, so that the newest is known by its number. */
	r->generation = newest(r->generation, newest(current.generation, prev.generation)) + 1;
	(void)str_format(file, sizeof(file), "%s.ini", r->name);
	ret = record_text_encode(r, text, sizeof(text), &c.len);
	if (ret < 0)
		(void)err_ret(e, ret, "write record '%s'", file);
	else
		ret = path_write_atomic(recordsfd, file, &c, e);
	if (ret < 0)
		r->generation = before;
	return ret;
}

static int decode_copy(const struct copy *c, const char *name, struct record *r, struct err *e)
{
	int ret;

	if (c->ret < 0)
		return err_set(e, -c->ret, "%s", c->why.text);
	ret = record_text_decode(c->text, c->len, name, r, e);
	return ret < 0 ? err_wrap(e, "read record '%s'", c->file) : 0;
}

int record_load(int recordsfd, const char *name, struct record *r, int *fell_back, struct err *e)
{
	struct copy current, prev;
	struct err first = { 0 }, second = { 0 };
	bool older;
	int ret = check_name(name, e);

	*fell_back = 0;
	if (ret < 0)
		return ret;
	read_copy(recordsfd, name, "", &current);
	read_copy(recordsfd, name, ".prev", &prev);
	if (current.ret == -ENOENT && prev.ret == -ENOENT)
		return err_set(e, ENOENT, "read record '%s': there is none", name);
	older = current.ret == 0 && prev.ret == 0 && prev.generation > current.generation;
	if (!older && decode_copy(&current, name, r, &first) == 0)
		return 0;
	/* An unreadable disk is no reason to go back in time. */
	if (current.ret < 0 && current.ret != -ENOENT && current.ret != -EUCLEAN)
		return err_set(e, -current.ret, "%s", first.text);
	*fell_back = 1;
	if (decode_copy(&prev, name, r, &second) == 0)
		return 0;
	*fell_back = 0;
	if (older && decode_copy(&current, name, r, &first) == 0)
		return 0;
	if (prev.ret < 0 && prev.ret != -ENOENT && prev.ret != -EUCLEAN)
		return err_set(e, -prev.ret, "%s", second.text);
	return err_set(e, EUCLEAN, "%.100s; %.100s", first.text, second.text);
}

int record_remove(int recordsfd, const char *name, struct err *e)
{
	/* The current generation goes last: whatever is left after a crash is the newest. */
	static const char *const around[][2] = {
		{ ".", ".ini.prev.new" }, { ".", ".ini.new" }, { "", ".ini.prev" }, { "", ".ini" }
	};
	char file[FILE_MAX];
	int ret = check_name(name, e);
	auto_fd int fd = -1;
	size_t i;

	for (i = 0; ret == 0 && i < 4; i++) {
		(void)str_format(file, sizeof(file), "%s%s%s", around[i][0], name, around[i][1]);
		if (unlinkat(recordsfd, file, 0) < 0 && errno != ENOENT)
			ret = err_sys(e, "remove record '%s'", file);
	}
	if (ret < 0)
		return ret;
	fd = openat(recordsfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, "remove record '%s' durably", name);
	return 0;
}

/* Does this directory entry stand for a record? NAME.ini, or NAME.ini.prev alone. */
static bool entry_name(int dirfd, const char *entry, char name[STR_NAME_MAX])
{
	const char *dot = strchr(entry, '.');
	char current[FILE_MAX];
	struct stat st;

	if (!dot || !str_is_name(entry, (size_t)(dot - entry)))
		return false;
	(void)str_format(name, STR_NAME_MAX, "%.*s", (int)(dot - entry), entry);
	if (strcmp(dot, ".ini") == 0)
		return true;
	(void)str_format(current, sizeof(current), "%s.ini", name);
	return strcmp(dot, ".ini.prev") == 0 &&
	       fstatat(dirfd, current, &st, AT_SYMLINK_NOFOLLOW) < 0;
}

/* All names first: `fn` may write records, and a directory that changes can show an entry twice. */
static int collect(int recordsfd, char (**names)[STR_NAME_MAX], size_t *n, struct err *e)
{
	auto_dir DIR *d = NULL;
	auto_fd int fd = openat(recordsfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t cap = 0;
	struct dirent *entry;
	char name[STR_NAME_MAX];

	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_sys(e, "list records");
	(void)fd_take(&fd);
	while (errno = 0, (entry = readdir(d))) {
		if (!entry_name(recordsfd, entry->d_name, name))
			continue;
		if (*n == cap) {
			void *grown = reallocarray(*names, cap + 256, sizeof(**names));

			if (!grown)
				return err_set(e, ENOMEM, "list records: out of memory");
			*names = grown;
			cap += 256;
		}
		memcpy((*names)[(*n)++], name, sizeof(name));
	}
	return errno ? err_sys(e, "list records") : 0;
}

int record_each(int recordsfd, int (*fn)(void *ctx, const char *name), void *ctx, struct err *e)
{
	char(*names)[STR_NAME_MAX] = NULL;
	size_t n = 0, i;
	int ret = collect(recordsfd, &names, &n, e);

	for (i = 0; ret == 0 && i < n; i++) {
		ret = fn(ctx, names[i]);
		if (ret < 0)
			(void)err_ret(e, ret, "visit record '%s'", names[i]);
	}
	free(names);
	return ret;
}
