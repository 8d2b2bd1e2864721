/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a program for a login: the one way from ws-init to tenant code.  Runs in a forked helper that leads its own
 * session and drops to the login's unix user before it touches anything of the user's.
 */
#include "spawn.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "become.h"
#include "env.h"
#include "login.h"
#include "pty.h"
#include "rc.h"

#define BUNDLE                                                                                     \
	"/run/sshbay/sftp" /* a server with its own loader and libraries, for images that have none */

/* What is about to be exec'd. */
struct program {
	const char *path;
	char *argv[8];
	char name[64]; /* argv[0] of a shell */
	char command[INIT_COMMAND_MAX + 1];
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void choose_shell(struct program *p, const struct account *a, const struct init_spawn *s)
{
	static char flag[] = "-c";

	p->path = a->shell;
	if (s->kind == INIT_SHELL) {
		str_format(p->name, sizeof(p->name), "-%s", base_name(a->shell));
		p->argv[0] = p->name;
		return;
	}
	str_copy(p->name, sizeof(p->name), base_name(a->shell));
	memcpy(p->command, s->command.data, s->command.len);
	p->command[s->command.len] = '\0';
	p->argv[0] = p->name;
	p->argv[1] = flag;
	p->argv[2] = p->command;
}

/* The image's own server, where Debian, Fedora, Alpine and Arch have it; else the bundle. */
static int choose_sftp(struct program *p, const struct init_spawn *s, struct err *e)
{
	static const char *const own[] = { "/usr/lib/openssh/sftp-server",
					   "/usr/libexec/openssh/sftp-server",
					   "/usr/lib/ssh/sftp-server", "/usr/libexec/sftp-server" };
	static char name[] = "sftp-server", loader[] = BUNDLE "/ld.so", option[] = "--library-path",
		    libs[] = BUNDLE, server[] = BUNDLE "/sftp-server";
	char *const bundled[] = { loader, option, libs, server, NULL };

	if (s->command.len != 4 || memcmp(s->command.data, "sftp", 4) != 0)
		return err_set(e, ENOENT, "start subsystem '%.*s': unknown (only sftp)",
			       s->command.len < 64 ? (int)s->command.len : 64,
			       (const char *)s->command.data);
	p->argv[0] = name;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		p->path = own[i];
		if (faccessat(AT_FDCWD, own[i], X_OK, AT_EACCESS) == 0)
			return 0;
	}
	p->path = loader;
	memcpy(p->argv, bundled, sizeof(bundled));
	return 0;
}

static int to_stdio(int in, int out, int err_fd, struct err *e)
{
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err_fd, 2) < 0)
		return err_sys(e, "connect standard input and output");
	return 0;
}

/* Made as the user, who owns them therefore: /dev/stdout can be opened. */
static int open_pipes(struct job_helper *h, struct err *e)
{
	int in[2], out[2], er[2], mine[3];
	int r;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(er, O_CLOEXEC) < 0)
		return err_sys(e, "make pipes for '%s'", h->account->name);
	mine[0] = in[1];
	mine[1] = out[0];
	mine[2] = er[0];
	r = job_helper_report(h, mine, 3, e);
	return r < 0 ? r : to_stdio(in[0], out[1], er[1], e);
}

/* First word of SSH_CONNECTION: where the login comes from. */
static const char *client_address(const struct init_spawn *s, char *buf, size_t size)
{
	static const char name[] = "SSH_CONNECTION=";
	const char *at = memmem(s->env.data, s->env.len, name, sizeof(name) - 1);
	size_t left =
		at ? s->env.len - (size_t)(at - (const char *)s->env.data) - (sizeof(name) - 1) : 0;
	size_t n = 0;

	if (!at)
		return NULL;
	at += sizeof(name) - 1;
	while (n < left && n < size - 1 && at[n] && at[n] != ' ') {
		buf[n] = at[n];
		n++;
	}
	buf[n] = '\0';
	return n ? buf : NULL;
}

