/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of verbs: dispatch, help, usage lines and the completion come from here.  Runs in sshbay.
 */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/asker.h"
#include "proto/ctl.h"
#include "proto/gate.h"
#include "proto/init.h"
#include "proto/work.h"

#define DEFAULT_CONFIG SSHBAY_SYSCONF "/sshbay.ini"

enum verb_flag { JSON = 1, HIDDEN = 2 };

struct verb {
	const char *name;
	const char *args;
	const char *help;
	int (*fn)(struct cli *c, int argc, char **argv);
	unsigned int flags;
};

static int verb_messages(struct cli *c, int argc, char **argv);

static const struct verb verbs[] = {
	{ "list", "", "workspaces: state, address, users, sessions", cli_list, JSON },
	{ "show", "NAME", "one workspace, every field explained", cli_show, JSON },
	{ "create", "NAME...", "make a workspace and start it", cli_create, 0 },
	{ "start", "NAME...", "start a workspace", cli_start, 0 },
	{ "stop", "NAME... | --all [--timeout TIME]",
	  "stop workspaces; files, address and NIC stay", cli_stop, 0 },
	{ "destroy", "NAME... [--purge] [--timeout TIME]",
	  "take workspaces away; files stay unless --purge", cli_destroy, 0 },
	{ "enter", "NAME [--user USER] [-- COMMAND...]", "shell or command inside, as root or USER",
	  cli_enter, 0 },
	{ "sessions", "[NAME]", "who is in from where, and what they do", cli_sessions, JSON },
	{ "penalties", "[--lift ADDRESS|NETWORK|all]",
	  "sources that the gate refuses for what they did", cli_penalties, JSON },
	{ "kick", "ID | USER | WORKSPACE [--message TEXT]", "end connections", cli_kick, 0 },
	{ "leases", "[NAME]", "who holds which address, ids, NIC, GPU and cpus", cli_leases, JSON },
	{ "nic", "list | recover NIC [--force] | attach NAME",
	  "NICs: who has them; mend one in quarantine; move one in late", cli_nic, JSON },
	{ "gpu", "list | recover GPU", "GPUs of this host and who has them; out of quarantine",
	  cli_gpu, JSON },
	{ "image",
	  "list | build [NAME] [--suite S] [--mirror URI] [--packages LIST] [--force] | import "
	  "NAME "
	  "TAR|DIR|- | remove NAME[@VERSION]... | prune",
	  "what workspaces are made from", cli_image, JSON },
	{ "events", "[NAME] [--follow]", "recent audit lines (JSON); --follow: and new ones",
	  cli_events, JSON },
	{ "explain", "LOGIN [--address IP] [--from IP]",
	  "what would become of a login, and which line decides", cli_explain, JSON },
	{ "ssh-config", "USER [--host BOX] [--known-hosts | --sshfp]",
	  "what the user's ssh needs: hosts, host keys, DNS records", cli_ssh_config, JSON },
	{ "pair", "A B", "is there a cable between two workspaces, and is it really used", cli_pair,
	  JSON },
	{ "bench", "A B [--tcp|--udp|--rdma] [-t N] [-P N] [--rate R]",
	  "bandwidth and latency between two workspaces, proven by counters", cli_bench, JSON },
	{ "status", "", "what provisiond is doing", cli_status, 0 },
	{ "reload", "", "load the configuration again", cli_reload, 0 },
	{ "check", "[-q]", "verify the configuration", cli_check, JSON },
	{ "dump", "[--sample | --man]", "print the effective configuration", cli_dump, JSON },
	{ "doctor", "", "verify this host: OK, WARN or FAIL with the remedy", cli_doctor, JSON },
	{ "messages", "", "print MESSAGES.md", verb_messages, HIDDEN },
};
#define NVERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < NVERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static void print_usage(FILE *f, const struct verb *v)
{
	fprintf(f, "usage: sshbay [-c FILE] %s%s%s%s\n", v->name, *v->args ? " " : "", v->args,
		v->flags & JSON ? " [--json]" : "");
}

static void print_help(FILE *f)
{
	fputs("usage: sshbay [-c FILE] [--json] VERB ...\n\n", f);
	for (size_t i = 0; i < NVERBS; i++)
		if (!(verbs[i].flags & HIDDEN))
			fprintf(f, "  %-10s %-43s %s\n", verbs[i].name, verbs[i].args,
				verbs[i].help);
	fputs("\n  -c FILE    configuration (default " DEFAULT_CONFIG ")\n"
	      "  --json     machine-readable output, where something is listed or shown\n"
	      "  --help     this text; after a verb, its usage\n"
	      "  --version  the version\n\n"
	      "Exit status: 0 done, 1 failed, 2 usage, 78 configuration; enter: that of the "
	      "command.\n",
	      f);
}

/* For the completion: each verb with the options it takes. */
static void print_verbs(void)
{
	for (size_t i = 0; i < NVERBS; i++) {
		const char *at = verbs[i].args;

		if (verbs[i].flags & HIDDEN)
			continue;
		fputs(verbs[i].name, stdout);
		while ((at = strstr(at, "--"))) {
			size_t n = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-") + 2;

			if (n > 2)
				printf(" %.*s", (int)n, at);
			at += n;
		}
		puts(verbs[i].flags & JSON ? " --json" : "");
	}
}

