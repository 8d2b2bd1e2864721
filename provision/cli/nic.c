/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nic list, nic recover, nic attach: the host's NICs and their ways.  Runs in sshbay.
 */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include "base/clk.h"
#include "fields.h"
#include "grid.h"

struct sink {
	struct json_object *array; /* NULL: for people */
	struct grid grid;
};

static void add(struct grid *g, const struct admin_nic *n)
{
	static const char *const carrier[] = { "", "no", "yes" };
	char numa[16] = "", speed[32] = "", owner[STR_NAME_MAX + 40], since[40] = "";
	const char *cells[] = {
		n->name, n->id, n->state, owner, numa, speed, carrier[n->carrier % 3], n->detail
	};

	if (n->numa)
		(void)str_format(numa, sizeof(numa), "%" PRIu32, n->numa - 1);
	if (n->speed)
		(void)str_format(speed, sizeof(speed), "%" PRIu32, n->speed);
	if (n->since)
		clk_text(n->since, since, sizeof(since));
	(void)str_format(owner, sizeof(owner), "%s%s%s", n->owner,
			 n->since                  ? " since "
			 : n->pool && !n->owner[0] ? "(pool)"
						   : "",
			 since);
	grid_add(g, cells);
}

static void take(void *ctx, const void *row)
{
	struct sink *s = ctx;

	if (s->array)
		json_object_array_add(s->array, field_json(fields_nic, row));
	else
		add(&s->grid, row);
}

static int list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "NAME",   "ID",      "STATE",  "OWNER", "NUMA",
					     "MBIT/S", "CARRIER", "DETAIL", NULL };
	struct sink s = { .grid = { .heads = heads } };
	struct admin_nics req = { .tag = 1 };
	int status;

	if (argc > 2)
		return cli_usage(argv[0], "list takes no operand");
	if (c->json)
		s.array = json_object_new_array();
	status = cli_ask(c, ADMIN_NICS, &req, take, &s);
	if (status == CLI_OK && s.array)
		puts(json_object_to_json_string_ext(
			s.array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					 JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (status == CLI_OK)
		grid_print(&s.grid, stdout);
	if (s.array)
		json_object_put(s.array);
	return status;
}

static int recover(struct cli *c, int argc, char **argv, bool force)
{
	struct admin_nics req = { .tag = 1, .force = force };

	if (argc != 3 || str_copy(req.recover, sizeof(req.recover), argv[2]) || !req.recover[0])
		return cli_usage(argv[0], "recover needs one NIC, by name or id");
	return cli_ask(c, ADMIN_NICS, &req, NULL, NULL);
}

static int attach(struct cli *c, int argc, char **argv)
{
	struct admin_operate req = { .tag = 1, .operation = ADMIN_ATTACH };
	int r;

	if (argc != 3)
		return cli_usage(argv[0], "attach needs one workspace");
	r = cli_name(argv[0], argv[2], req.name);
	return r ? r : cli_ask(c, ADMIN_OPERATE, &req, NULL, NULL);
}

int cli_nic(struct cli *c, int argc, char **argv)
{
	bool force = false;
	const struct cli_option options[] = { { "--force", &force, NULL }, { NULL, NULL, NULL } };
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (argc < 2)
		return cli_usage(argv[0], "list, recover or attach?");
	if (force && strcmp(argv[1], "recover") != 0)
		return cli_usage(argv[0], "--force is for recover");
	if (strcmp(argv[1], "list") == 0)
		return list(c, argc, argv);
	if (strcmp(argv[1], "recover") == 0)
		return recover(c, argc, argv, force);
	if (strcmp(argv[1], "attach") == 0)
		return attach(c, argc, argv);
	return cli_usage(argv[0], "unknown verb '%s'", argv[1]);
}
