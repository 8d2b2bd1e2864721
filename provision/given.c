/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The list of what a workspace is given, and the checks on each entry.  Runs in workers.  Trusts neither a CDI
 * specification nor a driver's word about paths: what could leave its place is refused here.
 */
#include "given.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/str.h"
#include "devices.h"

static struct given *list_of(struct plan *p, struct err *e)
{
	if (!p->given)
		p->given = calloc(1, sizeof(*p->given));
	if (!p->given)
		(void)err_set(e, ENOMEM, "give devices to '%s': out of memory", p->rec->name);
	return p->given;
}

/* "/a/b": absolute, no empty, "." or ".." part, nothing that could not be printed. */
static bool is_clean(const char *path)
{
	const char *s = path;

	if (*s != '/')
		return false;
	while (*s == '/') {
		size_t n = strcspn(++s, "/");

		if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		for (size_t i = 0; i < n; i++)
			if (s[i] < ' ' || s[i] > '~')
				return false;
		s += n;
	}
	return true;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int check_place(const char *what, const char *path, struct err *e)
{
	static const char *const ours[] = { "/dev", "/proc", "/sys", "/run/sshbay" };
	char vis[GIVEN_PATH_MAX];

	if (!is_clean(path))
		return err_set(e, EINVAL, "give %s '%s': not a plain absolute path", what,
			       str_vis(path, strlen(path), vis, sizeof(vis)));
	for (unsigned int i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (is_below(path, ours[i]))
			return err_set(e, EINVAL, "give %s '%s': %s inside is not for files", what,
				       path, ours[i]);
	return 0;
}

static bool same_node(const struct given_node *a, const struct given_node *b)
{
	return a->block == b->block && a->major == b->major && a->minor == b->minor;
}

/* Names that every workspace's /dev has already. */
static bool is_standard(const char *path)
{
	static const char *const others[] = { "pts",       "shm",         "mqueue", "ptmx",
					      "fd",        "stdin",       "stdout", "stderr",
					      "hugepages", "hugepages1G", NULL };
	const char *name = path + strlen("/dev/");

	for (const struct devices_node *n = devices_nodes; n->name; n++)
		if (!strcmp(n->name, name))
			return true;
	for (unsigned int i = 0; others[i]; i++)
		if (is_below(name, others[i]))
			return true;
	return false;
}

int given_add_node(struct plan *p, const struct given_node *n, struct err *e)
{
	struct given *g = list_of(p, e);
	char vis[GIVEN_PATH_MAX];

	if (!g)
		return -ENOMEM;
	if (!is_clean(n->path) || strncmp(n->path, "/dev/", 5) != 0 || is_standard(n->path))
		return err_set(e, EINVAL, "give device '%s': not a free name below /dev",
			       str_vis(n->path, strlen(n->path), vis, sizeof(vis)));
	for (unsigned int i = 0; i < g->nnodes; i++) {
		if (strcmp(g->nodes[i].path, n->path) != 0)
			continue;
		return same_node(&g->nodes[i], n)
			       ? 0
			       : err_set(e, EEXIST,
					 "give device '%s': both %u:%u and %u:%u are to be it",
					 n->path, g->nodes[i].major, g->nodes[i].minor, n->major,
					 n->minor);
	}
	if (g->nnodes == GIVEN_NODES_MAX)
		return err_set(e, E2BIG, "give device '%s': more than %d devices", n->path,
			       GIVEN_NODES_MAX);
	g->nodes[g->nnodes++] = *n;
	return 0;
}

int given_add_mount(struct plan *p, const char *host, const char *path, struct err *e)
{
	struct given *g = list_of(p, e);
	int r = g ? check_place("file", path, e) : -ENOMEM;

	if (r < 0)
		return r;
	if (!is_clean(host))
		return err_set(e, EINVAL, "give file '%s': its source is not a plain absolute path",
			       path);
	for (unsigned int i = 0; i < g->nmounts; i++) {
		if (strcmp(g->mounts[i].path, path) != 0)
			continue;
		return strcmp(g->mounts[i].host, host) == 0
			       ? 0
			       : err_set(e, EEXIST, "give file '%s': two sources are to be it",
					 path);
	}
	if (g->nmounts == GIVEN_MOUNTS_MAX)
		return err_set(e, E2BIG, "give file '%s': more than %d files", path,
			       GIVEN_MOUNTS_MAX);
	if (str_copy(g->mounts[g->nmounts].host, GIVEN_PATH_MAX, host) < 0 ||
	    str_copy(g->mounts[g->nmounts].path, GIVEN_PATH_MAX, path) < 0)
		return err_set(e, ENAMETOOLONG, "give file '%.80s..': path too long", path);
	g->nmounts++;
	return 0;
}

int given_add_link(struct plan *p, const char *target, const char *path, struct err *e)
{
	struct given *g = list_of(p, e);
	int r = g ? check_place("link", path, e) : -ENOMEM;

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < g->nlinks; i++) {
		if (strcmp(g->links[i].path, path) != 0)
			continue;
		return strcmp(g->links[i].target, target) == 0
			       ? 0
			       : err_set(e, EEXIST, "give link '%s': two targets are to be it",
					 path);
	}
	if (g->nlinks == GIVEN_LINKS_MAX)
		return err_set(e, E2BIG, "give link '%s': more than %d links", path,
			       GIVEN_LINKS_MAX);
	if (!target[0] || str_copy(g->links[g->nlinks].target, GIVEN_PATH_MAX, target) < 0 ||
	    str_copy(g->links[g->nlinks].path, GIVEN_PATH_MAX, path) < 0)
		return err_set(e, EINVAL, "give link '%.80s': empty or too long", path);
	g->nlinks++;
	return 0;
}

int given_add_folder(struct plan *p, const char *path, struct err *e)
{
	struct given *g = list_of(p, e);
	int r = g ? check_place("library folder", path, e) : -ENOMEM;

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < g->nfolders; i++)
		if (strcmp(g->folders[i], path) == 0)
			return 0;
	if (g->nfolders == GIVEN_FOLDERS_MAX)
		return err_set(e, E2BIG, "give library folder '%s': more than %d", path,
			       GIVEN_FOLDERS_MAX);
	if (str_copy(g->folders[g->nfolders], GIVEN_PATH_MAX, path) < 0)
		return err_set(e, ENAMETOOLONG, "give library folder '%.80s..': too long", path);
	g->nfolders++;
	return 0;
}

