/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sample file and the manual's key tables, generated from the rows of schema.c.  Used by `sshbay dump --sample` and
 * `--man`; a test compares what is checked in with what is generated.
 */
#include "schema.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "schema_type.h"

static const struct {
	const char *section, *about;
} sections[] = {
	{ "gate", "The SSH side: where it listens, who gets in, and what a connection may cost." },
	{ "auth", "How users prove who they are." },
	{ "penalties", "What connections that misbehave cost the address they come from." },
	{ "network", "Addresses of the workspaces and their way out." },
	{ "storage", "Where things are on this host, and the ids that belong to workspaces." },
	{ "limits", "What operations and users may take of the host." },
	{ "log", "What is written down." },
	{ "hardware", "Where devices are looked for." },
	{ "pool", "Devices that workspaces may lease." },
	{ "workspace",
	  "What one workspace is. In [defaults]: the values of those that do not say otherwise." },
};

/* "", or " 1 to 100" as text of the kind of number the row holds. */
static void range_text(const struct schema_row *row, char *buf, size_t size)
{
	const char *zero = row->flags & SCHEMA_ZERO ? "0, or " : "";
	char low[32], high[32];

	*buf = '\0';
	if (row->type == &schema_type_number || row->type == &schema_type_number64 ||
	    row->type == &schema_type_port || row->type == &schema_type_pids) {
		str_format(buf, size, "%s%" PRIu64 " to %" PRIu64, zero, row->min, row->max);
	} else if (row->type == &schema_type_seconds) {
		str_format(buf, size, "%s%" PRIu64 "s to %" PRIu64 "s", zero, row->min, row->max);
	} else if (row->type == &schema_type_size || row->type == &schema_type_megabytes) {
		num_size_text(row->min, low, sizeof(low));
		if (row->max == UINT64_MAX - 1)
			str_format(buf, size, "%sat least %s", zero, low);
		else
			str_format(buf, size, "%s%s to %s", zero, low,
				   num_size_text(row->max, high, sizeof(high)));
	} else if (row->type == &schema_type_pool4 || row->type == &schema_type_pool6) {
		str_format(buf, size, "length %" PRIu64 " to %" PRIu64, row->min, row->max);
	}
}

/* Print `text` in lines of at most 90 columns that begin with `lead`. */
static void wrap(FILE *f, const char *lead, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column && column + 1 + n > 90) {
			fputc('\n', f);
			column = 0;
		}
		column += (size_t)fprintf(f, "%s%.*s", column ? " " : lead, (int)n, text);
		text += n + strspn(text + n, " ");
	}
	fputc('\n', f);
}

static void sample_row(FILE *f, const struct schema_row *row)
{
	char about[512], range[96];

	range_text(row, range, sizeof(range));
	str_format(about, sizeof(about), "%s (%s%s%s)", row->help, row->type->syntax,
		   *range ? ", " : "", range);
	fputc('\n', f);
	wrap(f, "# ", about);
	fprintf(f, ";%s =%s%s\n", row->key, *row->standard ? " " : "", row->standard);
}

void schema_write_sample(FILE *f)
{
	unsigned int s, i;

	fputs("# Configuration of sshbay: see sshbay.ini(5). What is not set here has the value "
	      "shown.\n"
	      "# `sshbay check` finds mistakes, `sshbay dump` prints what is in effect, and\n"
	      "# `systemctl reload provisiond` applies changes. A comment needs a line of its own, "
	      "or a blank\n"
	      "# before its '#' or ';'. Workspaces have files of their own: "
	      "workspaces.d/NAME.ini.\n",
	      f);
	for (s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
		bool defaults = strcmp(sections[s].section, "workspace") == 0;

		fputc('\n', f);
		wrap(f, "# ", sections[s].about);
		fprintf(f, "[%s]\n", defaults ? "defaults" : sections[s].section);
		for (i = 0; i < schema_nrows; i++) {
			if (strcmp(schema_rows[i].section, sections[s].section) == 0 &&
			    !(defaults && (schema_rows[i].flags & SCHEMA_SINGLE)))
				sample_row(f, &schema_rows[i]);
		}
	}
}

/* Text in man macros: a hyphen and a backslash mean something there. */
static void man_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			fputs("\\-", f);
		else if (*text == '\\')
			fputs("\\e", f);
		else
			fputc(*text, f);
	}
}

static void man_row(FILE *f, const struct schema_row *row)
{
	char range[96];

	range_text(row, range, sizeof(range));
	fprintf(f, ".TP\n.BR %s \" = ", row->key);
	man_text(f, row->type->syntax);
	fprintf(f, "\"\n");
	man_text(f, row->help);
	fputc('\n', f);
	if (*range) {
		fputs("Range: ", f);
		man_text(f, range);
		fputs(".\n", f);
	}
	if (*row->standard) {
		fputs("Standard value:\n.BR ", f);
		/* One word for the macro; long lists may break at their commas. */
		fputc('"', f);
		for (const char *p = row->standard; *p; p++) {
			char one[2] = { *p, '\0' };

			man_text(f, one);
			if (*p == ',' && p[1] != ' ')
				fputs("\\:", f);
		}
		fputs("\" .\n", f);
	} else {
		fputs("Standard: empty.\n", f);
	}
}

void schema_write_man(FILE *f)
{
	unsigned int s, i;

	for (s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
		bool workspace = strcmp(sections[s].section, "workspace") == 0;

		fprintf(f, ".SS \"[%s]%s\"\n", sections[s].section,
			workspace ? " and [defaults]" : "");
		man_text(f, sections[s].about);
		fputc('\n', f);
		for (i = 0; i < schema_nrows; i++) {
			if (strcmp(schema_rows[i].section, sections[s].section) == 0)
				man_row(f, &schema_rows[i]);
		}
	}
}
