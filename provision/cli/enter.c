/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * enter: a shell or a command inside a workspace (inside.h), with our descriptors or terminal.  Runs in sshbay, as the
 * admin; nothing of it goes inside.
 */
#include "cli.h"

#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "inside.h"
#include "proxy.h"

struct request {
	struct admin_name name;
	int ncommand;
	char **command;
	bool pty;
};

/* The command's exit status, or -errno. */
static int run_inside(int sock, const struct request *rq, struct err *e)
{
	struct inside_spawn s = { .nwords = rq->ncommand,
				  .words = (const char *const *)rq->command,
				  .pty = rq->pty };
	struct proxy p = { .control = sock, .pty = rq->pty };
	int r = inside_spawn(sock, &s, e);

	if (r < 0)
		return r;
	p.in = s.fds[0];
	p.out = s.fds[1];
	p.error = s.fds[2];
	r = proxy_run(&p, e);
	proxy_close(&p);
	return r;
}

static int parse(int argc, char **argv, struct request *rq)
{
	const char *user = NULL;
	const struct cli_option options[] = { { "--user", NULL, &user }, { NULL, NULL, NULL } };
	int rest, r = cli_options(&argc, argv, options, &rest);

	if (r)
		return r;
	if (rest < 2)
		return cli_usage(argv[0], "needs a workspace");
	if (rest > 2)
		return cli_usage(argv[0], "takes one workspace; put -- before the command");
	if (user && !str_is_name(user, strlen(user)))
		return cli_usage(argv[0], "'%s' is not a user name", user);
	(void)str_copy(rq->name.user, sizeof(rq->name.user), user ? user : "");
	rq->command = argv + rest;
	rq->ncommand = argc - rest;
	return cli_name(argv[0], argv[1], rq->name.name);
}

int cli_enter(struct cli *c, int argc, char **argv)
{
	struct request rq = { .name = { .tag = 1 },
			      .pty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) };
	auto_fd int sock = -1;
	struct err e = { 0 };
	char text[ERR_TEXT_MAX + STR_NAME_MAX + 32];
	int status, r;

	status = parse(argc, argv, &rq);
	if (status)
		return status;
	sock = inside_connect(c, &rq.name, &status);
	if (sock < 0)
		return status;
	r = run_inside(sock, &rq, &e);
	if (r >= 0)
		return r;
	(void)str_format(text, sizeof(text), "enter workspace '%s': %s", rq.name.name, e.text);
	return cli_fail(text);
}
