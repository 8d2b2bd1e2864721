/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `sshbay penalties`: the sources that the gate refuses ([penalties]), and letting one in again.  Runs in sshbay. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "base/fd.h"
#include "fields.h"
#include "grid.h"

union row {
	struct admin_source source;
	struct admin_done done;
	struct admin_failed failed;
};

struct listing {
	struct json_object *array; /* NULL: text */
	struct grid grid;
};

static void take(struct listing *l, const struct admin_source *s)
{
	char left[32];
	const char *cells[] = { s->source, left };

	if (l->array) {
		json_object_array_add(l->array, field_json(fields_source, s));
		return;
	}
	(void)str_format(left, sizeof(left), "%" PRIu32 " s", s->left_s);
	grid_add(&l->grid, cells);
}

static int talk(int fd, struct listing *l, char *text, size_t size)
{
	union row body;
	struct err e = { 0 };
	struct msg m;
	int r;

	while ((r = msg_recv(fd, &admin_proto, &body, sizeof(body), &m, &e)) == 1) {
		msg_close_fds(&m);
		if (m.type == ADMIN_FAILED)
			return cli_fail(body.failed.text);
		if (m.type == ADMIN_SOURCE)
			take(l, &body.source);
		if (m.type != ADMIN_DONE)
			continue;
		(void)str_copy(text, size, body.done.text);
		return CLI_OK;
	}
	return cli_fail(r < 0 ? e.text : "talk to provisiond: it closed the connection");
}

int cli_penalties(struct cli *c, int argc, char **argv)
{
	static const char *const heads[] = { "SOURCE", "REFUSED FOR", NULL };
	struct listing l = { .grid = { .heads = heads } };
	struct admin_sources req = { .tag = 1 };
	const char *lift = NULL;
	const struct cli_option options[] = { { "--lift", NULL, &lift }, { NULL, NULL, NULL } };
	char text[512] = "";
	struct err e = { 0 };
	auto_fd int fd = -1;
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (argc != 1)
		return cli_usage(argv[0], "takes no arguments");
	if (lift && (!*lift || str_copy(req.lift, sizeof(req.lift), lift) < 0))
		return cli_usage(argv[0], "'%s' is no address, network or \"all\"", lift);
	fd = cli_connect(c, &r);
	if (fd < 0)
		return r;
	if (msg_send(fd, &admin_proto, ADMIN_SOURCES, &req, &e) < 0)
		return cli_fail(e.text);
	l.array = c->json ? json_object_new_array() : NULL;
	r = talk(fd, &l, text, sizeof(text));
	if (r == CLI_OK && c->json)
		puts(json_object_to_json_string_ext(
			l.array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					 JSON_C_TO_STRING_NOSLASHESCAPE));
	if (r == CLI_OK && !c->json) {
		grid_print(&l.grid, stdout);
		cli_print(stdout, text);
		puts("");
	}
	json_object_put(l.array);
	return r;
}
