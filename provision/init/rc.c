/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See rc.h.  Runs the tenant's script as the tenant; nothing but its end is awaited. */
#include "rc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

#define OWN    ".ssh/rc"
#define SYSTEM "/etc/ssh/sshrc"

const char *rc_find(const struct init_spawn *s)
{
	/* The user's is not for subsystems, which speak a protocol; the host's, as with sshd, is for every login. */
	if (s->kind != INIT_SUBSYSTEM && s->flags & INIT_RC &&
	    faccessat(AT_FDCWD, OWN, F_OK, AT_EACCESS) == 0)
		return OWN;
	return faccessat(AT_FDCWD, SYSTEM, F_OK, AT_EACCESS) == 0 ? SYSTEM : NULL;
}

/* A pipe holds the line before anybody reads, so nothing here waits and nobody gets SIGPIPE. */
static int open_input(const struct init_spawn *s)
{
	char line[X11_TEXT_MAX + 1];
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	if (s->x11[0] && str_format(line, sizeof(line), "%s\n", s->x11) == 0)
		(void)!write(p[1], line, strlen(line));
	close(p[1]);
	return p[0];
}

/* The user's through the user's shell, which may be one that runs nothing (nologin, git-shell). */
static void become_script(const char *script, const char *shell, char *const env[])
{
	static char sh[] = "/bin/sh", option[] = "-c", own[] = "/bin/sh " OWN;
	char *const system[] = { sh, (char *)script, NULL };
	char *const user[] = { (char *)shell, option, own, NULL };

	if (strcmp(script, OWN) == 0)
		execve(shell, user, env);
	else
		execve(sh, system, env);
}

void rc_run(const char *script, const struct init_spawn *s, const struct env *v)
{
	static char failed[] =
		"sshbay: run '" OWN "' or '" SYSTEM "': the shell cannot be started\r\n";
	const char *shell = env_get(v, "SHELL");
	int in = open_input(s);
	pid_t pid = in < 0 ? -1 : fork();

	if (pid == 0) {
		if (dup2(in, STDIN_FILENO) >= 0)
			become_script(script, shell && *shell ? shell : "/bin/sh", v->vars);
		(void)!write(STDERR_FILENO, failed, sizeof(failed) - 1);
		_exit(127);
	}
	if (in >= 0)
		close(in);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
