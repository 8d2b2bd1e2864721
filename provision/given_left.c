/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines "file PATH", "link PATH" and, behind the latter, "to TARGET".  Only an empty file, or a link to that very target, is
 * removed: anything else is the tenant's.
 */
#include "given_left.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* Of some lists: what starts that failed have left comes on top of what the workspace gets now. */
#define TEXT_MAX (4 * (GIVEN_MOUNTS_MAX + 2 * GIVEN_LINKS_MAX) * (GIVEN_PATH_MAX + 8) + 1)

static bool is_given(const struct given *g, const char *path, const char *target)
{
	for (unsigned int i = 0; g && !target && i < g->nmounts; i++)
		if (!strcmp(g->mounts[i].path, path))
			return true;
	for (unsigned int i = 0; g && target && i < g->nlinks; i++)
		if (!strcmp(g->links[i].path, path) && !strcmp(g->links[i].target, target))
			return true;
	return false;
}

/* Call fn for each entry of a note; `text` is cut into lines by that. `target` is NULL for a file. */
static int each(char *text, int (*fn)(void *ctx, const char *path, const char *target), void *ctx)
{
	char *save_ptr = NULL, *link = NULL;
	int r = 0;

	for (char *l = strtok_r(text, "\n", &save_ptr); l && r == 0;
	     l = strtok_r(NULL, "\n", &save_ptr)) {
		if (!strncmp(l, "file ", 5))
			r = fn(ctx, l + 5, NULL);
		else if (!strncmp(l, "link ", 5))
			link = l + 5;
		else if (!strncmp(l, "to ", 3) && link)
			r = fn(ctx, link, l + 3);
	}
	return r;
}

/* --- the note --- */

struct note {
	const struct plan *p;
	char path[PATH_MAX];
	char there[TEXT_MAX], text[TEXT_MAX]; /* what it is, and what it is to be */
	size_t used;
	bool exists;
};

static int add(struct note *n, const char *word, const char *what)
{
	char *at = n->text + n->used;

	if (str_format(at, TEXT_MAX - n->used, "%s %s\n", word, what) < 0)
		return -EFBIG;
	n->used += strlen(at);
	return 0;
}

static int add_entry(void *ctx, const char *path, const char *target)
{
	int r = add(ctx, target ? "link" : "file", path);

	return r == 0 && target ? add(ctx, "to", target) : r;
}

static int add_left(void *ctx, const char *path, const char *target)
{
	struct note *n = ctx;

	return is_given(n->p->given, path, target) ? 0 : add_entry(n, path, target);
}

static int add_given(struct note *n)
{
	const struct given *g = n->p->given;
	int r = 0;

	for (unsigned int i = 0; g && i < g->nmounts && r == 0; i++)
		r = add_entry(n, g->mounts[i].path, NULL);
	for (unsigned int i = 0; g && i < g->nlinks && r == 0; i++)
		r = add_entry(n, g->links[i].path, g->links[i].target);
	return r;
}

/* NULL: *e says why. */
static struct note *open_note(const struct plan *p, struct err *e)
{
	struct note *n = calloc(1, sizeof(*n));
	size_t len;
	int r;

	if (!n || str_format(n->path, sizeof(n->path), "%s/given", p->store) < 0) {
		(void)err_set(e, ENOMEM, "note what '%s' is given: out of memory", p->rec->name);
		free(n);
		return NULL;
	}
	n->p = p;
	r = path_read(AT_FDCWD, n->path, n->there, TEXT_MAX, &len, e);
	n->exists = r == 0;
	if (r == 0 || r == -ENOENT)
		return n;
	(void)err_wrap(e, "note what '%s' is given", p->rec->name);
	free(n);
	return NULL;
}

/* Nothing is written when nothing has changed: a start costs no fsync for this. */
static int save(const struct note *n, struct err *e)
{
	struct path_content c = { .buf = n->text, .len = n->used, .mode = 0600, .durable = true };

	if (n->used == 0 && n->exists)
		return unlink(n->path) < 0 ? err_sys(e, "remove '%s'", n->path) : 0;
	if (n->used == 0 || (n->exists && strcmp(n->there, n->text) == 0))
		return 0;
	return path_write_atomic(AT_FDCWD, n->path, &c, e);
}

int given_left_note(const struct plan *p, char **old, struct err *e)
{
	auto_free struct note *n = open_note(p, e);
	auto_free char *lines = NULL;
	int r;

	*old = NULL;
	if (!n)
		return -e->code;
	lines = strdup(n->there);
	if (n->exists)
		*old = strdup(n->there);
	if (!lines || (n->exists && !*old))
		return err_set(e, ENOMEM, "note what '%s' is given: out of memory", p->rec->name);
	r = add_given(n);
	if (r == 0)
		r = each(lines, add_left, n);
	if (r == -EFBIG)
		return err_set(e, EFBIG,
			       "note what '%s' is given: starts that failed have left too much "
			       "in its files (remove '%s')",
			       p->rec->name, n->path);
	return save(n, e);
}

int given_left_settle(const struct plan *p, struct err *e)
{
	auto_free struct note *n = open_note(p, e);

	if (!n)
		return -e->code;
	return add_given(n) < 0
		       ? err_set(e, EFBIG, "note what '%s' is given: too much", p->rec->name)
		       : save(n, e);
}

/* --- inside --- */

static bool is_ours(int dir, const char *name, const char *target)
{
	char there[GIVEN_PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!target)
		return S_ISREG(st.st_mode) && st.st_size == 0;
	n = S_ISLNK(st.st_mode) ? readlinkat(dir, name, there, sizeof(there)) : -1;
	return n == (ssize_t)strlen(target) && memcmp(there, target, (size_t)n) == 0;
}

static int remove_one(void *ctx, const char *path, const char *target)
{
	const char *slash = strrchr(path, '/');
	const struct plan *p = ctx;
	char parent[GIVEN_PATH_MAX];
	struct err ignored;
	auto_fd int dir = -1;

	if (path[0] != '/' || is_given(p->given, path, target) ||
	    str_format(parent, sizeof(parent), "./%.*s", (int)(slash - path), path) < 0)
		return 0;
	dir = path_open_in_root(p->rootfd, parent, O_PATH | O_DIRECTORY, 0, &ignored);
	if (dir >= 0 && is_ours(dir, slash + 1, target))
		(void)unlinkat(dir, slash + 1, 0);
	return 0;
}

void given_left_remove(const struct plan *p, const char *old)
{
	auto_free char *text = old ? strdup(old) : NULL;

	if (text)
		(void)each(text, remove_one, (void *)(uintptr_t)p);
}
