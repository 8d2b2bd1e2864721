/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * provisiond: the root daemon behind sshbay's gate.  Policy, records, leases and the host key live here; it reads
 * nothing from the network.  This file is its command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon.h"

struct arguments {
	const char *file;
	enum log_level level;
	bool check, teardown, force;
};

static void usage(FILE *to)
{
	fputs("usage: provisiond [-c FILE] [-d] [-t]\n"
	      "       provisiond [-c FILE] --teardown [--force]\n"
	      "\n"
	      "  -c, --config FILE  configuration (default " SSHBAY_SYSCONF "/sshbay.ini)\n"
	      "  -d, --debug        log in detail\n"
	      "  -t, --test         check the configuration and exit: 0, or 78 with every problem "
	      "on stderr\n"
	      "      --teardown     remove nft rules, routes, and what the run directory holds; "
	      "state is kept.\n"
	      "                     Refused while a provisiond or a workspace runs\n"
	      "      --force        with --teardown: take running workspaces down first\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      the version\n"
	      "\n"
	      "SIGHUP loads the configuration again (the old one stays when it has errors). "
	      "SIGTERM and SIGINT end\n"
	      "provisiond; workspaces and sessions live on, and the next provisiond takes them "
	      "over.\n",
	      to);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "debug", no_argument, NULL, 'd' },
		{ "test", no_argument, NULL, 't' },         { "teardown", no_argument, NULL, 'T' },
		{ "force", no_argument, NULL, 'F' },        { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },      { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:dthV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->file = optarg;
			break;
		case 'd':
			a->level = LOG_LEVEL_DETAIL;
			break;
		case 't':
			a->check = true;
			break;
		case 'T':
			a->teardown = true;
			break;
		case 'F':
			a->force = true;
			break;
		case 'h':
			usage(stdout);
			return DAEMON_OK;
		case 'V':
			puts("provisiond " SSHBAY_VERSION);
			return DAEMON_OK;
		default:
			usage(stderr);
			return DAEMON_USAGE;
		}
	}
	if (optind == argc && (!a->force || a->teardown))
		return -1;
	usage(stderr);
	return DAEMON_USAGE;
}

int main(int argc, char **argv)
{
	struct arguments a = { .file = SSHBAY_SYSCONF "/sshbay.ini", .level = LOG_LEVEL_NOTE };
	int status = parse(argc, argv, &a);
	struct settings *s;

	if (status >= 0)
		return status;
	log_setup("provisiond", a.level);
	s = daemon_settings(a.file);
	if (!s)
		return DAEMON_CONFIG;
	if (!a.check && !a.teardown)
		return daemon_run(a.file, s);
	status = a.teardown ? daemon_teardown(s, a.force) : DAEMON_OK;
	settings_free(s);
	return status;
}