int given_add_text(struct plan *p, const char *path, const char *text, struct err *e)
{
	struct given *g = list_of(p, e);
	char full[GIVEN_PATH_MAX];

	if (!g)
		return -ENOMEM;
	(void)str_format(full, sizeof(full), "/%s", path);
	if (!is_clean(full))
		return err_set(e, EINVAL, "give text '%.80s': not a plain path", path);
	for (unsigned int i = 0; i < g->ntexts; i++)
		if (strcmp(g->texts[i].path, path) == 0)
			return 0;
	if (g->ntexts == GIVEN_TEXTS_MAX)
		return err_set(e, E2BIG, "give text '%s': more than %d", path, GIVEN_TEXTS_MAX);
	if (str_copy(g->texts[g->ntexts].path, GIVEN_NODE_MAX, path) < 0)
		return err_set(e, ENAMETOOLONG, "give text '%.80s..': path too long", path);
	/* A driver's page that is longer says nothing that is needed beyond this. */
	(void)str_copy(g->texts[g->ntexts].text, sizeof(g->texts[0].text), text);
	g->ntexts++;
	return 0;
}

int given_add_env(struct plan *p, const char *entry, struct err *e)
{
	struct given *g = list_of(p, e);
	size_t n = strlen(entry) + 1, name = strcspn(entry, "=");
	char vis[80];

	if (!g)
		return -ENOMEM;
	if (name == 0 || entry[name] != '=')
		return err_set(e, EINVAL, "give environment '%s': not NAME=value",
			       str_vis(entry, strlen(entry), vis, sizeof(vis)));
	if (n > sizeof(g->env) - g->nenv)
		return err_set(e, E2BIG, "give environment '%.*s': more than %zu bytes in all",
			       (int)(name > 60 ? 60 : name), entry, sizeof(g->env));
	memcpy(g->env + g->nenv, entry, n);
	g->nenv += n;
	return 0;
}

void given_set_mode(struct plan *p, const char *path, mode_t mode)
{
	for (unsigned int i = 0; p->given && i < p->given->nnodes; i++)
		if (strcmp(p->given->nodes[i].path, path) == 0)
			p->given->nodes[i].mode = mode & 0666;
}

int given_set_compat(struct plan *p, const char *version, struct err *e)
{
	struct given *g = list_of(p, e);

	if (!g)
		return -ENOMEM;
	if (!version[0] || version[strspn(version, "0123456789.")] ||
	    str_copy(g->compat, sizeof(g->compat), version) < 0)
		return err_set(e, EINVAL, "take '%.40s' for a driver's version: it is none",
			       version);
	return 0;
}

int given_look(struct given_node *n, struct err *e)
{
	struct stat st;

	if (stat(n->host, &st) < 0)
		return err_sys(e, "look at device '%s'", n->host);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(e, ENODEV, "look at device '%s': not a device", n->host);
	n->block = S_ISBLK(st.st_mode);
	n->major = major(st.st_rdev);
	n->minor = minor(st.st_rdev);
	return 0;
}

const struct given_node *given_find(const struct plan *p, mode_t type, dev_t rdev)
{
	const struct given *g = p->given;

	for (unsigned int i = 0; g && i < g->nnodes; i++)
		if (makedev(g->nodes[i].major, g->nodes[i].minor) == rdev &&
		    g->nodes[i].block == S_ISBLK(type))
			return &g->nodes[i];
	return NULL;
}
