/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs that only ask: list, show, leases, events, status, reload.  Runs in sshbay.
 */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "base/clk.h"
#include "fields.h"
#include "grid.h"
#include "settings.h"
#include "space.h"

#define JSON_FORM                                                                                  \
	(JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Where rows go: into an array, or into a grid. */
struct sink {
	const struct field *fields;
	struct json_object *array; /* NULL: for people */
	struct grid grid;
	void (*add)(struct grid *g, const void *row);
};

static void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_FORM));
	json_object_put(object);
}

static void take_row(void *ctx, const void *row)
{
	struct sink *s = ctx;
	struct admin_workspace w;

	if (s->array && s->fields == fields_workspace) {
		w = *(const struct admin_workspace *)row;
		space_fill(&w);
		json_object_array_add(s->array, field_json(s->fields, &w));
	} else if (s->array)
		json_object_array_add(s->array, field_json(s->fields, row));
	else
		s->add(&s->grid, row);
}

/* Ask for rows and print them. A failure prints no half list. */
static int print_rows(struct cli *c, uint32_t type, const struct admin_name *req, struct sink *s)
{
	int status;

	if (c->json)
		s->array = json_object_new_array();
	status = cli_ask(c, type, req, take_row, s);
	if (status == CLI_OK && s->array)
		print_json(s->array);
	else if (status == CLI_OK)
		grid_print(&s->grid, stdout);
	return status;
}

/* At most one operand, a workspace. */
static int optional_name(int argc, char **argv, const struct cli_option *options,
			 struct admin_name *req)
{
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (argc > 2)
		return cli_usage(argv[0], "takes one workspace at most");
	return argc == 2 ? cli_name(argv[0], argv[1], req->name) : 0;
}

static const struct cli_option no_options[] = { { NULL, NULL, NULL } };

static void add_workspace(struct grid *g, const void *row)
{
	const struct admin_workspace *w = row;
	char sessions[16], started[40] = "";
	const char *cells[] = { w->name,  w->state, w->control_ip, w->users,
				sessions, w->nic,   w->gpu,        started };

	(void)str_format(sessions, sizeof(sessions), "%" PRIu32, w->sessions);
	if (w->started)
		clk_text(w->started, started, sizeof(started));
	grid_add(g, cells);
}

int cli_list(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "NAME", "STATE", "ADDRESS", "USERS", "SESSIONS",
					     "NIC",  "GPU",   "STARTED", NULL };
	struct sink s = { .fields = fields_workspace,
			  .grid = { .heads = heads },
			  .add = add_workspace };
	struct admin_name req = { .tag = 1 };
	int r = cli_options(&argc, argv, no_options, NULL);

	if (r)
		return r;
	if (argc > 1)
		return cli_usage(argv[0], "takes no operand (one workspace: sshbay show NAME)");
	return print_rows(c, ADMIN_LIST, &req, &s);
}

struct shown {
	bool json;
};

static void show_workspace(void *ctx, const void *row)
{
	struct admin_workspace w = *(const struct admin_workspace *)row;
	const struct shown *s = ctx;
	char text[600];

	space_fill(&w);
	if (s->json) {
		print_json(field_json(fields_workspace, &w));
		return;
	}
	for (const struct field *f = fields_workspace; f->name; f++) {
		field_text(f, &w, text, sizeof(text));
		printf("%-12s ", f->name);
		cli_print(stdout, text);
		/* Aligned where the value leaves room for it. */
		printf("%*s  ; %s\n", strlen(text) < 26 ? (int)(26 - strlen(text)) : 0, "",
		       f->help);
	}
}

int cli_show(struct cli *c, int argc, char **argv)
{
	struct admin_name req = { .tag = 1 };
	struct shown s = { c->json };
	int r = cli_options(&argc, argv, no_options, NULL);

	if (r)
		return r;
	if (argc != 2)
		return cli_usage(argv[0], "needs one workspace");
	r = cli_name(argv[0], argv[1], req.name);
	return r ? r : cli_ask(c, ADMIN_LIST, &req, show_workspace, &s);
}

static void add_lease(struct grid *g, const void *row)
{
	const struct admin_lease *l = row;
	char since[40] = "";
	const char *cells[] = { l->kind, l->object, l->owner, since, l->detail };

	if (l->since)
		clk_text(l->since, since, sizeof(since));
	grid_add(g, cells);
}

int cli_leases(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "KIND", "OBJECT", "OWNER", "SINCE", "DETAIL", NULL };
	struct sink s = { .fields = fields_lease, .grid = { .heads = heads }, .add = add_lease };
	struct admin_name req = { .tag = 1 };
	int r = optional_name(argc, argv, no_options, &req);

	return r ? r : print_rows(c, ADMIN_LEASES, &req, &s);
}

/* An audit line is JSON, one object a line; it is passed on as it is, at once. */
static void print_event(void *ctx, const void *row)
{
	const struct admin_event *event = row;

	(void)ctx;
	for (const char *p = event->line; *p; p++) {
		uint8_t byte = (uint8_t)*p;

		if (byte >= 0x20 && byte <= 0x7e)
			putchar(byte);
		else
			printf("\\u%04x", byte);
	}
	putchar('\n');
	(void)fflush(stdout);
}

int cli_events(struct cli *c, int argc, char **argv)
{
	struct admin_name req = { .tag = 1 };
	bool follow = false;
	const struct cli_option options[] = { { "--follow", &follow, NULL }, { NULL, NULL, NULL } };
	int r = optional_name(argc, argv, options, &req);

	req.follow = follow;
	return r ? r : cli_ask(c, ADMIN_EVENTS, &req, print_event, NULL);
}

static int plain(struct cli *c, int argc, char **argv, uint32_t type)
{
	struct admin_name req = { .tag = 1 };
	int r = cli_options(&argc, argv, no_options, NULL);

	if (r)
		return r;
	if (argc > 1)
		return cli_usage(argv[0], "takes no operand");
	return cli_ask(c, type, &req, NULL, NULL);
}

int cli_status(struct cli *c, int argc, char **argv)
{
	return plain(c, argc, argv, ADMIN_STATUS);
}

int cli_reload(struct cli *c, int argc, char **argv)
{
	struct settings *s = NULL;
	int status = argc > 1 ? 0 : cli_settings(c, &s); /* all mistakes; provisiond tells one */

	settings_free(s);
	return status ? status : plain(c, argc, argv, ADMIN_RELOAD);
}
