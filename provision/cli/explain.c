/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay explain`: asks provisiond what would become of a login and prints the answers with the file and line that
 * decided each.  Runs in sshbay; the files are only read for the line numbers.
 */
#include "cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "conf.h"

struct explained {
	struct cli *cli;
	struct json_object *array; /* NULL: for people */
};

static void ignore(void *ctx, unsigned int line, const char *section, const char *key,
		   const char *reason)
{
}

/* Line of the key in the file, 0 when it is not there: the standard value holds. */
static unsigned int find_line(const char *file, const char *section, const char *key)
{
	const struct conf_entry *entry;
	struct conf *conf = NULL;
	unsigned int line;

	(void)conf_load(file, &conf, ignore, NULL);
	entry = conf ? conf_find(conf, section, key) : NULL;
	line = entry ? entry->line : 0;
	conf_free(conf);
	return line;
}

/* What a workspace's file does not say, [defaults] may. */
static void locate(const struct explained *x, struct admin_fact *f)
{
	if (f->line || !f->file[0] || !f->key[0])
		return;
	f->line = find_line(f->file, f->section, f->key);
	if (f->line || strncmp(f->section, "workspace", 9) != 0)
		return;
	(void)str_copy(f->file, sizeof(f->file), x->cli->config);
	(void)str_copy(f->section, sizeof(f->section), "defaults");
	f->line = find_line(f->file, f->section, f->key);
}

static void print_fact(const struct admin_fact *f)
{
	char place[700] = "", key[128] = "";

	if (f->key[0])
		(void)str_format(key, sizeof(key), " [%s] %s", f->section, f->key);
	if (f->file[0] && f->line)
		(void)str_format(place, sizeof(place), "  (%s:%u%s)", f->file, f->line, key);
	else if (f->key[0])
		(void)str_format(place, sizeof(place), "  (%s, not set)", key + 1);
	printf("%-11s ", f->name);
	cli_print(stdout, f->value);
	cli_print(stdout, place);
	putchar('\n');
}

static struct json_object *text_or_null(const char *text)
{
	return *text ? json_object_new_string(text) : NULL;
}

static struct json_object *fact_json(const struct admin_fact *f)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(f->name));
	json_object_object_add(o, "value", json_object_new_string(f->value));
	json_object_object_add(o, "file", text_or_null(f->file));
	json_object_object_add(o, "line", f->line ? json_object_new_int64(f->line) : NULL);
	json_object_object_add(o, "section", text_or_null(f->section));
	json_object_object_add(o, "key", text_or_null(f->key));
	return o;
}

static void take_fact(void *ctx, const void *row)
{
	struct explained *x = ctx;
	struct admin_fact f;

	memcpy(&f, row, sizeof(f));
	locate(x, &f);
	if (x->array)
		json_object_array_add(x->array, fact_json(&f));
	else
		print_fact(&f);
}

int cli_explain(struct cli *c, int argc, char **argv)
{
	const char *address = NULL, *from = NULL, *at;
	const struct cli_option options[] = { { "--address", NULL, &address },
					      { "--from", NULL, &from },
					      { NULL, NULL, NULL } };
	struct admin_explain req = { .tag = 1 };
	struct explained x = { .cli = c };
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (argc != 2)
		return cli_usage(argv[0], "needs one login: USER, USER+WORKSPACE or LOGIN@ADDRESS");
	at = strrchr(argv[1], '@');
	if (at && address)
		return cli_usage(argv[0], "the address is given twice");
	if (at)
		address = at + 1;
	if (str_format(req.login, sizeof(req.login), "%.*s",
		       at ? (int)(at - argv[1]) : (int)strlen(argv[1]), argv[1]) ||
	    str_copy(req.address, sizeof(req.address), address ? address : "") ||
	    str_copy(req.from, sizeof(req.from), from ? from : ""))
		return cli_usage(argv[0], "a login or an address is too long");
	if (c->json)
		x.array = json_object_new_array();
	r = cli_ask(c, ADMIN_EXPLAIN, &req, take_fact, &x);
	if (r == CLI_OK && x.array)
		puts(json_object_to_json_string_ext(
			x.array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(x.array);
	return r;
}
