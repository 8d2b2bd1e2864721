/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Talking to provisiond, and printing what it says without letting it talk to the terminal.  Runs in sshbay.
 */
#include "cli.h"

#include <limits.h>
#include <string.h>

#include "base/fd.h"
#include "settings.h"

union row {
	struct admin_workspace workspace;
	struct admin_session session;
	struct admin_lease lease;
	struct admin_event event;
	struct admin_done done;
	struct admin_failed failed;
	struct admin_progress progress;
	struct admin_fact fact;
	struct admin_host host;
};

void cli_print(FILE *f, const char *text)
{
	char vis[1024];

	while (*text) {
		size_t n = strcspn(text, "\\");

		if (n > sizeof(vis) / 4 - 1)
			n = sizeof(vis) / 4 - 1;
		fputs(str_vis(text, n, vis, sizeof(vis)), f);
		text += n;
		for (; *text == '\\'; text++)
			fputc('\\', f);
	}
}

/* Texts of provisiond may have several lines; what is inside of a line is escaped. */
static void print_lines(FILE *f, const char *text)
{
	char line[PATH_MAX + 512];

	while (*text) {
		size_t n = strcspn(text, "\n");

		(void)str_format(line, sizeof(line), "%.*s",
				 (int)(n < sizeof(line) ? n : sizeof(line) - 1), text);
		cli_print(f, line);
		fputs("\n", f);
		text += n + (text[n] == '\n');
	}
}

int cli_fail(const char *text)
{
	fputs("sshbay: ", stderr);
	print_lines(stderr, text);
	return CLI_FAILED;
}

int cli_name(const char *verb, const char *text, char name[STR_NAME_MAX])
{
	if (!str_is_name(text, strlen(text)))
		return cli_usage(verb, "'%s' is not a name (a-z, 0-9, _ and -, at most 31)", text);
	return str_copy(name, STR_NAME_MAX, text) < 0 ? CLI_USAGE : 0;
}

static int config_error(const struct settings_report *report)
{
	print_lines(stderr,
		    report->text ? report->text : "sshbay: the configuration cannot be loaded");
	return CLI_CONFIG;
}

static int connect_error(const char *path, const struct err *e)
{
	char text[PATH_MAX + 128];
	const char *hint = "is it the right configuration?";

	if (e->code == ENOENT || e->code == ECONNREFUSED)
		hint = "provisiond does not run: systemctl start provisiond";
	else if (e->code == EACCES || e->code == EPERM)
		hint = "only root may talk to provisiond";
	else if (e->code == EAGAIN)
		hint = "provisiond is busy, try again";
	(void)str_format(text, sizeof(text), "connect to provisiond at '%s': %s (%s)", path,
			 strerrordesc_np(e->code), hint);
	return cli_fail(text);
}

int cli_settings(struct cli *c, struct settings **out)
{
	struct settings_report report = { 0 };
	int status = CLI_OK;

	*out = NULL;
	if (settings_load(c->config, out, &report) < 0)
		status = config_error(&report);
	settings_report_free(&report);
	return status;
}

/* What provisiond runs with is not what the files say. */
static void warn_broken(const struct cli *c, const struct settings_report *report)
{
	char text[PATH_MAX + 160];

	(void)str_format(text, sizeof(text),
			 "warning: '%s' has %u mistake%s; provisiond keeps what it loaded before "
			 "(sshbay check)",
			 c->config, report->count, report->count == 1 ? "" : "s");
	(void)cli_fail(text);
}

int cli_connect(struct cli *c, int *status)
{
	struct settings_report report = { 0 };
	char run[PATH_MAX], path[PATH_MAX];
	struct settings *s = NULL;
	struct err e = { 0 };
	bool good = settings_load(c->config, &s, &report) == 0;
	int fd = -1;

	*status = CLI_FAILED;
	if (good)
		(void)str_copy(run, sizeof(run), s->storage.run);
	else if (settings_run(c->config, run) < 0)
		run[0] = '\0';
	settings_free(s);
	if (!run[0]) {
		*status = config_error(&report);
	} else if (str_format(path, sizeof(path), "%s/admin.sock", run) < 0) {
		*status = cli_fail("connect to provisiond: [storage] run is too long");
	} else {
		fd = msg_connect(path, &e);
		if (fd < 0)
			*status = good ? connect_error(path, &e) : config_error(&report);
		else if (!good)
			warn_broken(c, &report);
	}
	settings_report_free(&report);
	return fd;
}

int cli_ask(struct cli *c, uint32_t type, const void *req, void (*row)(void *ctx, const void *body),
	    void *ctx)
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
		if (m.type == ADMIN_DONE) {
			print_lines(stdout, body.done.text);
			return CLI_OK;
		}
		if (row && (m.type & 1))
			row(ctx, &body);
		if (ferror(stdout))
			return CLI_FAILED;
	}
	return cli_fail(
		r < 0 ? e.text
		      : "talk to provisiond: it closed the connection (journalctl -u provisiond)");
}
