/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * statedir.c: the locks that keep two daemons apart: one that lives is named, one that was killed is none, whether its
 * parent has waited for it or not, and what its workers still hold is waited for.
 */
#include "statedir.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

static char root[] = "/tmp/sshbay-statedir-XXXXXX";
static struct settings settings;

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0 || !mkdtemp(root))
		return -1;
	str_format(settings.storage.state, sizeof(settings.storage.state), "%s/state", root);
	str_format(settings.storage.run, sizeof(settings.storage.run), "%s/run", root);
	str_format(settings.storage.images, sizeof(settings.storage.images), "%s/images", root);
	return 0;
}

static int clean(void **state)
{
	struct err e;
	auto_fd int tmp = path_open_dir("/tmp", &e);

	(void)state;
	return path_remove_tree(tmp, root + strlen("/tmp/"), &e);
}

/* A process called `name` that takes the locks; with `worker_ms`, a child of its own keeps them for so long. */
static pid_t holder(const char *name, unsigned int worker_ms)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct statedir d;
		struct err e;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (statedir_open(&settings, &d, &e))
			_exit(1);
		if (worker_ms > 0 && fork() == 0) {
			close(ready[0]);
			close(ready[1]);
			usleep(worker_ms * 1000);
			_exit(0);
		}
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void expect_taken(void)
{
	struct statedir d;
	struct err e;

	if (statedir_open(&settings, &d, &e))
		fail_msg("%s", e.text);
	statedir_close(&d);
}

static void living(void **state)
{
	pid_t pid = holder("provisiond", 0);
	struct statedir d;
	char named[64];
	struct err e;

	(void)state;
	str_format(named, sizeof(named), "provisiond with pid %d uses it", (int)pid);
	assert_int_equal(statedir_open(&settings, &d, &e), -EBUSY);
	assert_non_null(strstr(e.text, named));
	assert_int_equal(d.runlock, -1);
	assert_int_equal(d.statelock, -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	expect_taken();
}

/* Killed a moment ago: its workers die of it, but not in the same instant. */
static void just_killed(void **state)
{
	pid_t pid = holder("provisiond", 300);
	siginfo_t si;

	(void)state;
	kill(pid, SIGKILL);
	expect_taken();
	waitid(P_PID, (id_t)pid, &si, WEXITED);
}

/* A zombie bears the name still, for as long as nobody waits for it. */
static void zombie(void **state)
{
	pid_t pid = holder("provisiond", 2500);
	siginfo_t si;

	(void)state;
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	expect_taken();
	waitid(P_PID, (id_t)pid, &si, WEXITED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(living),
		cmocka_unit_test(just_killed),
		cmocka_unit_test(zombie),
	};

	return cmocka_run_group_tests_name("statedir", tests, setup, clean);
}
