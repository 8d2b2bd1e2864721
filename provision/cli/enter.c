/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * enter: a shell or a command inside a workspace.  provisiond hands over a connected ws-init socket; from there on
 * everything that arrives is the tenant's and is checked.  Runs in sshbay, as the admin; nothing of it goes inside.
 */
#include "cli.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "proto/init.h"
#include "proxy.h"

#define SPAWN_ID 1

struct request {
	struct admin_name name;
	int ncommand;
	char **command;
	bool pty;
};

union answer {
	struct admin_done done;
	struct admin_failed admin_failed;
	struct init_bound bound;
	struct init_spawned spawned;
	struct init_exited exited;
	struct init_failed failed;
};

/* Ask provisiond for the socket. fd, or -1 with the exit status (printed). */
static int connect_inside(struct cli *c, const struct request *rq, int *status)
{
	auto_fd int admin = cli_connect(c, status);
	struct err e = { 0 };
	union answer body;
	struct msg m;
	int r, fd;

	if (admin < 0)
		return -1;
	*status = CLI_FAILED;
	if (msg_send(admin, &admin_proto, ADMIN_ENTER, &rq->name, &e) < 0 ||
	    (r = msg_recv(admin, &admin_proto, &body, sizeof(body), &m, &e)) < 0) {
		(void)cli_fail(e.text);
		return -1;
	}
	if (r == 1 && m.type == ADMIN_ENTERED) {
		fd = fd_take(&m.fds[0]);
		msg_close_fds(&m);
		return fd;
	}
	msg_close_fds(&m);
	(void)cli_fail(r == 1 && m.type == ADMIN_FAILED
			       ? body.admin_failed.text
			       : "talk to provisiond: it closed the connection");
	return -1;
}

/* Wait for `type` from ws-init. 0, or -errno. */
static int await(int sock, uint32_t type, union answer *body, struct msg *m, struct err *e)
{
	int r = msg_recv(sock, &init_proto, body, sizeof(*body), m, e);
	char text[INIT_TEXT_MAX];

	if (r < 0)
		return err_wrap(e, "talk to ws-init");
	if (r == 0)
		return err_set(e, ECONNRESET, "talk to ws-init: it closed the connection");
	if (m->type == type)
		return 0;
	msg_close_fds(m);
	if (m->type == INIT_FAILED)
		return err_set(
			e, body->failed.code ? (int)body->failed.code : EIO, "%s",
			str_vis(body->failed.text, strlen(body->failed.text), text, sizeof(text)));
	return err_set(e, EPROTO, "talk to ws-init: unexpected answer %s", m->row->name);
}

/* Append one word in single quotes; the shell inside gives back exactly this word. */
static int quote(struct init_spawn *s, const char *word)
{
	static const uint8_t escaped[] = { '\'', '\\', '\'', '\'' };
	uint8_t *out = s->command.data;
	size_t at = s->command.len, max = sizeof(s->command.data);
	const char *p;

	if (at + 3 > max)
		return -E2BIG;
	if (at)
		out[at++] = ' ';
	out[at++] = '\'';
	for (p = word; *p && at + 5 < max; p++) {
		if (*p == '\'') {
			memcpy(out + at, escaped, sizeof(escaped));
			at += sizeof(escaped);
		} else {
			out[at++] = (uint8_t)*p;
		}
	}
	if (*p)
		return -E2BIG;
	out[at++] = '\'';
	s->command.len = (uint32_t)at;
	return 0;
}

static void describe_terminal(struct init_spawn *s)
{
	const char *term = getenv("TERM");
	struct winsize ws;

	proxy_size(&ws);
	s->flags = INIT_PTY;
	s->cols = ws.ws_col;
	s->rows = ws.ws_row;
	s->xpixel = ws.ws_xpixel;
	s->ypixel = ws.ws_ypixel;
	if (!term || str_copy(s->term, sizeof(s->term), term) < 0)
		(void)str_copy(s->term, sizeof(s->term), "dumb");
}

static int send_spawn(int sock, const struct request *rq, struct err *e)
{
	static struct init_spawn spawn; /* one per process, and too large for the stack */
	struct init_spawn *s = &spawn;

	s->id = SPAWN_ID;
	s->kind = rq->ncommand ? INIT_EXEC : INIT_SHELL;
	for (int i = 0; i < rq->ncommand; i++)
		if (quote(s, rq->command[i]) < 0)
			return err_set(e, E2BIG, "start command: it is longer than %d bytes",
				       INIT_COMMAND_MAX);
	if (rq->pty)
		describe_terminal(s);
	return msg_send(sock, &init_proto, INIT_SPAWN, s, e);
}

static bool is_kind(int fd, mode_t a, mode_t b)
{
	struct stat st;

	return fstat(fd, &st) == 0 && ((st.st_mode & S_IFMT) == a || (st.st_mode & S_IFMT) == b);
}

/* What came must be what was asked for: a terminal, or three pipes. */
static int take_fds(struct proxy *p, struct msg *m, struct err *e)
{
	if (p->pty) {
		if (m->nfds != 1 || !is_kind(m->fds[0], S_IFCHR, S_IFCHR) || !isatty(m->fds[0]))
			return err_set(e, EPROTO, "talk to ws-init: it sent no terminal");
		p->in = fd_take(&m->fds[0]);
		p->out = fcntl(p->in, F_DUPFD_CLOEXEC, 3);
		return p->out < 0 ? err_sys(e, "duplicate terminal") : 0;
	}
	if (m->nfds != 3)
		return err_set(e, EPROTO, "talk to ws-init: it sent %u descriptors, not 3",
			       m->nfds);
	for (uint32_t i = 0; i < 3; i++)
		if (!is_kind(m->fds[i], S_IFIFO, S_IFSOCK))
			return err_set(e, EPROTO,
				       "talk to ws-init: it sent something that is no pipe");
	p->in = fd_take(&m->fds[0]);
	p->out = fd_take(&m->fds[1]);
	p->error = fd_take(&m->fds[2]);
	return 0;
}

/* The command's exit status, or -errno. */
static int run_inside(int sock, const struct request *rq, struct err *e)
{
	struct proxy p = { .control = sock, .in = -1, .out = -1, .error = -1, .pty = rq->pty };
	union answer body;
	struct msg m;
	int r = await(sock, INIT_BOUND, &body, &m, e);

	if (r == 0)
		r = send_spawn(sock, rq, e);
	/* Gone already: what it said before is the better message. */
	if (r == 0 || r == -EPIPE)
		r = await(sock, INIT_SPAWNED, &body, &m, e);
	if (r < 0)
		return r;
	r = body.spawned.id == SPAWN_ID
		    ? take_fds(&p, &m, e)
		    : err_set(e, EPROTO, "talk to ws-init: an answer to another request");
	msg_close_fds(&m);
	if (r == 0)
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
	sock = connect_inside(c, &rq, &status);
	if (sock < 0)
		return status;
	r = run_inside(sock, &rq, &e);
	if (r >= 0)
		return r;
	(void)str_format(text, sizeof(text), "enter workspace '%s': %s", rq.name.name, e.text);
	return cli_fail(text);
}
