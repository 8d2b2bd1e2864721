/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create, start, stop, destroy: one request per workspace, all at once over one connection, with their progress on a
 * terminal.  An interrupted sshbay does not interrupt provisiond: the operation goes on.  Runs in sshbay.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/num.h"

#define NAMES_MAX   4096  /* what provisiond takes on one connection */
#define TIMEOUT_MAX 86400 /* seconds */

struct target {
	char name[STR_NAME_MAX];
	bool done;
};

struct operation {
	uint32_t what; /* enum admin_operation */
	struct target *targets;
	uint32_t n, left;
	uint32_t timeout_s;
	bool purge;
	bool progress; /* stderr is a terminal */
	bool failed;
	uint64_t began;
};

union row {
	struct admin_workspace workspace;
	struct admin_progress progress;
	struct admin_done done;
	struct admin_failed failed;
};

static const char *const doing[] = {
	[ADMIN_CREATE] = "creating",
	[ADMIN_START] = "starting",
	[ADMIN_STOP] = "stopping",
	[ADMIN_DESTROY] = "destroying",
};

static void add_target(struct operation *op, const char *name)
{
	for (uint32_t i = 0; i < op->n; i++)
		if (strcmp(op->targets[i].name, name) == 0)
			return;
	(void)str_copy(op->targets[op->n].name, STR_NAME_MAX, name);
	op->n++;
}

/* Every workspace that is more than files. */
static int ask_all(int fd, struct operation *op)
{
	struct admin_name req = { 0 };
	struct err e = { 0 };
	union row body;
	struct msg m;
	int r;

	if (msg_send(fd, &admin_proto, ADMIN_LIST, &req, &e) < 0)
		return cli_fail(e.text);
	while ((r = msg_recv(fd, &admin_proto, &body, sizeof(body), &m, &e)) == 1) {
		msg_close_fds(&m);
		if (m.type == ADMIN_FAILED)
			return cli_fail(body.failed.text);
		if (m.type == ADMIN_DONE)
			return CLI_OK;
		if (m.type == ADMIN_WORKSPACE && op->n < NAMES_MAX &&
		    strcmp(body.workspace.state, "absent") != 0 &&
		    strcmp(body.workspace.state, "stopped") != 0)
			add_target(op, body.workspace.name);
	}
	return cli_fail(r < 0 ? e.text : "list workspaces: provisiond closed the connection");
}

static int send_all(int fd, const struct operation *op)
{
	struct err e = { 0 };

	for (uint32_t i = 0; i < op->n; i++) {
		struct admin_operate req = {
			.tag = i,
			.operation = op->what,
			.purge = op->purge,
			.timeout_s = op->timeout_s,
		};

		(void)str_copy(req.name, sizeof(req.name), op->targets[i].name);
		if (op->progress)
			fprintf(stderr, "sshbay: %s workspace '%s'\n", doing[op->what], req.name);
		if (msg_send(fd, &admin_proto, ADMIN_OPERATE, &req, &e) < 0)
			return cli_fail(e.text);
	}
	return CLI_OK;
}

static const char *duration(uint64_t us, char *buf, size_t size)
{
	if (us < 10000000)
		(void)str_format(buf, size, "%" PRIu64 " ms", (us + 500) / 1000);
	else
		(void)str_format(buf, size, "%" PRIu64 " s", us / 1000000);
	return buf;
}

static void print_progress(const struct operation *op, const struct admin_progress *p)
{
	char time[32], vis[4 * sizeof(p->detail)];
	bool building = op->what == ADMIN_CREATE || op->what == ADMIN_START;

	if (!op->progress)
		return;
	/* With several at once the lines mix, so each says whose it is. */
	if (op->n > 1)
		fprintf(stderr, "  %-12s", op->targets[p->tag].name);
	fprintf(stderr, "  %-10s", str_vis(p->step, strlen(p->step), vis, sizeof(vis)));
	if (building && !p->up)
		(void)str_copy(vis, sizeof(vis), "undone");
	else
		str_vis(p->detail, strlen(p->detail), vis, sizeof(vis));
	fprintf(stderr, "%-40s %8s\n", vis, duration(p->us, time, sizeof(time)));
}

static void finish_one(struct operation *op, uint32_t tag, const char *text, bool ok)
{
	char time[32];

	if (op->targets[tag].done)
		return;
	op->targets[tag].done = true;
	op->left--;
	if (!ok) {
		op->failed = true;
		(void)cli_fail(text);
		return;
	}
	cli_print(stdout, text);
	if (op->progress)
		printf(" (%s)", duration(clk_now_us() - op->began, time, sizeof(time)));
	puts("");
	(void)fflush(stdout);
}

