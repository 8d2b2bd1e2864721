/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of text with aligned columns, for people. */
#pragma once
#include <stddef.h>
#include <stdio.h>

#define GRID_COLUMNS 8

struct grid {
	const char *const *heads; /* NULL ends them */
	char **cells;             /* owned; row by row */
	size_t ncells;
};

/* Add one row; the texts are copied and made safe for a terminal, an empty one becomes "-". */
void grid_add(struct grid *g, const char *const *cells);
/* Print heads and rows, free them. */
void grid_print(struct grid *g, FILE *f);
