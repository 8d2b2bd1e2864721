/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands inside a workspace.  provisiond hands over a connected ws-init socket; from there on everything that arrives
 * is the tenant's and is checked.  Runs in sshbay, as the admin; nothing of it goes inside.
 */
#include "inside.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "proto/init.h"
#include "proxy.h"

#define SPAWN_ID  1
#define ANSWER_S  20    /* a ws-init that does not answer for so long is not waited for */
#define RUN_MS    30000 /* for what inside_run runs */
#define QUIET_MS  100   /* after the exit: for output that a background process keeps open */
#define CHUNK     65536
#define WATCH_MAX 4

union answer {
	struct admin_done done;
	struct admin_failed admin_failed;
	struct init_bound bound;
	struct init_spawned spawned;
	struct init_exited exited;
	struct init_failed failed;
};

int inside_connect(struct cli *c, const struct admin_name *name, int *status)
{
	auto_fd int admin = cli_connect(c, status);
	struct err e = { 0 };
	union answer body;
	struct msg m;
	int r, fd;

	if (admin < 0)
		return -1;
	*status = CLI_FAILED;
	if (msg_send(admin, &admin_proto, ADMIN_ENTER, name, &e) < 0 ||
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

	if (r == -EAGAIN)
		return err_set(e, ETIMEDOUT, "talk to ws-init: no answer within %d s", ANSWER_S);
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

static int send_spawn(int sock, const struct inside_spawn *in, struct err *e)
{
	static struct init_spawn spawn; /* one at a time, and too large for the stack */
	struct init_spawn *s = &spawn;

	s->id = SPAWN_ID;
	s->kind = in->nwords ? INIT_EXEC : INIT_SHELL;
	s->flags = 0;
	s->command.len = 0;
	for (int i = 0; i < in->nwords; i++)
		if (quote(s, in->words[i]) < 0)
			return err_set(e, E2BIG, "start command: it is longer than %d bytes",
				       INIT_COMMAND_MAX);
	if (in->pty)
		describe_terminal(s);
	return msg_send(sock, &init_proto, INIT_SPAWN, s, e);
}

static bool is_kind(int fd, mode_t a, mode_t b)
{
	struct stat st;

	return fstat(fd, &st) == 0 && ((st.st_mode & S_IFMT) == a || (st.st_mode & S_IFMT) == b);
}

/* What came must be what was asked for: a terminal, or three pipes. */
static int take_fds(struct inside_spawn *s, struct msg *m, struct err *e)
{
	if (s->pty) {
		if (m->nfds != 1 || !is_kind(m->fds[0], S_IFCHR, S_IFCHR) || !isatty(m->fds[0]))
			return err_set(e, EPROTO, "talk to ws-init: it sent no terminal");
		s->fds[1] = fcntl(m->fds[0], F_DUPFD_CLOEXEC, 3);
		if (s->fds[1] < 0)
			return err_sys(e, "duplicate terminal");
		s->fds[0] = fd_take(&m->fds[0]);
		return 0;
	}
	if (m->nfds != 3)
		return err_set(e, EPROTO, "talk to ws-init: it sent %u descriptors, not 3",
			       m->nfds);
	for (uint32_t i = 0; i < 3; i++)
		if (!is_kind(m->fds[i], S_IFIFO, S_IFSOCK))
			return err_set(e, EPROTO,
				       "talk to ws-init: it sent something that is no pipe");
	for (uint32_t i = 0; i < 3; i++)
		s->fds[i] = fd_take(&m->fds[i]);
	return 0;
}

int inside_spawn(int sock, struct inside_spawn *s, struct err *e)
{
	union answer body;
	struct msg m;
	int r = await(sock, INIT_BOUND, &body, &m, e);

	s->fds[0] = s->fds[1] = s->fds[2] = -1;
	if (r == 0)
		r = send_spawn(sock, s, e);
	/* Gone already: what it said before is the better message. */
	if (r == 0 || r == -EPIPE)
		r = await(sock, INIT_SPAWNED, &body, &m, e);
	if (r < 0)
		return r;
	r = body.spawned.id == SPAWN_ID
		    ? take_fds(s, &m, e)
		    : err_set(e, EPROTO, "talk to ws-init: an answer to another request");
	msg_close_fds(&m);
	return r;
}

/* --- collecting --- */

static int fail(const struct inside *w, const struct err *e)
{
	char text[ERR_TEXT_MAX + STR_NAME_MAX + 32];

	(void)str_format(text, sizeof(text), "enter workspace '%s': %s", w->name, e->text);
	return cli_fail(text);
}

int inside_start(struct inside *w, struct cli *c, const char *name, const char *script)
{
	const char *words[] = { "sh", "-c", script };
	struct inside_spawn s = { .nwords = 3, .words = words };
	const struct timeval patience = { .tv_sec = ANSWER_S };
	struct admin_name request = { .tag = 1 };
	struct err e = { 0 };
	int status;

	*w = (struct inside){ .name = name, .control = -1, .in = -1, .out = -1, .error = -1 };
	(void)str_copy(request.name, sizeof(request.name), name);
	w->text = malloc(INSIDE_TEXT_MAX + 1);
	if (!w->text)
		return cli_fail("collect output: out of memory");
	w->text[0] = '\0';
	w->control = inside_connect(c, &request, &status);
	if (w->control < 0)
		return status;
	(void)setsockopt(w->control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (inside_spawn(w->control, &s, &e) < 0)
		return fail(w, &e);
	w->in = s.fds[0];
	w->out = s.fds[1];
	w->error = s.fds[2];
	(void)fd_nonblock(w->control, 1);
	(void)fd_nonblock(w->out, 1);
	(void)fd_nonblock(w->error, 1);
	return 0;
}

static int read_text(struct inside *w, struct err *e)
{
	size_t room = INSIDE_TEXT_MAX - w->len;
	ssize_t n = read(w->out, w->text + w->len, room < CHUNK ? room : CHUNK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		fd_close(&w->out);
		return 0;
	}
	w->len += (size_t)n;
	w->text[w->len] = '\0';
	if (w->len == INSIDE_TEXT_MAX)
		return err_set(e, EFBIG, "read what workspace '%s' prints: more than %d bytes",
			       w->name, INSIDE_TEXT_MAX - 1);
	return 0;
}

/* Of stderr only the beginning is kept. */
static void read_said(struct inside *w)
{
	char buf[4096];
	ssize_t n = read(w->error, buf, sizeof(buf));
	size_t room = sizeof(w->said) - 1 - w->nsaid;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fd_close(&w->error);
		return;
	}
	if ((size_t)n < room)
		room = (size_t)n;
	memcpy(w->said + w->nsaid, buf, room);
	w->nsaid += room;
	w->said[w->nsaid] = '\0';
}

static int read_control(struct inside *w, struct err *e)
{
	union answer body;
	struct msg m;
	int r = msg_recv_plain(w->control, &init_proto, &body, sizeof(body), &m, e);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return err_wrap(e, "workspace '%s'", w->name);
	if (r == 0)
		return err_set(e, ECONNRESET, "workspace '%s': it was stopped", w->name);
	msg_close_fds(&m);
	if (m.type != INIT_EXITED)
		return err_set(e, EPROTO, "workspace '%s': unexpected answer %s", w->name,
			       m.row->name);
	w->exited = true;
	w->status = (int)(body.exited.signal ? 128 + body.exited.signal : body.exited.status);
	return 0;
}

static int serve(struct inside *w, const struct pollfd *p, struct err *e)
{
	int r = p[0].revents ? read_text(w, e) : 0;

	if (p[1].revents)
		read_said(w);
	if (r == 0 && p[2].revents)
		r = read_control(w, e);
	return r;
}

static bool arrived(const struct inside *w, const char *until)
{
	return until && (strstr(w->text, until) || strchr(w->said, '\n'));
}

static bool ended(const struct inside *w)
{
	return w->exited && w->out < 0 && w->error < 0;
}

int inside_collect(struct inside *const *w, unsigned int n, const char *until, unsigned int ms,
		   struct err *e)
{
	uint64_t end = clk_now_us() + ms * UINT64_C(1000), now;
	struct pollfd p[3 * WATCH_MAX];
	int r = 0;

	if (n > WATCH_MAX)
		return err_set(e, EINVAL, "collect output: %u commands at once", n);
	while (!ended(w[0]) && !arrived(w[0], until)) {
		int left;

		now = clk_now_us();
		if (now >= end)
			return err_set(e, ETIMEDOUT,
				       "workspace '%s': the command did not end in time",
				       w[0]->name);
		left = (int)((end - now) / 1000) + 1;
		if (w[0]->exited && left > QUIET_MS)
			left = QUIET_MS;
		for (unsigned int i = 0; i < n; i++) {
			p[3 * i] = (struct pollfd){ .fd = w[i]->out, .events = POLLIN };
			p[3 * i + 1] = (struct pollfd){ .fd = w[i]->error, .events = POLLIN };
			p[3 * i + 2] = (struct pollfd){ .fd = w[i]->exited ? -1 : w[i]->control,
							.events = POLLIN };
		}
		r = poll(p, 3 * n, left);
		if (r < 0 && errno != EINTR)
			return err_sys(e, "wait for workspace '%s'", w[0]->name);
		if (r == 0 && w[0]->exited)
			return 0;
		for (unsigned int i = 0; r > 0 && i < n; i++)
			if (serve(w[i], &p[3 * i], e) < 0)
				return -e->code;
	}
	return 0;
}

void inside_end(struct inside *w)
{
	const struct init_signal kill = { .id = SPAWN_ID, .signal = SIGKILL };

	if (w->control >= 0 && w->in >= 0 && !w->exited)
		(void)msg_send(w->control, &init_proto, INIT_SIGNAL, &kill, NULL);
	fd_close(&w->in);
	fd_close(&w->out);
	fd_close(&w->error);
	fd_close(&w->control);
	free(w->text);
	w->text = NULL;
}

int inside_run(struct inside *w, struct cli *c, const char *name, const char *script)
{
	struct inside *one[] = { w };
	struct err e = { 0 };
	int status = inside_start(w, c, name, script);

	if (status)
		return status;
	return inside_collect(one, 1, NULL, RUN_MS, &e) < 0 ? cli_fail(e.text) : 0;
}
