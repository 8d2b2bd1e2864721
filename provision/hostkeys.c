/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See hostkeys.h.  provisiond's main process.  A key is read once and kept: an attacker who dials every address makes
 * provisiond stat a file per connection, no more.  Names are checked by their callers' registry, and again here.
 */
#include "hostkeys.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

#define CACHE_MAX 64

struct entry {
	char name[STR_NAME_MAX]; /* empty: free */
	struct hostkey *key;
	dev_t dev;
	ino_t ino;
	struct timespec changed;
	uint64_t used;
};

struct hostkeys {
	char state[PATH_MAX];
	uint64_t clock; /* counts uses */
	struct entry entries[CACHE_MAX];
};

static int key_path(const char *state, const char *name, char path[PATH_MAX], struct err *e)
{
	if (!str_is_name(name, strlen(name)))
		return err_set(e, EINVAL, "find host key: not a workspace name");
	if (str_format(path, PATH_MAX, "%s/hostkeys/%s", state, name) < 0)
		return err_set(e, ENAMETOOLONG, "find host key of '%s': path too long", name);
	return 0;
}

int hostkeys_new(const char *state, struct hostkeys **out, struct err *e)
{
	struct hostkeys *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return err_set(e, ENOMEM, "keep 'host keys': out of memory");
	if (str_copy(c->state, sizeof(c->state), state) < 0) {
		free(c);
		return err_set(e, ENAMETOOLONG, "keep 'host keys': path too long");
	}
	*out = c;
	return 0;
}

static void forget(struct entry *n)
{
	hostkey_free(n->key);
	*n = (struct entry){ 0 };
}

void hostkeys_free(struct hostkeys *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CACHE_MAX; i++)
		forget(&c->entries[i]);
	free(c);
}

static bool same_file(const struct entry *n, const struct stat *st)
{
	return n->dev == st->st_dev && n->ino == st->st_ino &&
	       n->changed.tv_sec == st->st_ctim.tv_sec && n->changed.tv_nsec == st->st_ctim.tv_nsec;
}

/* The entry of this name, or the one to replace: a free one, else the one unused for longest. */
static struct entry *place(struct hostkeys *c, const char *name)
{
	struct entry *oldest = &c->entries[0];

	for (size_t i = 0; i < CACHE_MAX; i++) {
		struct entry *n = &c->entries[i];

		if (strcmp(n->name, name) == 0)
			return n;
		if (n->used < oldest->used)
			oldest = n;
	}
	return oldest;
}

static int load(const char *state, const char *name, bool make, struct hostkey **out, struct err *e)
{
	char path[PATH_MAX], dir[PATH_MAX];
	int ret = key_path(state, name, path, e);

	if (ret == 0)
		ret = hostkey_open(path, out, e);
	if (ret != -ENOENT || !make)
		return ret;
	if (str_format(dir, sizeof(dir), "%s/hostkeys", state) < 0)
		return err_set(e, ENAMETOOLONG, "make host key of '%s': path too long", name);
	ret = path_mkdirs(dir, 0700, e);
	return ret ? ret : hostkey_load(path, out, e);
}

int hostkeys_get(struct hostkeys *c, const char *name, bool make, struct hostkey **out,
		 struct err *e)
{
	struct entry *n = place(c, name);
	char path[PATH_MAX];
	struct stat st;
	int ret = key_path(c->state, name, path, e);

	*out = NULL;
	if (ret)
		return ret;
	if (strcmp(n->name, name) != 0 || lstat(path, &st) < 0 || !same_file(n, &st)) {
		forget(n);
		ret = load(c->state, name, make, &n->key, e);
		if (ret)
			return ret;
		if (lstat(path, &st) < 0) {
			forget(n);
			return err_sys(e, "load host key '%s'", path);
		}
		(void)str_copy(n->name, sizeof(n->name), name);
		n->dev = st.st_dev;
		n->ino = st.st_ino;
		n->changed = st.st_ctim;
	}
	n->used = ++c->clock;
	*out = hostkey_ref(n->key);
	return 0;
}

int hostkeys_make(const char *state, const char *name, struct err *e)
{
	struct hostkey *k = NULL;
	int ret = load(state, name, true, &k, e);

	hostkey_free(k);
	return ret;
}

static int remove_file(const char *path, struct err *e)
{
	return unlink(path) < 0 && errno != ENOENT ? err_sys(e, "remove host key '%s'", path) : 0;
}

int hostkeys_remove(const char *state, const char *name, struct err *e)
{
	char path[PATH_MAX], pub[PATH_MAX];
	int ret = key_path(state, name, path, e);

	if (ret)
		return ret;
	if (str_format(pub, sizeof(pub), "%s.pub", path) < 0)
		return err_set(e, ENAMETOOLONG, "remove host key '%s': path too long", path);
	ret = remove_file(path, e);
	return ret ? ret : remove_file(pub, e);
}
