/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MESSAGES.md from the tables.  Runs in `sshbay --messages` only.
 */
#include "proto/msg.h"

#include <stdio.h>
#include <string.h>

/* The names of the bits that are set, or "any". */
static void print_phases(const struct msg_proto *p, uint32_t bits)
{
	const char *name = p->phases;
	const char *comma = "";

	if (!name || bits == UINT32_MAX) {
		fputs("any", stdout);
		return;
	}
	for (uint32_t bit = 1; *name; bit <<= 1) {
		size_t n = strcspn(name, " ");

		if (bits & bit) {
			printf("%s%.*s", comma, (int)n, name);
			comma = ", ";
		}
		name += n + (name[n] == ' ');
	}
}

static void print_field(const struct msg_field *f)
{
	switch (f->kind) {
	case MSG_U32:
		printf("`%s` u32", f->name);
		if (f->max)
			printf(" %u..%u", f->min, f->max);
		else if (f->min)
			printf(" at least %u", f->min);
		break;
	case MSG_U64:
		printf("`%s` u64", f->name);
		break;
	case MSG_STR:
		printf("`%s` string %u..%u", f->name, f->min, f->max - 1);
		break;
	case MSG_BYTES:
		printf("`%s` bytes %u..%u", f->name, f->min, f->max);
		break;
	case MSG_IPPORT:
		printf("`%s` address and port", f->name);
		break;
	}
}

static void print_row(const struct msg_proto *p, const struct msg_row *row)
{
	printf("| %u | `%s`%s | ", row->type, row->name, row->once ? " (once)" : "");
	print_phases(p, row->phases);
	if (row->fds_min == row->fds_max)
		printf(" | %u | ", row->fds_min);
	else
		printf(" | %u..%u | ", row->fds_min, row->fds_max);
	for (uint32_t i = 0; i < row->nfields; i++) {
		fputs(i ? "; " : "", stdout);
		print_field(&row->fields[i]);
	}
	printf(" | %s |\n", row->help);
}

void msg_print_markdown(const struct msg_proto *p)
{
	printf("## %s, version %u\n\n", p->name, p->version);
	puts("| number | message | phases | fds | fields | meaning |");
	puts("|---|---|---|---|---|---|");
	for (uint32_t i = 0; i < p->nrows; i++)
		print_row(p, &p->rows[i]);
	puts("");
}
