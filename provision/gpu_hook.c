/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of hooks, and what their options mean for the plan's list. Pure but for that list. */
#include "gpu_hook.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "given.h"

static const struct {
	const char *name;
	enum gpu_hook kind;
} known[] = {
	{ "create-symlinks", GPU_HOOK_LINKS },
	{ "update-ldcache", GPU_HOOK_FOLDERS },
	{ "create-soname-symlinks", GPU_HOOK_FOLDERS },
	{ "enable-cuda-compat", GPU_HOOK_COMPAT },
	{ "chmod", GPU_HOOK_MODE },
	{ "disable-device-node-modification", GPU_HOOK_DONE },
};

/* "nvidia-ctk hook NAME ..", "nvidia-cdi-hook NAME ..". */
static unsigned int word_of(const struct cdi_hook *h)
{
	return h->nargs > 2 && !strcmp(h->args[1], "hook") ? 2 : 1;
}

enum gpu_hook gpu_hook_kind(const struct cdi_hook *h, const char **name)
{
	const char *slash = strrchr(h->path, '/');
	unsigned int at = word_of(h);

	*name = h->nargs > at ? h->args[at] : slash ? slash + 1 : h->path;
	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(*name, known[i].name))
			return known[i].kind;
	return GPU_HOOK_UNKNOWN;
}

/* The value of argument `*i` if it is --NAME VALUE or --NAME=VALUE. */
static const char *option(const struct cdi_hook *h, unsigned int *i, const char *name)
{
	size_t n = strlen(name);
	const char *a = h->args[*i];

	if (strncmp(a, name, n) != 0)
		return NULL;
	if (a[n] == '=')
		return a + n + 1;
	return a[n] == '\0' && *i + 1 < h->nargs ? h->args[++*i] : NULL;
}

static int give_link(struct plan *p, const char *link, struct err *e)
{
	const char *sep = strstr(link, "::");
	char target[GIVEN_PATH_MAX];

	if (!sep || str_format(target, sizeof(target), "%.*s", (int)(sep - link), link) < 0)
		return err_set(e, EINVAL, "make link '%.80s': not TARGET::PATH", link);
	return given_add_link(p, target, sep + 2, e);
}

static int parse_mode(const char *text, mode_t *mode, struct err *e)
{
	char *end;
	unsigned long v = strtoul(text, &end, 8);

	if (!text[0] || *end || v > 07777)
		return err_set(e, EINVAL, "change a mode to '%.20s': not an octal number", text);
	*mode = (mode_t)v;
	return 0;
}

/* --mode comes before or behind the paths. */
static int give_mode(struct plan *p, const struct cdi_hook *h, struct err *e)
{
	bool found = false;
	mode_t mode = 0;
	const char *v;
	int r = 0;

	for (unsigned int i = word_of(h) + 1; i < h->nargs && r == 0; i++)
		if ((v = option(h, &i, "--mode"))) {
			r = parse_mode(v, &mode, e);
			found = true;
		}
	for (unsigned int i = word_of(h) + 1; i < h->nargs && r == 0 && found; i++)
		if ((v = option(h, &i, "--path")))
			given_set_mode(p, v, mode & 0666);
	return r;
}

int gpu_hook_give(struct plan *p, const struct cdi_hook *h, struct err *e)
{
	const char *name, *v;
	enum gpu_hook kind = gpu_hook_kind(h, &name);
	int r = 0;

	if (kind == GPU_HOOK_MODE)
		return give_mode(p, h, e);
	for (unsigned int i = word_of(h) + 1; i < h->nargs && r == 0; i++) {
		if (kind == GPU_HOOK_LINKS && (v = option(h, &i, "--link")))
			r = give_link(p, v, e);
		else if (kind == GPU_HOOK_FOLDERS && (v = option(h, &i, "--folder")))
			r = given_add_folder(p, v, e);
		else if (kind == GPU_HOOK_COMPAT && (v = option(h, &i, "--host-driver-version")))
			r = given_set_compat(p, v, e);
	}
	return r;
}
