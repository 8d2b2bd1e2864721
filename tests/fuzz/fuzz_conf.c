/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the file layer and every kind of value. Input: the text of sshbay.ini. What the layer accepts must agree
 * with iniparser (it checks that itself), hold no byte that it promises to refuse, and every value that parses must
 * print to a text that parses to the same.
 */
#include "conf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, unsigned int line, const char *section, const char *key,
		  const char *reason)
{
	unsigned int *n = ctx;

	(void)line;
	if (!section || !key || !*reason)
		abort();
	++*n;
}

static void round_trip(const struct conf_entry *entry)
{
	static union {
		struct settings settings;
		struct spec spec;
	} first, second;
	char text[SCHEMA_VALUE_MAX], again[SCHEMA_VALUE_MAX];
	const struct schema_row *row = schema_find(entry->section, entry->key);
	struct err e = { 0 };

	if (!row) {
		(void)schema_suggest_key(entry->section, entry->key, text, sizeof(text));
		return;
	}
	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	if (schema_parse(row, entry->value, &first, &e) < 0) {
		if (!e.code || !e.text[0])
			abort();
		return;
	}
	schema_print(row, &first, text, sizeof(text));
	if (schema_parse(row, text, &second, &e) < 0 || memcmp(&first, &second, sizeof(first)) != 0)
		abort();
	if (strcmp(text, schema_print(row, &second, again, sizeof(again))) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int problems = 0, i;
	struct conf *c;
	int ret = conf_parse(data, size, &c, count, &problems);

	if (!c || (ret == 0) != (problems == 0) || c->problems != problems)
		abort();
	for (i = 0; i < c->nentries; i++) {
		const char *p;

		for (p = c->entries[i].value; *p; p++)
			if ((*p < ' ' && *p != '\t') || *p == 0x7f)
				abort();
		if (c->entries[i].line == 0 ||
		    conf_find(c, c->entries[i].section, c->entries[i].key) != &c->entries[i])
			abort();
		round_trip(&c->entries[i]);
	}
	conf_free(c);
	return 0;
}
