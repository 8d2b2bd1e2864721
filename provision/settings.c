/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loading of the configuration: sshbay.ini, then workspaces.d, every problem collected with its place and none of the
 * result handed out when there is one.  Runs in provisiond, at start and on reload, and in `sshbay check`.
 */
#include "settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "conf.h"
#include "schema.h"
#include "settings_check.h"

#define PROBLEMS_MAX 1000

/* --- problems ------------------------------------------------------------------------------------------------------- */

static char *format_problem(const struct settings_loader *l, const struct settings_place *p,
			    const char *reason)
{
	char where[32] = "", in[128] = "", path[PATH_MAX], *text;
	int n;

	if (p->line)
		snprintf(where, sizeof(where), "%u:", p->line);
	snprintf(in, sizeof(in), "%s%s%s%s%s%s", *p->section ? " [" : "", p->section,
		 *p->section ? "]" : "", *p->key ? " " : "", p->key, *p->key ? ":" : "");
	str_vis(l->files[p->file], strlen(l->files[p->file]), path, sizeof(path));
	n = asprintf(&text, "%s:%s%s %s", path, where, in, reason);
	return n < 0 ? NULL : text;
}

void settings_report_at(struct settings_loader *l, struct settings_place place, const char *fmt,
			...)
{
	struct settings_problem *grown;
	char reason[512], *p;
	va_list ap;

	if (l->nproblems >= PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	/* Values are printable and shown text is escaped by now; a path in a message may still be anything. */
	for (p = reason; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	grown = reallocarray(l->problems, l->nproblems + 1, sizeof(*grown));
	if (!grown) {
		l->no_memory = true;
		return;
	}
	l->problems = grown;
	grown[l->nproblems] = (struct settings_problem){ place.file, place.line, l->nproblems,
							 format_problem(l, &place, reason) };
	if (grown[l->nproblems].text)
		l->nproblems++;
	else
		l->no_memory = true;
}

static int compare_problems(const void *pa, const void *pb)
{
	const struct settings_problem *a = pa, *b = pb;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

static void write_report(struct settings_loader *l, struct settings_report *report)
{
	size_t size = 0;
	unsigned int i;
	FILE *f;

	if (l->nproblems)
		qsort(l->problems, l->nproblems, sizeof(*l->problems), compare_problems);
	f = open_memstream(&report->text, &size);
	if (!f)
		return;
	for (i = 0; i < l->nproblems; i++)
		fprintf(f, "%s\n", l->problems[i].text);
	if (l->nproblems == PROBLEMS_MAX)
		fprintf(f, "%s: more problems than are shown here\n", l->files[0]);
	fclose(f);
	report->count = l->nproblems;
}

struct source {
	struct settings_loader *l;
	unsigned int file;
};

static void on_conf_problem(void *ctx, unsigned int line, const char *section, const char *key,
			    const char *reason)
{
	struct source *src = ctx;

	settings_report_at(src->l, (struct settings_place){ src->file, line, section, key }, "%s",
			   reason);
}

/* --- values --------------------------------------------------------------------------------------------------------- */

static void apply_entry(struct settings_loader *l, unsigned int file,
			const struct conf_entry *entry, void *base, struct settings_origin *keys)
{
	const struct schema_row *row = schema_find(entry->section, entry->key);
	struct settings_place place = { file, entry->line, entry->section, entry->key };
	char hint[96];
	struct err e;

	if (!row) {
		settings_report_at(
			l, place, "unknown key%s",
			schema_suggest_key(entry->section, entry->key, hint, sizeof(hint)));
		return;
	}
	keys[row - schema_rows].line = entry->line;
	if ((row->flags & SCHEMA_SINGLE) && strcmp(entry->section, "defaults") == 0) {
		settings_report_at(
			l, place,
			"belongs to one workspace and has no default (workspaces.d/NAME.ini)");
		return;
	}
	if (schema_parse(row, entry->value, base, &e) < 0) {
		keys[row - schema_rows].bad = true;
		settings_report_at(l, place, "%s", e.text);
	}
}

static struct settings_place at_section(unsigned int file, const struct conf_section *section)
{
	return (struct settings_place){ file, section->line, section->name, "" };
}

static struct settings_workspace *find_workspace(struct settings_loader *l, const char *name)
{
	unsigned int i;

	for (i = 0; i < l->nworkspaces; i++) {
		if (strcmp(l->workspaces[i].spec.name, name) == 0)
			return &l->workspaces[i];
	}
	return NULL;
}

/* A new workspace that has every value of [defaults]. */
static struct settings_workspace *add_workspace(struct settings_loader *l, const char *name,
						unsigned int file)
{
	struct settings_workspace *grown =
		reallocarray(l->workspaces, l->nworkspaces + 1, sizeof(*grown));
	struct settings_workspace *w;

	if (!grown)
		return NULL;
	l->workspaces = grown;
	w = &grown[l->nworkspaces++];
	memset(w, 0, sizeof(*w));
	w->spec = l->s->defaults;
	w->file = file;
	str_copy(w->spec.name, sizeof(w->spec.name), name);
	str_copy(w->spec.file, sizeof(w->spec.file), l->files[file]);
	return w;
}

static void apply_workspace(struct settings_loader *l, struct settings_workspace *w,
			    const struct conf *c, const char *section)
{
	unsigned int i;

	str_copy(w->section, sizeof(w->section), section);
	for (i = 0; i < c->nsections; i++) {
		if (strcmp(c->sections[i].name, section) == 0)
			w->line = c->sections[i].line;
	}
	for (i = 0; i < c->nentries; i++) {
		if (strcmp(c->entries[i].section, section) == 0)
			apply_entry(l, w->file, &c->entries[i], &w->spec, w->keys);
	}
}

static void apply_main(struct settings_loader *l, const struct conf *c)
{
	char hint[96];
	unsigned int i;

	for (i = 0; i < c->nsections; i++) {
		if (!schema_is_section(c->sections[i].name))
			settings_report_at(
				l, at_section(0, &c->sections[i]), "unknown section%s",
				schema_suggest_section(c->sections[i].name, hint, sizeof(hint)));
	}
	for (i = 0; i < c->nentries; i++) {
		const char *section = c->entries[i].section;
		bool defaults = strcmp(section, "defaults") == 0;

		if (schema_is_section(section) && strncmp(section, "workspace ", 10) != 0)
			apply_entry(l, 0, &c->entries[i],
				    defaults ? (void *)&l->s->defaults : (void *)l->s, l->keys);
	}
	/* Only now are the values of [defaults] complete. */
	for (i = 0; i < c->nsections; i++) {
		struct settings_workspace *w;

		if (strncmp(c->sections[i].name, "workspace ", 10) != 0)
			continue;
		w = add_workspace(l, c->sections[i].name + 10, 0);
		if (w)
			apply_workspace(l, w, c, c->sections[i].name);
		else
			l->no_memory = true;
	}
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

/* Index of the file, or -1. */
static int add_file(struct settings_loader *l, const char *path)
{
	char **grown = reallocarray(l->files, l->nfiles + 1, sizeof(*grown));

	if (grown) {
		l->files = grown;
		grown[l->nfiles] = strdup(path);
		if (grown[l->nfiles])
			return (int)l->nfiles++;
	}
	l->no_memory = true;
	return -1;
}

static void load_main(struct settings_loader *l)
{
	struct source source = { l, 0 };
	struct conf *c;

	if (conf_load(l->files[0], &c, on_conf_problem, &source) == -ENOMEM)
		l->no_memory = true;
	if (c)
		apply_main(l, c);
	conf_free(c);
}

static void load_workspace(struct settings_loader *l, const char *path, const char *base, size_t n)
{
	int file = add_file(l, path);
	struct settings_workspace *w;
	struct source source = { l, (unsigned int)file };
	struct settings_place whole = { (unsigned int)file, 0, "", "" };
	char name[STR_NAME_MAX];
	struct conf *c;
	unsigned int i;

	if (file < 0)
		return;
	if (!str_is_name(base, n)) {
		settings_report_at(
			l, whole,
			"the file name is not a workspace name ([a-z_][a-z0-9_-]{0,30}.ini)");
		return;
	}
	str_format(name, sizeof(name), "%.*s", (int)n, base);
	w = find_workspace(l, name);
	if (w) {
		settings_report_at(l, whole, "'%s' is configured already in %s line %u", name,
				   l->files[w->file], w->line);
		return;
	}
	if (conf_load(path, &c, on_conf_problem, &source) == -ENOMEM)
		l->no_memory = true;
	if (!c)
		return;
	for (i = 0; i < c->nsections; i++) {
		if (strcmp(c->sections[i].name, "workspace") != 0)
			settings_report_at(l, at_section(whole.file, &c->sections[i]),
					   "only [workspace] belongs into this file");
	}
	w = add_workspace(l, name, whole.file);
	if (w)
		apply_workspace(l, w, c, "workspace");
	else
		l->no_memory = true;
	conf_free(c);
}

static int is_ini(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n >= 4 && strcmp(d->d_name + n - 4, ".ini") == 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_directory(struct settings_loader *l)
{
	const char *slash = strrchr(l->files[0], '/');
	char dir[PATH_MAX], path[PATH_MAX];
	struct dirent **names;
	int i, n;

	if (str_format(dir, sizeof(dir), "%.*sworkspaces.d",
		       slash ? (int)(slash - l->files[0] + 1) : 0, l->files[0]) < 0)
		return;
	n = scandir(dir, &names, is_ini, compare_names);
	if (n < 0) {
		if (errno != ENOENT)
			settings_report_at(l, (struct settings_place){ 0, 0, "", "" },
					   "list '%s': %s", dir, strerror(errno));
		return;
	}
	for (i = 0; i < n; i++) {
		if (str_format(path, sizeof(path), "%s/%s", dir, names[i]->d_name) == 0)
			load_workspace(l, path, names[i]->d_name, strlen(names[i]->d_name) - 4);
		free(names[i]);
	}
	free(names);
}

/* --- result --------------------------------------------------------------------------------------------------------- */

static int compare_workspaces(const void *a, const void *b)
{
	return strcmp(((const struct settings_workspace *)a)->spec.name,
		      ((const struct settings_workspace *)b)->spec.name);
}

static void loader_free(struct settings_loader *l)
{
	unsigned int i;

	for (i = 0; i < l->nfiles; i++)
		free(l->files[i]);
	for (i = 0; i < l->nproblems; i++)
		free(l->problems[i].text);
	free(l->files);
	free(l->workspaces);
	free(l->problems);
}

static void take_workspaces(struct settings_loader *l)
{
	struct settings *s = l->s;
	unsigned int i;

	s->workspaces = calloc(l->nworkspaces + 1, sizeof(*s->workspaces));
	if (!s->workspaces) {
		l->no_memory = true;
		return;
	}
	for (i = 0; i < l->nworkspaces; i++)
		s->workspaces[i] = l->workspaces[i].spec;
	s->nworkspaces = l->nworkspaces;
}

static void load_all(struct settings_loader *l)
{
	struct err e;

	str_copy(l->s->file, sizeof(l->s->file), l->files[0]);
	if (schema_defaults(l->s, &e) < 0)
		settings_report_at(l, (struct settings_place){ 0, 0, "", "" }, "%s", e.text);
	load_main(l);
	load_directory(l);
	if (l->nworkspaces)
		qsort(l->workspaces, l->nworkspaces, sizeof(*l->workspaces), compare_workspaces);
	settings_check_all(l);
	take_workspaces(l);
}

int settings_load(const char *file, struct settings **out, struct settings_report *report)
{
	struct settings_loader l = { .s = calloc(1, sizeof(*l.s)) };
	int ret = 0;

	*out = NULL;
	*report = (struct settings_report){ 0 };
	if (add_file(&l, file) == 0 && l.s)
		load_all(&l);
	else
		l.no_memory = true;
	if (l.nfiles)
		write_report(&l, report);
	if (l.no_memory)
		ret = -ENOMEM;
	else if (l.nproblems)
		ret = -EINVAL;
	if (ret == 0)
		*out = l.s;
	else
		settings_free(l.s);
	loader_free(&l);
	return ret;
}

static void ignore(void *ctx, unsigned int line, const char *section, const char *key,
		   const char *reason)
{
	(void)ctx, (void)line, (void)section, (void)key, (void)reason;
}

int settings_run(const char *file, char out[PATH_MAX])
{
	struct settings *s = calloc(1, sizeof(*s));
	const struct conf_entry *entry;
	struct conf *c = NULL;
	struct err e;
	int ret = -ENOMEM;

	if (s && conf_load(file, &c, ignore, NULL) != -ENOMEM)
		ret = c && schema_defaults(s, &e) == 0 ? 0 : -EINVAL;
	entry = ret == 0 ? conf_find(c, "storage", "run") : NULL;
	if (entry)
		ret = schema_parse(schema_find("storage", "run"), entry->value, s, &e);
	if (ret == 0)
		ret = str_copy(out, PATH_MAX, s->storage.run);
	conf_free(c);
	settings_free(s);
	return ret < 0 ? ret : 0;
}

void settings_free(struct settings *s)
{
	if (s)
		free(s->workspaces);
	free(s);
}

void settings_report_free(struct settings_report *r)
{
	free(r->text);
	*r = (struct settings_report){ 0 };
}

static int compare_name(const void *key, const void *spec)
{
	return strcmp(key, ((const struct spec *)spec)->name);
}

void settings_spec(const struct settings *s, const char *name, struct spec *out)
{
	const struct spec *found = s->nworkspaces ? bsearch(name, s->workspaces, s->nworkspaces,
							    sizeof(*s->workspaces), compare_name)
						  : NULL;
	uint32_t n;

	if (found) {
		*out = *found;
		return;
	}
	*out = s->defaults;
	str_copy(out->name, sizeof(out->name), name);
	if (settings_may_enter(out, name))
		return;
	/* settings_check_all left room for the owner. */
	n = out->nusers < SETTINGS_USERS_MAX ? out->nusers++ : SETTINGS_USERS_MAX - 1;
	str_copy(out->users[n], sizeof(out->users[n]), name);
}

const struct spec *settings_find_ip(const struct settings *s, const struct ip *ip)
{
	uint32_t i;

	for (i = 0; ip->family && i < s->nworkspaces; i++) {
		const struct spec *w = &s->workspaces[i];

		if (ip_equal(&w->control_ip, ip) || ip_equal(&w->control_ip6, ip))
			return w;
	}
	return NULL;
}

bool settings_may_enter(const struct spec *spec, const char *user)
{
	uint32_t i;

	for (i = 0; i < spec->nusers; i++) {
		if (strcmp(spec->users[i], user) == 0)
			return true;
	}
	return false;
}