/* The user wants no greeting; looked for as the user. */
static bool hushed(const struct account *a, const struct init_spawn *s)
{
	char path[INIT_PATH_MAX + 16];

	return s->kind == INIT_SHELL &&
	       str_format(path, sizeof(path), "%s/.hushlogin", a->home) == 0 &&
	       faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0;
}

static int open_stdio(struct job_helper *h, const struct init_spawn *s, struct pty *pty,
		      struct err *e)
{
	char host[64];
	int r;

	if (!(s->flags & INIT_PTY)) {
		r = become_user(h->account, &h->limits, e);
		return r < 0 ? r : open_pipes(h, e);
	}
	r = pty_open(h->account, s, pty, e);
	if (r < 0)
		return r;
	h->report.port = pty->number;
	h->report.logged =
		login_record(pty->number, h->account->name, client_address(s, host, sizeof(host)));
	r = become_user(h->account, &h->limits, e);
	if (r < 0)
		return r;
	h->report.hush = hushed(h->account, s);
	r = job_helper_report(h, &pty->master, 1, e);
	return r < 0 ? r : to_stdio(pty->slave, pty->slave, pty->slave, e);
}

/* As sshd: a missing home is no reason to refuse. Said only on a terminal; the output of a command is its own. */
static void enter_home(const struct account *a, bool terminal)
{
	char text[INIT_PATH_MAX + 128];

	if (chdir(a->home) == 0)
		return;
	if (terminal && str_format(text, sizeof(text), "sshbay: enter home directory '%s': %s\r\n",
				   a->home, strerrordesc_np(errno)) == 0)
		(void)!write(STDERR_FILENO, text, strlen(text));
	(void)!chdir("/");
}

/*
 * A script may take its time: from here on this is the login's process for ws-init, not a helper with a deadline.  What
 * fails now is told where the login sees it.
 */
static bool run_rc(struct job_helper *h, const struct init_spawn *s, const struct env *v)
{
	const char *script = rc_find(s);

	if (!script)
		return false;
	fd_close(&h->sock);
	rc_run(script, s, v);
	return true;
}

static _Noreturn void fail_late(const struct err *e, bool terminal)
{
	char text[sizeof(e->text) + 16];

	(void)str_format(text, sizeof(text), "sshbay: %s%s", e->text, terminal ? "\r\n" : "\n");
	(void)!write(STDERR_FILENO, text, strlen(text));
	_exit(254);
}

static int run(const struct program *p, const struct account *a, const struct init_spawn *s,
	       struct env *v, struct err *e)
{
	execve(p->path, p->argv, v->vars);
	if (s->kind == INIT_SUBSYSTEM)
		return err_sys(e, "run '%s'", p->path);
	if (errno == E2BIG)
		return err_sys(e, "run command of %u bytes for '%s'", s->command.len, a->name);
	err_sys(e, "run shell '%.100s' for '%s'", a->shell, a->name);
	return err_set(e, e->code, "%s (edit /etc/passwd)", e->text);
}

int spawn_work(struct job_helper *h, int *fd, struct err *e)
{
	static struct program program;
	static struct env env;
	const struct init_spawn *s = h->request;
	struct pty pty = { .master = -1, .slave = -1 };
	bool terminal = s->flags & INIT_PTY, late;
	int r;

	r = open_stdio(h, s, &pty, e);
	if (r < 0)
		return r;
	enter_home(h->account, terminal);
	env_build(&env, h->account, s, terminal ? pty.name : NULL);
	if (s->kind == INIT_SUBSYSTEM)
		r = choose_sftp(&program, s, e);
	else
		choose_shell(&program, h->account, s);
	if (r == 0)
		r = fd_cloexec_from(STDERR_FILENO + 1);
	if (r < 0)
		return err_wrap(e, "start process for '%s'", h->account->name);
	late = run_rc(h, s, &env);
	r = run(&program, h->account, s, &env, e);
	if (late)
		fail_late(e, terminal);
	return r;
}
