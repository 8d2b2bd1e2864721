/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of CDI specifications, and looking a device up. Reads files of the admin's; believes only root's. */
#include "cdi.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/trusted.h"

static void problem(struct cdi_list *l, const char *why)
{
	size_t n = strlen(l->problems);

	(void)str_format(l->problems + n, sizeof(l->problems) - n, "%s%s", n ? "; " : "", why);
}

static void load_file(struct cdi_list *l, const char *path, unsigned int priority)
{
	auto_free char *text = NULL;
	struct cdi_spec *s = NULL;
	struct err e = { 0 };
	size_t len = 0;

	if (l->n == CDI_SPECS_MAX) {
		problem(l, "more than 64 CDI files");
		return;
	}
	if (trusted_read(path, &text, &len, &e) < 0 || cdi_decode(path, text, len, &s, &e) < 0) {
		problem(l, e.text);
		return;
	}
	s->priority = priority;
	l->specs[l->n++] = s;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcmp(s + n - m, end);
}

static int is_spec(const struct dirent *d)
{
	return d->d_name[0] != '.' &&
	       (ends_with(d->d_name, ".json") || ends_with(d->d_name, ".yaml"));
}

static void load_dir(struct cdi_list *l, const char *dir, unsigned int priority)
{
	struct dirent **list = NULL;
	/* Sorted, so that messages do not depend on the file system's order. */
	int n = scandir(dir, &list, is_spec, alphasort);

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		if (str_format(path, sizeof(path), "%s/%s", dir, list[i]->d_name) == 0)
			load_file(l, path, priority);
		free(list[i]);
	}
	free(list);
}

void cdi_load(const char *dirs, struct cdi_list *out)
{
	unsigned int priority = 0;
	char dir[PATH_MAX];

	memset(out, 0, sizeof(*out));
	for (const char *d = dirs; *d; d += strcspn(d, ":"), d += *d == ':')
		if (str_format(dir, sizeof(dir), "%.*s", (int)strcspn(d, ":"), d) == 0 && dir[0])
			load_dir(out, dir, ++priority);
}

void cdi_free(struct cdi_list *l)
{
	for (unsigned int i = 0; i < l->n; i++)
		cdi_spec_free(l->specs[i]);
	l->n = 0;
}

static const struct cdi_device *device_of(const struct cdi_spec *s, const char *name)
{
	char full[sizeof(s->vendor) + sizeof(s->class) + 8];
	size_t n;

	(void)str_format(full, sizeof(full), "%s/%s=", s->vendor, s->class);
	n = strlen(full);
	if (strncmp(name, full, n) != 0)
		return NULL;
	for (unsigned int i = 0; i < s->ndevices; i++)
		if (!strcmp(s->devices[i].name, name + n))
			return &s->devices[i];
	return NULL;
}

int cdi_find(const struct cdi_list *l, const char *name, const struct cdi_spec **spec,
	     const struct cdi_device **dev, struct err *e)
{
	const struct cdi_spec *rival = NULL;

	*spec = NULL;
	*dev = NULL;
	for (unsigned int i = 0; i < l->n; i++) {
		const struct cdi_device *d = device_of(l->specs[i], name);

		if (!d || (*spec && l->specs[i]->priority < (*spec)->priority))
			continue;
		rival = *spec && l->specs[i]->priority == (*spec)->priority ? *spec : NULL;
		*spec = l->specs[i];
		*dev = d;
	}
	if (rival)
		return err_set(e, ENOTUNIQ,
			       "look for CDI device '%s': %.80s:%u and %.80s:%u both have it", name,
			       rival->file, device_of(rival, name)->line, (*spec)->file,
			       (*dev)->line);
	if (*spec)
		return 0;
	return err_set(e, ENOENT, "look for CDI device '%s': no specification has it%s%.150s%s",
		       name, l->problems[0] ? " (" : "", l->problems, l->problems[0] ? ")" : "");
}
