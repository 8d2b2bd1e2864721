/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: msg_decode of every conversation.  What it accepts has one encoding: encoding it again gives the input.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/msg_fill.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static uint8_t wire[MSG_BYTES_MAX], filled[MSG_BODY_MAX];

static void check_strings(const struct msg_row *row, const uint8_t *body)
{
	for (uint32_t i = 0; i < row->nfields; i++) {
		const struct msg_field *f = &row->fields[i];

		if (f->kind == MSG_STR && strnlen((const char *)body + f->offset, f->max) == f->max)
			abort();
	}
}

static void decode(const struct msg_proto *p, const struct msg_row *row, const uint8_t *data,
		   size_t size)
{
	/* A body of exactly the row's size: a write past it is seen. */
	uint8_t *body = malloc(row->size ? row->size : 1);
	struct msg m = { .body = body, .bodycap = row->size };
	struct err e;

	if (!body)
		abort();
	if (msg_decode(p, data, size, &m, &e) == 0) {
		ssize_t n;

		if (m.type != row->type || m.row != row)
			abort();
		check_strings(row, body);
		n = msg_encode(p, m.type, body, wire, sizeof(wire), &e);
		if (n != (ssize_t)size || memcmp(wire, data, size) != 0)
			abort();
	}
	free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t type = 0;

	if (size >= 8)
		type = (uint32_t)data[4] | (uint32_t)data[5] << 8 | (uint32_t)data[6] << 16 |
		       (uint32_t)data[7] << 24;
	for (size_t i = 0; i < MSG_NPROTOS; i++)
		for (uint32_t r = 0; r < msg_protos[i]->nrows; r++)
			if (size < 8 || msg_protos[i]->rows[r].type == type)
				decode(msg_protos[i], &msg_protos[i]->rows[r], data, size);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const enum msg_fill how[] = { FILL_LEAST, FILL_SOME };
	char name[96];
	struct err e;

	for (size_t i = 0; i < MSG_NPROTOS; i++) {
		for (uint32_t r = 0; r < msg_protos[i]->nrows * 2; r++) {
			const struct msg_row *row = &msg_protos[i]->rows[r / 2];
			ssize_t n;

			msg_fill_row(row, filled, how[r % 2], row->type);
			n = msg_encode(msg_protos[i], row->type, filled, wire, sizeof(wire), &e);
			if (n < 0)
				abort();
			(void)snprintf(name, sizeof(name), "%s-%s-%u", msg_protos[i]->name,
				       row->name, r % 2);
			emit(name, wire, (size_t)n);
		}
	}
}
