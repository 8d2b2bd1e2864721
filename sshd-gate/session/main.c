/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sshd-gate-session: exec'd by the listener with the zygote conversation on fd 3 and the log on fd 2.  Hardens itself,
 * proves that libssh reaches the interposed functions, closes itself in, and then forks one session per connection.
 * Must never hold a key, and must never start when the proof fails.
 */
#include <fcntl.h>
#include <libssh/libssh.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox.h"
#include "selftest.h"
#include "zygote.h"

#define SOCK        3
#define EX_USAGE    2
#define EX_SELFTEST 70 /* EX_SOFTWARE of sysexits(3): libssh does not reach us */
#define EX_SANDBOX  71 /* EX_OSERR */

static int usage(void)
{
	fputs("usage: sshd-gate-session [-v]\n"
	      "Started by sshd-gate, with a socket on descriptor 3; of no use by hand.\n",
	      stderr);
	return EX_USAGE;
}

static int serve(void)
{
	struct sandbox *sb = NULL;
	struct err e = { 0 };

	if (sandbox_harden(&e) < 0) {
		log_error("%s", e.text);
		return EX_SANDBOX;
	}
	ssh_init();
	if (selftest_run(&e) < 0) {
		log_error("%s; refusing to serve", e.text);
		return EX_SELFTEST;
	}
	if (sandbox_enter(&sb, &e) < 0) {
		log_error("%s", e.text);
		return EX_SANDBOX;
	}
	/* Once, here: a session would tidy up what the self-test freed, and copy each page of it to do so. */
	(void)malloc_trim(0);
	if (zygote_serve(SOCK, sb, &e) < 0) {
		log_error("%s", e.text);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct stat st;
	int verbose = argc == 2 && strcmp(argv[1], "-v") == 0;

	if (argc > 1 && !verbose)
		return usage();
	if (fstat(SOCK, &st) < 0 || !S_ISSOCK(st.st_mode))
		return usage();
	(void)fcntl(SOCK, F_SETFD, FD_CLOEXEC);
	/* Executed by descriptor, it would go by the number of that. */
	(void)prctl(PR_SET_NAME, "sshd-gate-session");
	log_setup("sshd-gate-session", verbose ? LOG_LEVEL_DETAIL : LOG_LEVEL_NOTE);
	_exit(serve());
}
