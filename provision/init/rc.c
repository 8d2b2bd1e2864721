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
	if (s->kind == INIT_SUBSYSTEM)
		return NULL;
	if (s->flags & INIT_RC && faccessat(AT_FDCWD, OWN, F_OK, AT_EACCESS) == 0)
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

void rc_run(const char *script, const struct init_spawn *s, const struct env *v)
{
	static char sh[] = "/bin/sh", failed[] = "sshbay: run '/bin/sh': it cannot be started\r\n";
	char *const argv[] = { sh, (char *)script, NULL };
	int in = open_input(s);
	pid_t pid = in < 0 ? -1 : fork();

	if (pid == 0) {
		if (dup2(in, STDIN_FILENO) >= 0)
			execve(sh, argv, v->vars);
		(void)!write(STDERR_FILENO, failed, sizeof(failed) - 1);
		_exit(127);
	}
	if (in >= 0)
		close(in);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
