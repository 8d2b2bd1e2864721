/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay bench A B`: bandwidth and latency over the cable between two workspaces, by programs of the workspaces, with
 * the kernel's counters as the judge of what they claim.  The server runs in A, the client in B.  Runs in sshbay.
 */
#include "bench.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "bench_rdma.h"
#include "inside.h"
#include "pair.h"
#include "settings.h"

#define SECONDS_MAX      3600
#define STREAMS_MAX      64
#define CLOCK_TRIES      4
#define CLOCK_WORDS      "Correlation coefficient"
#define LINE_SHOWN       160
#define READY_MS         30000
#define SLACK_MS         20000 /* beyond the measured time */
#define PINGS            1000
#define LAT_ROUNDS       1000
#define RDMA_MARGIN_S    1
#define RDMA_WATCH_TRIES 10
#define RDMA_WATCH_NS    300000000L
#define LAT_MS           60000 /* for these; a device made in software takes its time */

/* The first line that tells something, escaped: libraries warn of drivers that are not there. */
static bool telling(const char *text, char *out, size_t size)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		while (n && *text == ' ')
			text++, n--;
		if (!n || *text == '@' || *text == '*' || *text == '-' ||
		    memmem(text, n, "arning", strlen("arning")))
			continue;
		(void)str_vis(text, n < LINE_SHOWN ? n : LINE_SHOWN, out, size);
		return true;
	}
	return false;
}

static int fail_inside(const struct inside *w, const char *what)
{
	char text[ERR_TEXT_MAX + 4 * LINE_SHOWN], said[4 * LINE_SHOWN + 1];

	if (!telling(w->said, said, sizeof(said)) && !telling(w->text, said, sizeof(said)))
		(void)str_copy(said, sizeof(said), "it said nothing");
	(void)str_format(text, sizeof(text), "%s in workspace '%s': %s", what, w->name, said);
	return cli_fail(text);
}

static int start_server(struct bench *b, const struct bench_job *j, struct inside *w)
{
	struct inside *one[] = { w };
	struct err e = { 0 };
	int status = inside_start(w, b->c, b->ends[j->server].ws.name, j->serve);

	if (status || !j->ready)
		return status;
	if (inside_collect(one, 1, j->ready, READY_MS, &e) < 0)
		return cli_fail(e.text);
	return strstr(w->text, j->ready) && !strstr(w->text, "\n@ended")
		       ? 0
		       : fail_inside(w, "start the server");
}

static int run_once(struct bench *b, const struct bench_job *j, struct inside *client)
{
	struct inside server = INSIDE_NONE;
	struct inside *both[] = { client, &server };
	struct err e = { 0 };
	int status = start_server(b, j, &server);

	if (status == 0)
		status = inside_start(client, b->c, b->ends[j->client].ws.name, j->ask);
	if (status == 0 && inside_collect(both, 2, NULL, j->ms, &e) < 0)
		status = cli_fail(e.text);
	inside_end(&server);
	return status;
}

/*
 * Run both. 0 and the client's output in `client`, or the exit status (printed). inside_end(client) in any case.  On a
 * busy machine perftest cannot tell how fast the processor's clock runs and makes no report: another try may.
 */
static int run_job(struct bench *b, const struct bench_job *j, struct inside *client)
{
	int status = run_once(b, j, client);

	for (int i = 0; status == 0 && i < CLOCK_TRIES && strstr(client->said, CLOCK_WORDS); i++) {
		inside_end(client);
		status = run_once(b, j, client);
	}
	return status;
}

/* --- directions --- */

static const struct ip *data_address(const struct pair_end *end)
{
	return end->facts.ip.addr.family ? &end->facts.ip.addr : &end->facts.ip6.addr;
}

static void plan_iperf3(const struct bench *b, const struct bench_leg *l, struct bench_job *j)
{
	char to[IP_TEXT_MAX], udp[64] = "";

	j->server = 0;
	j->client = 1;
	j->ready = "Server listening";
	(void)ip_text(data_address(&b->ends[0]), to, sizeof(to));
	if (b->kind == BENCH_UDP)
		(void)str_format(udp, sizeof(udp), " -u -b %s", b->rate ? b->rate : "0");
	(void)str_format(j->serve, sizeof(j->serve),
			 BENCH_SERVER("iperf3 -s -B %s -p %d --forceflush"), to, BENCH_PORT);
	(void)str_format(
		j->ask, sizeof(j->ask),
		BENCH_CLIENT("iperf3 -c %s -p %d -J -i 0 --connect-timeout 5000 -t %" PRIu64
			     " -P %" PRIu64 "%s%s"),
		to, BENCH_PORT, b->seconds, b->streams, udp, l->from == 0 ? " -R" : "");
}

static int parse_flow(const struct bench *b, const struct inside *w, struct bench_flow *f)
{
	char text[ERR_TEXT_MAX + STR_NAME_MAX + 32];
	struct err e = { 0 };
	int r = b->kind == BENCH_RDMA ? bench_result_write_bw(w->text, f, &e)
				      : bench_result_iperf3(w->text, f, &e);

	if (r == 0)
		return 0;
	/* What the program said on stderr is the better message, but not when it had one of its own. */
	if (r != -EIO && w->nsaid)
		return fail_inside(w, "measure");
	(void)str_format(text, sizeof(text), "measure from workspace '%s': %s", w->name, e.text);
	return cli_fail(text);
}

static double host_busy(const uint64_t before[2], const uint64_t after[2])
{
	uint64_t total = after[1] - before[1];

	return total ? 100.0 * (double)(after[0] - before[0]) / (double)total : -1;
}

static int count(struct bench *b, const struct pair_end ordered[2], struct pair_counts n[2],
		 bool *counted)
{
	struct err e = { 0 };
	bool has = true;
	int r = 0;

	*counted = true;
	for (int i = 0; r == 0 && i < 2; i++) {
		r = pair_counts_read(&ordered[i], &n[i], &e);
		if (r == 0 && b->kind == BENCH_RDMA)
			r = bench_rdma_count(b, &ordered[i], &n[i], &has, &e);
		*counted = *counted && has;
	}
	return r < 0 ? cli_fail(e.text) : 0;
}

/* As pair_watch, with the counters of RDMA: drivers bring theirs up to date every second or two, some. */
static int watch_rdma(struct bench *b, struct bench_leg *l, const struct pair_claim *claim,
		      const struct pair_end ordered[2], const struct pair_counts before[2])
{
	const struct timespec pause = { .tv_nsec = RDMA_WATCH_NS };
	struct pair_counts after[2];
	int status;

	for (int tries = 0; tries < RDMA_WATCH_TRIES; tries++) {
		status = count(b, ordered, after, &l->counted);
		if (status)
			return status;
		for (int i = 0; i < 2; i++)
			l->moved[i] = pair_moved(&before[i], &after[i]);
		if (!pair_lacks(claim, l->moved) || !l->counted)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static int judge_leg(struct bench *b, struct bench_leg *l, const struct pair_end ordered[2],
		     const struct pair_counts before[2])
{
	const struct pair_claim claim = { .bytes = true, .out = l->flow.bytes };
	struct err e = { 0 };
	int status = 0;

	l->counted = true;
	if (b->kind == BENCH_RDMA)
		status = watch_rdma(b, l, &claim, ordered, before);
	else if (pair_watch(&claim, ordered, before, l->moved, &e) < 0)
		status = cli_fail(e.text);
	if (status)
		return status;
	l->level = pair_judge(&claim, ordered, l->moved, l->verdict, sizeof(l->verdict));
	if (l->counted || !pair_lacks(&claim, l->moved))
		return 0;
	l->level = FINDING_WARN;
	(void)str_copy(l->verdict, sizeof(l->verdict),
		       "what RDMA sends does not pass data0, and the RDMA device of one end has no "
		       "counters that the kernel shows");
	return 0;
}

static int measure(struct bench *b, struct bench_leg *l)
{
	const struct pair_end ordered[] = { b->ends[l->from], b->ends[!l->from] };
	struct inside client = INSIDE_NONE;
	struct pair_counts before[2];
	uint64_t cpu[2][2] = { 0 };
	struct bench_job j = { .ms = (unsigned int)b->seconds * 1000 + SLACK_MS };
	char command[96];
	int status = count(b, ordered, before, &l->counted);

	if (status)
		return status;
	/* It measures between a margin at either end. */
	(void)str_format(command, sizeof(command),
			 "ib_write_bw --report_gbits -q %" PRIu64 " -D %" PRIu64 " -f %d",
			 b->streams, b->seconds + 2 * RDMA_MARGIN_S, RDMA_MARGIN_S);
	if (b->kind == BENCH_RDMA)
		bench_rdma_plan(b, l->from, command, &j);
	else
		plan_iperf3(b, l, &j);
	(void)manifest_cpu(&cpu[0][0], &cpu[0][1]);
	status = run_job(b, &j, &client);
	l->host_cpu = manifest_cpu(&cpu[1][0], &cpu[1][1]) ? host_busy(cpu[0], cpu[1]) : -1;
	if (status == 0)
		status = parse_flow(b, &client, &l->flow);
	inside_end(&client);
	return status ? status : judge_leg(b, l, ordered, before);
}

static int measure_latency(struct bench *b)
{
	struct inside w = INSIDE_NONE;
	char command[512], to[IP_TEXT_MAX], text[ERR_TEXT_MAX + STR_NAME_MAX + 32];
	struct bench_job j = { .ms = LAT_MS };
	struct err e = { 0 };
	int status, r = 0;

	if (b->kind == BENCH_RDMA) {
		(void)str_format(command, sizeof(command), "ib_send_lat -n %d", LAT_ROUNDS);
		bench_rdma_plan(b, 1, command, &j);
		status = run_job(b, &j, &w);
		if (status == 0)
			r = bench_result_send_lat(w.text, &b->latency, &e);
	} else {
		(void)str_format(command, sizeof(command),
				 BENCH_PATHS "exec ping -n -c %d -i 0.001 -w 10 %s", PINGS,
				 ip_text(data_address(&b->ends[0]), to, sizeof(to)));
		status = inside_run(&w, b->c, b->ends[1].ws.name, command);
		if (status == 0)
			r = bench_result_ping(w.text, &b->latency, &e);
	}
	if (r < 0) {
		(void)str_format(text, sizeof(text), "measure latency from workspace '%s': %s",
				 b->ends[1].ws.name, e.text);
		status = w.nsaid ? fail_inside(&w, "measure latency") : cli_fail(text);
	}
	inside_end(&w);
	return status;
}

/* --- before --- */

static int check_tools(const struct bench *b)
{
	static const enum pair_tool ip[] = { PAIR_IPERF3, PAIR_PING },
				    rdma[] = { PAIR_WRITE_BW, PAIR_SEND_LAT };
	const enum pair_tool *needed = b->kind == BENCH_RDMA ? rdma : ip;
	const char *name;
	char text[256];

	for (int i = 0; i < 4; i++) {
		const struct pair_end *end = &b->ends[i / 2];

		name = end->ws.name;
		if (end->facts.tools[needed[i % 2]])
			continue;
		(void)str_format(text, sizeof(text),
				 "bench workspace '%s': it has no %s (sshbay enter %s -- apt-get "
				 "install %s)",
				 name, pair_tool_name(needed[i % 2]), name,
				 pair_tool_package(needed[i % 2]));
		return cli_fail(text);
	}
	return 0;
}

/* The failures of pair_check as one message. */
static int refuse(const struct bench *b, const struct findings *fs)
{
	char text[1024];

	for (size_t i = 0; i < json_object_array_length(fs->list); i++) {
		struct json_object *f = json_object_array_get_idx(fs->list, i);
		const char *word = json_object_get_string(json_object_object_get(f, "status"));

		if (strcmp(word, "FAIL") != 0)
			continue;
		(void)str_format(text, sizeof(text), "bench '%s' and '%s': %s (%s)",
				 b->ends[0].ws.name, b->ends[1].ws.name,
				 json_object_get_string(json_object_object_get(f, "fact")),
				 json_object_get_string(json_object_object_get(f, "remedy")));
		return cli_fail(text);
	}
	return cli_fail("bench: the workspaces have no addresses in one subnet (sshbay pair)");
}

static int check(struct bench *b, char names[2][STR_NAME_MAX])
{
	struct findings fs = findings_new(true);
	int status = 0, r = pair_check(b->c, b->ends, names, &fs, &status);

	if (r >= 0 && (r == 0 || fs.failures))
		status = refuse(b, &fs);
	json_object_put(fs.list);
	bench_rdma_devices(b);
	if (status == 0 && b->kind == BENCH_RDMA)
		status = bench_rdma_check(b);
	return status ? status : check_tools(b);
}

/* One benchmark at a time: two would measure each other. The descriptor holds the lock; -1: printed. */
static int lock(struct cli *c, char *sysfs, size_t size, int *status)
{
	struct settings_report report = { 0 };
	struct settings *s = NULL;
	char text[PATH_MAX + 64];
	int fd = -1;

	*status = CLI_FAILED;
	if (settings_load(c->config, &s, &report) < 0) {
		*status = CLI_CONFIG;
		(void)cli_fail(report.text ? report.text : "the configuration cannot be loaded");
	} else if ((fd = open(s->storage.run, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		(void)str_format(text, sizeof(text), "open '%s': %s (is provisiond running?)",
				 s->storage.run, strerrordesc_np(errno));
		(void)cli_fail(text);
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		(void)cli_fail("bench: another one runs; two at once would measure each other "
			       "(wait for it)");
		fd_close(&fd);
	} else {
		(void)str_copy(sysfs, size, s->hardware.sysfs);
	}
	settings_free(s);
	settings_report_free(&report);
	return fd;
}

static bool is_rate(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n < 16 && (!s[n] || (strchr("KMGkmg", s[n]) && !s[n + 1]));
}

static int parse(int argc, char **argv, struct bench *b, char names[2][STR_NAME_MAX])
{
	bool tcp = false, udp = false, rdma = false;
	const char *seconds = "5", *streams = "1";
	const struct cli_option options[] = {
		{ "--tcp", &tcp, NULL },  { "--udp", &udp, NULL },  { "--rdma", &rdma, NULL },
		{ "-t", NULL, &seconds }, { "-P", NULL, &streams }, { "--rate", NULL, &b->rate },
		{ NULL, NULL, NULL },
	};
	int r = cli_options(&argc, argv, options, NULL);

	if (r)
		return r;
	if (tcp + udp + rdma > 1)
		return cli_usage(argv[0], "takes one of --tcp, --udp and --rdma");
	if (num_u64(seconds, 1, SECONDS_MAX, &b->seconds, NULL) < 0)
		return cli_usage(argv[0], "-t: '%s' is not a number of seconds from 1 to %d",
				 seconds, SECONDS_MAX);
	if (num_u64(streams, 1, STREAMS_MAX, &b->streams, NULL) < 0)
		return cli_usage(argv[0], "-P: '%s' is not a number from 1 to %d", streams,
				 STREAMS_MAX);
	if (b->rate && !udp)
		return cli_usage(argv[0], "--rate goes with --udp");
	if (b->rate && !is_rate(b->rate))
		return cli_usage(argv[0], "--rate: '%s' is not a rate in bit/s (10G, 500M)",
				 b->rate);
	b->kind = udp ? BENCH_UDP : rdma ? BENCH_RDMA : BENCH_TCP;
	return pair_names(argc, argv, names);
}

int cli_bench(struct cli *c, int argc, char **argv)
{
	struct bench b = { .c = c, .legs = { { .from = 1 }, { .from = 0 } } };
	char names[2][STR_NAME_MAX], sysfs[PATH_MAX] = "";
	auto_fd int held = -1;
	int status = parse(argc, argv, &b, names);

	if (status)
		return status;
	held = lock(c, sysfs, sizeof(sysfs), &status);
	if (held < 0)
		return status;
	b.sysfs = sysfs;
	status = check(&b, names);
	if (status == 0)
		status = measure_latency(&b);
	for (int i = 0; status == 0 && i < 2; i++) {
		if (!c->json && isatty(STDERR_FILENO))
			fprintf(stderr, "measuring %s -> %s for %" PRIu64 " s\n", names[!i],
				names[i], b.seconds);
		status = measure(&b, &b.legs[i]);
	}
	if (status)
		return status;
	manifest_fill(&b.manifest, sysfs, b.ends);
	return bench_print(&b);
}