static int receive_all(int fd, struct operation *op)
{
	struct err e = { 0 };
	union row body;
	struct msg m;
	int r;

	for (op->left = op->n; op->left;) {
		r = msg_recv(fd, &admin_proto, &body, sizeof(body), &m, &e);
		if (r <= 0)
			return cli_fail(r < 0 ? e.text
					      : "talk to provisiond: it closed the connection; "
						"what was begun goes on "
						"when it is back (sshbay list)");
		msg_close_fds(&m);
		/* Every answer begins with its tag. */
		if ((m.type != ADMIN_PROGRESS && m.type != ADMIN_DONE && m.type != ADMIN_FAILED) ||
		    body.done.tag >= op->n)
			continue;
		if (m.type == ADMIN_PROGRESS)
			print_progress(op, &body.progress);
		else if (m.type == ADMIN_DONE)
			finish_one(op, body.done.tag, body.done.text, true);
		else
			finish_one(op, body.failed.tag, body.failed.text, false);
	}
	return op->failed ? CLI_FAILED : CLI_OK;
}

static int parse_timeout(const char *verb, const char *text, uint32_t *out)
{
	uint64_t v;

	if ((num_u64(text, 1, TIMEOUT_MAX, &v, NULL) < 0 && num_seconds(text, &v, NULL) < 0) ||
	    v < 1 || v > TIMEOUT_MAX)
		return cli_usage(verb, "'%s' is not a time (30, 30s, 5m)", text);
	*out = (uint32_t)v;
	return 0;
}

static int parse(int argc, char **argv, struct operation *op, bool *all)
{
	bool stop = op->what == ADMIN_STOP, destroy = op->what == ADMIN_DESTROY;
	const char *timeout = NULL;
	struct cli_option options[4] = { { NULL, NULL, NULL } };
	unsigned int n = 0;
	char name[STR_NAME_MAX];
	int r;

	if (stop || destroy)
		options[n++] = (struct cli_option){ "--timeout", NULL, &timeout };
	if (stop)
		options[n++] = (struct cli_option){ "--all", all, NULL };
	if (destroy)
		options[n] = (struct cli_option){ "--purge", &op->purge, NULL };
	r = cli_options(&argc, argv, options, NULL);
	if (r == 0 && timeout)
		r = parse_timeout(argv[0], timeout, &op->timeout_s);
	if (r)
		return r;
	if (*all && argc > 1)
		return cli_usage(argv[0], "takes names or --all, not both");
	if (!*all && argc < 2)
		return cli_usage(argv[0], "needs at least one workspace");
	if (argc > NAMES_MAX)
		return cli_usage(argv[0], "takes at most %d workspaces", NAMES_MAX - 1);
	for (int i = 1; i < argc; i++) {
		r = cli_name(argv[0], argv[i], name);
		if (r)
			return r;
		add_target(op, name);
	}
	return 0;
}

static int operate(struct cli *c, int argc, char **argv, uint32_t what)
{
	struct operation op = { .what = what,
				.progress = isatty(STDERR_FILENO),
				.began = clk_now_us() };
	auto_free struct target *targets = calloc(NAMES_MAX, sizeof(*targets));
	auto_fd int fd = -1;
	bool all = false;
	int status;

	if (!targets)
		return cli_fail("operate on workspaces: out of memory");
	op.targets = targets;
	status = parse(argc, argv, &op, &all);
	if (status)
		return status;
	fd = cli_connect(c, &status);
	if (fd < 0)
		return status;
	if (all) {
		status = ask_all(fd, &op);
		if (status)
			return status;
	}
	status = send_all(fd, &op);
	return status ? status : receive_all(fd, &op);
}

int cli_create(struct cli *c, int argc, char **argv)
{
	return operate(c, argc, argv, ADMIN_CREATE);
}

int cli_start(struct cli *c, int argc, char **argv)
{
	return operate(c, argc, argv, ADMIN_START);
}

int cli_stop(struct cli *c, int argc, char **argv)
{
	return operate(c, argc, argv, ADMIN_STOP);
}

int cli_destroy(struct cli *c, int argc, char **argv)
{
	return operate(c, argc, argv, ADMIN_DESTROY);
}
