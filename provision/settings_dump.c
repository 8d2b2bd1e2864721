/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing the configuration: the effective values as one INI that loads to the same settings (workspaces as sections
 * [workspace NAME]), and the generated parts of the documentation.
 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "schema.h"

/* What the file layer would read differently needs quotes. A value never holds both kinds: it was read from a line. */
static void write_value(FILE *f, const char *key, const char *value)
{
	size_t n = strlen(value);
	bool quote = strpbrk(value, ";#\"'\\") || (n && (value[0] == ' ' || value[n - 1] == ' '));
	const char *mark = !quote ? "" : strchr(value, '"') ? "'" : "\"";

	fprintf(f, "%-24s=%s%s%s%s\n", key, n ? " " : "", mark, value, mark);
}

/* All rows of `rows` in [section]. Those that belong to a single workspace are left out of [defaults]. */
static void write_section(FILE *f, const char *section, const char *rows, const void *base)
{
	bool defaults = strcmp(section, "defaults") == 0;
	char value[SCHEMA_VALUE_MAX];
	unsigned int i;

	fprintf(f, "[%s]\n", section);
	for (i = 0; i < schema_nrows; i++) {
		const struct schema_row *row = &schema_rows[i];

		if (strcmp(row->section, rows) != 0 || (defaults && (row->flags & SCHEMA_SINGLE)))
			continue;
		write_value(f, row->key, schema_print(row, base, value, sizeof(value)));
	}
}

static void write_settings(FILE *f, const struct settings *s)
{
	const char *section = "";
	char name[STR_NAME_MAX + 16];
	unsigned int i;

	for (i = 0; i < schema_nrows; i++) {
		if (strcmp(schema_rows[i].section, section) == 0 ||
		    strcmp(schema_rows[i].section, "workspace") == 0)
			continue;
		section = schema_rows[i].section;
		fprintf(f, "%s", i ? "\n" : "");
		write_section(f, section, section, s);
	}
	fprintf(f, "\n");
	write_section(f, "defaults", "workspace", &s->defaults);
	for (i = 0; i < s->nworkspaces; i++) {
		(void)str_format(name, sizeof(name), "workspace %s", s->workspaces[i].name);
		fprintf(f, "\n");
		write_section(f, name, "workspace", &s->workspaces[i]);
	}
}

int settings_dump(const struct settings *s, int fd, struct err *e)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int ret;

	if (!f)
		return err_sys(e, "dump configuration '%s'", s->file);
	write_settings(f, s);
	if (fclose(f) != 0)
		return err_sys(e, "dump configuration '%s'", s->file);
	ret = fd_write_all(fd, text, size);
	return ret < 0 ? err_ret(e, ret, "dump configuration '%s'", s->file) : 0;
}
