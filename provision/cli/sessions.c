/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay sessions` and `sshbay kick`: who is in, what they do, and an end of it.  Runs in sshbay.  Targets of forwards are
 * what a hostile session says they are.
 */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "base/clk.h"
#include "base/fd.h"
#include "fields.h"
#include "grid.h"

#define ID_SHOWN 8 /* digits of a connection id: enough for `sshbay kick` */
#define KINDS    8

/* Rows of channels follow the row of their connection: it is printed when the next one, or the end, is there. */
struct listing {
	bool json, any;
	struct json_object *array, *channels;
	struct grid grid;
	struct admin_session session;
	struct {
		char name[16];
		unsigned int n;
	} kinds[KINDS];
};

union row {
	struct admin_session session;
	struct admin_channel channel;
	struct admin_done done;
	struct admin_failed failed;
};

static void flush(struct listing *l)
{
	const struct admin_session *s = &l->session;
	char since[40] = "", id[ID_SHOWN + 1], what[256] = "";
	const char *cells[] = { id,      s->user, s->workspace,
				s->peer, since,   s->fingerprint[0] ? s->fingerprint : s->method,
				what };
	size_t used = 0;

	if (!l->any || l->json)
		return;
	(void)str_format(id, sizeof(id), "%.*s", ID_SHOWN, s->id);
	clk_text(s->since, since, sizeof(since));
	for (unsigned int k = 0; k < KINDS && l->kinds[k].n; k++, used = strlen(what))
		(void)str_format(what + used, sizeof(what) - used,
				 l->kinds[k].n > 1 ? "%s%s (%u)" : "%s%s", k ? ", " : "",
				 l->kinds[k].name, l->kinds[k].n);
	grid_add(&l->grid, cells);
}

static void take_session(struct listing *l, const struct admin_session *s)
{
	struct json_object *o;

	flush(l);
	l->any = true;
	l->session = *s;
	memset(l->kinds, 0, sizeof(l->kinds));
	if (!l->json)
		return;
	o = field_json(fields_session, s);
	l->channels = json_object_new_array();
	json_object_object_add(o, "channels", l->channels);
	json_object_array_add(l->array, o);
}

static void take_channel(struct listing *l, const struct admin_channel *ch)
{
	if (l->channels)
		json_object_array_add(l->channels, field_json(fields_channel, ch));
	for (unsigned int k = 0; k < KINDS; k++) {
		if (l->kinds[k].n && strcmp(l->kinds[k].name, ch->kind) != 0)
			continue;
		(void)str_copy(l->kinds[k].name, sizeof(l->kinds[k].name), ch->kind);
		l->kinds[k].n++;
		return;
	}
}

/* Send one request and take its rows (`l` may be NULL). A failure prints no half list. */
static int talk(struct cli *c, uint32_t type, const void *req, struct listing *l)
{
	auto_fd int fd = -1;
	union row body;
	struct err e = { 0 };
	struct msg m;
	int status = CLI_FAILED, r;

	fd = cli_connect(c, &status);
	if (fd < 0)
		return status;
	if (msg_send(fd, &admin_proto, type, req, &e) < 0)
		return cli_fail(e.text);
	while ((r = msg_recv(fd, &admin_proto, &body, sizeof(body), &m, &e)) == 1) {
		msg_close_fds(&m);
		if (m.type == ADMIN_FAILED)
			return cli_fail(body.failed.text);
		if (m.type == ADMIN_SESSION && l)
			take_session(l, &body.session);
		else if (m.type == ADMIN_CHANNEL && l)
			take_channel(l, &body.channel);
		else if (m.type == ADMIN_DONE)
			break;
	}
	if (r != 1)
		return cli_fail(r < 0 ? e.text : "talk to provisiond: it closed the connection");
	if (body.done.text[0]) {
		cli_print(stdout, body.done.text);
		puts("");
	}
	return CLI_OK;
}

int cli_sessions(struct cli *c, int argc, char **argv)
{
	static const struct cli_option none[] = { { NULL, NULL, NULL } };
	static const char *const heads[] = { "ID",    "USER", "WORKSPACE", "FROM",
					     "SINCE", "KEY",  "CHANNELS",  NULL };
	struct listing l = { .json = c->json, .grid = { .heads = heads } };
	struct admin_name req = { .tag = 1 };
	int r = cli_options(&argc, argv, none, NULL);

	if (!r && argc > 2)
		r = cli_usage(argv[0], "takes one workspace at most");
	if (!r && argc == 2)
		r = cli_name(argv[0], argv[1], req.name);
	if (r)
		return r;
	l.array = l.json ? json_object_new_array() : NULL;
	r = talk(c, ADMIN_SESSIONS, &req, &l);
	flush(&l);
	if (r == CLI_OK && l.json)
		puts(json_object_to_json_string_ext(
			l.array, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					 JSON_C_TO_STRING_NOSLASHESCAPE));
	else if (r == CLI_OK)
		grid_print(&l.grid, stdout);
	json_object_put(l.array);
	return r;
}

int cli_kick(struct cli *c, int argc, char **argv)
{
	struct admin_kick req = { .tag = 1 };
	const char *message = NULL;
	const struct cli_option options[] = { { "--message", NULL, &message },
					      { NULL, NULL, NULL } };
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (argc != 2 || !argv[1][0])
		return cli_usage(argv[0], "needs a connection's id, a user or a workspace");
	if (str_copy(req.who, sizeof(req.who), argv[1]) < 0)
		return cli_usage(argv[0], "'%s' is no id, user or workspace", argv[1]);
	if (message && str_copy(req.message, sizeof(req.message), message) < 0)
		return cli_usage(argv[0], "the message is longer than %zu bytes",
				 sizeof(req.message) - 1);
	return talk(c, ADMIN_KICK, &req, NULL);
}