int cli_usage(const char *verb, const char *fmt, ...)
{
	const struct verb *v = verb ? find_verb(verb) : NULL;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "sshbay%s%s: ", v ? " " : "", v ? v->name : "");
	cli_print(stderr, text);
	fputs("\n", stderr);
	if (v)
		print_usage(stderr, v);
	else
		fputs("usage: sshbay [-c FILE] [--json] VERB ... (sshbay --help)\n", stderr);
	return CLI_USAGE;
}

static const struct cli_option *find_option(const struct cli_option *options, const char *arg,
					    const char **value)
{
	for (; options->name; options++) {
		size_t n = strlen(options->name);

		if (strncmp(arg, options->name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
			continue;
		*value = arg[n] ? arg + n + 1 : NULL;
		return options;
	}
	return NULL;
}

/* Take argv[*i], an option, and its value. */
static int take_option(int argc, char **argv, int *i, const struct cli_option *options)
{
	const char *arg = argv[*i], *value = NULL;
	const struct cli_option *o = find_option(options, arg, &value);

	if (!o)
		return cli_usage(argv[0], "unknown option '%s'", arg);
	if (o->flag) {
		*o->flag = true;
		return value ? cli_usage(argv[0], "option '%s' takes no value", o->name) : 0;
	}
	if (!value && *i + 1 < argc)
		value = argv[++*i];
	if (!value || !*value)
		return cli_usage(argv[0], "option '%s' needs a value", o->name);
	*o->value = value;
	return 0;
}

int cli_options(int *argc, char **argv, const struct cli_option *options, int *rest)
{
	int kept = 1, at = -1, r;

	for (int i = 1; i < *argc; i++) {
		if (at < 0 && strcmp(argv[i], "--") == 0) {
			at = kept;
		} else if (at < 0 && argv[i][0] == '-' && argv[i][1]) {
			r = take_option(*argc, argv, &i, options);
			if (r)
				return r;
		} else {
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	*argc = kept;
	if (rest)
		*rest = at < 0 ? kept : at;
	return 0;
}

static int verb_messages(struct cli *c, int argc, char **argv)
{
	(void)c;
	if (argc > 1)
		return cli_usage(argv[0], "takes no operand");
	fputs("# Messages between processes\n\n"
	      "Generated by `sshbay messages` from the tables in `provision/proto`. Each message "
	      "is one SOCK_SEQPACKET\n"
	      "packet: u32 of the bytes \"SB\", the first letter of the conversation and its "
	      "version; u32 number; then the\n"
	      "fields in this order, little endian. Strings and bytes are u32 length and content. "
	      "Requests have even\n"
	      "numbers, answers and notices odd ones; a message outside its phases, or a second "
	      "one marked \"once\", ends\n"
	      "the conversation.\n\n",
	      stdout);
	msg_print_markdown(&gate_proto);
	msg_print_markdown(&asker_proto);
	msg_print_markdown(&ctl_proto);
	msg_print_markdown(&zygote_proto);
	msg_print_markdown(&init_proto);
	msg_print_markdown(&work_proto);
	msg_print_markdown(&admin_proto);
	return CLI_OK;
}

/* --json and --help may also stand after the verb. -1: go on; else the exit status. */
static int common_options(struct cli *c, const struct verb *v, int *argc, char **argv)
{
	int kept = 1, i;

	for (i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_usage(stdout, v);
			printf("%s\n", v->help);
			return CLI_OK;
		}
		if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else
			argv[kept++] = argv[i];
	}
	while (i < *argc)
		argv[kept++] = argv[i++];
	argv[kept] = NULL;
	*argc = kept;
	if (c->json && !(v->flags & JSON))
		return cli_usage(v->name, "has no --json");
	return -1;
}

/* Output that did not arrive (disk full, reader gone) is a failure. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return status ? status : cli_fail("write output: it could not be written");
}

static int run_verb(struct cli *c, int argc, char **argv)
{
	const struct verb *v = find_verb(argv[0]);
	int r;

	if (!v && strcmp(argv[0], "help") == 0) {
		print_help(stdout);
		return finish(CLI_OK);
	}
	if (!v)
		return cli_usage(NULL, "unknown verb '%s'", argv[0]);
	r = common_options(c, v, &argc, argv);
	return finish(r >= 0 ? r : v->fn(c, argc, argv));
}

int cli_run(int argc, char **argv)
{
	struct cli c = { .config = DEFAULT_CONFIG };

	for (; argc > 0 && argv[0][0] == '-'; argc--, argv++) {
		const char *o = argv[0];

		if (strcmp(o, "--json") == 0) {
			c.json = true;
		} else if (strcmp(o, "--help") == 0 || strcmp(o, "-h") == 0) {
			print_help(stdout);
			return finish(CLI_OK);
		} else if (strcmp(o, "--version") == 0) {
			puts("sshbay " SSHBAY_VERSION);
			return finish(CLI_OK);
		} else if (strcmp(o, "--verbs") == 0) {
			print_verbs();
			return finish(CLI_OK);
		} else if (strcmp(o, "-c") == 0 && argc > 1) {
			c.config = *++argv;
			argc--;
		} else {
			return cli_usage(NULL,
					 strcmp(o, "-c") ? "unknown option '%s'"
							 : "option '%s' needs a file",
					 o);
		}
	}
	if (argc == 0)
		return cli_usage(NULL, "which verb?");
	return run_verb(&c, argc, argv);
}
