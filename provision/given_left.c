/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines "file PATH", "link PATH" and, behind the latter, "to TARGET".  Only an empty file, or a link to that very target, is
 * removed: anything else is the tenant's.
 */
#include "given_left.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define TEXT_MAX ((GIVEN_MOUNTS_MAX + 2 * GIVEN_LINKS_MAX) * (GIVEN_PATH_MAX + 8) + 1)

static void add(char *text, size_t *used, const char *word, const char *what)
{
	if (str_format(text + *used, TEXT_MAX - *used, "%s %s\n", word, what) == 0)
		*used += strlen(text + *used);
}

static int save(const struct plan *p, const char *path, char *text, struct err *e)
{
	struct path_content c = { .buf = text, .mode = 0600 };
	const struct given *g = p->given;

	text[0] = '\0';
	for (unsigned int i = 0; g && i < g->nmounts; i++)
		add(text, &c.len, "file", g->mounts[i].path);
	for (unsigned int i = 0; g && i < g->nlinks; i++) {
		add(text, &c.len, "link", g->links[i].path);
		add(text, &c.len, "to", g->links[i].target);
	}
	if (c.len)
		return path_write_atomic(AT_FDCWD, path, &c, e);
	return unlink(path) < 0 && errno != ENOENT ? err_sys(e, "remove '%s'", path) : 0;
}

int given_left_swap(const struct plan *p, char **old, struct err *e)
{
	auto_free char *text = malloc(TEXT_MAX), *now = malloc(TEXT_MAX);
	char path[PATH_MAX];
	struct err ignored;
	size_t len;

	*old = NULL;
	if (!text || !now || str_format(path, sizeof(path), "%s/given", p->store) < 0)
		return err_set(e, ENOMEM, "note what '%s' is given: out of memory", p->rec->name);
	if (path_read(AT_FDCWD, path, text, TEXT_MAX, &len, &ignored) == 0) {
		*old = text;
		text = NULL;
	}
	return *old || p->given ? save(p, path, now, e) : 0;
}

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

static void remove_one(const struct plan *p, const char *path, const char *target)
{
	const char *slash = strrchr(path, '/');
	char parent[GIVEN_PATH_MAX];
	struct err ignored;
	auto_fd int dir = -1;

	if (path[0] != '/' || slash == path || is_given(p->given, path, target) ||
	    str_format(parent, sizeof(parent), "%.*s", (int)(slash - path - 1), path + 1) < 0)
		return;
	dir = path_open_in_root(p->rootfd, parent, O_PATH | O_DIRECTORY, 0, &ignored);
	if (dir >= 0 && is_ours(dir, slash + 1, target))
		(void)unlinkat(dir, slash + 1, 0);
}

void given_left_remove(const struct plan *p, const char *old)
{
	auto_free char *text = old ? strdup(old) : NULL;
	char *save_ptr = NULL, *link = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save_ptr) : NULL; l;
	     l = strtok_r(NULL, "\n", &save_ptr)) {
		if (!strncmp(l, "file ", 5))
			remove_one(p, l + 5, NULL);
		else if (!strncmp(l, "link ", 5))
			link = l + 5;
		else if (!strncmp(l, "to ", 3) && link)
			remove_one(p, link, l + 3);
	}
}
