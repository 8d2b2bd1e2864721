/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table of text with aligned columns.  Every cell is escaped here, so that no caller can forget it.  Runs in sshbay.
 */
#include "grid.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static size_t columns(const struct grid *g)
{
	size_t n = 0;

	while (g->heads[n])
		n++;
	return n;
}

static void *must(void *p)
{
	if (!p) {
		(void)cli_fail("list: out of memory");
		exit(CLI_FAILED);
	}
	return p;
}

static char *safe(const char *text)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = must(open_memstream(&out, &size));

	cli_print(f, *text ? text : "-");
	if (fclose(f) != 0)
		return must(NULL);
	return out;
}

void grid_add(struct grid *g, const char *const *cells)
{
	size_t n = columns(g);

	g->cells = must(realloc(g->cells, (g->ncells + n) * sizeof(*g->cells)));
	for (size_t i = 0; i < n; i++)
		g->cells[g->ncells++] = safe(cells[i]);
}

static void print_row(FILE *f, const char *const *cells, const size_t *widths, size_t n)
{
	/* No spaces after the last cell: lines would wrap for nothing. */
	for (size_t i = 0; i + 1 < n; i++)
		fprintf(f, "%-*s  ", (int)widths[i], cells[i]);
	fprintf(f, "%s\n", cells[n - 1]);
}

void grid_print(struct grid *g, FILE *f)
{
	size_t n = columns(g), widths[GRID_COLUMNS] = { 0 };

	if (n == 0 || n > GRID_COLUMNS)
		return;
	for (size_t i = 0; i < n; i++)
		widths[i] = strlen(g->heads[i]);
	for (size_t i = 0; i < g->ncells; i++)
		if (strlen(g->cells[i]) > widths[i % n])
			widths[i % n] = strlen(g->cells[i]);
	print_row(f, g->heads, widths, n);
	for (size_t i = 0; i < g->ncells; i += n)
		print_row(f, (const char *const *)&g->cells[i], widths, n);
	for (size_t i = 0; i < g->ncells; i++)
		free(g->cells[i]);
	free(g->cells);
	g->cells = NULL;
	g->ncells = 0;
}
