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
#include <unistd.h>

#include <json-c/json.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "inside.h"
#include "pair.h"
#include "rdma_find.h"
#include "settings.h"

#define PORT         52019 /* seldom anybody's */
#define SECONDS_MAX  3600
#define STREAMS_MAX  64
#define READY_MS     10000
#define SLACK_MS     20000 /* beyond the measured time */
#define PINGS        1000
#define LAT_ROUNDS   1000
#define LAT_MS       60000         /* for these; a device made in software takes its time */
#define HOST_DEV_MAX (1024 * 1024) /* bytes of /proc/net/dev */

#define PATHS "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C; export PATH LC_ALL; "
/* A server: what keeps it alive is our end of its stdin. */
#define SERVER(command) PATHS command " </dev/null & p=$!; cat >/dev/null; kill $p"
/* A client: the same, and its exit status. */
#define CLIENT(command)                                                                            \
	PATHS "exec 3<&0; " command " </dev/null 3<&- & p=$!; "                                    \
	      "{ cat <&3; kill $p; } >/dev/null 2>&1 & exec 3<&-; wait $p"

struct job {
	int server, client; /* indexes of ends */
	char serve[512], ask[768];
	const char *
		ready; /* what the server prints when it can be asked; NULL: the client tries again */
	unsigned int ms;
};

static int fail_inside(const struct inside *w, const char *what)
{
	char text[600], said[4 * sizeof(w->said)];

	(void)str_format(text, sizeof(text), "%s in workspace '%s': %s", what, w->name,
			 w->nsaid ? str_vis(w->said, strcspn(w->said, "\n"), said, sizeof(said))
				  : "it said nothing");
	return cli_fail(text);
}

static int start_server(struct bench *b, const struct job *j, struct inside *w)
{
	struct inside *one[] = { w };
	struct err e = { 0 };
	int status = inside_start(w, b->c, b->ends[j->server].ws.name, j->serve);

	if (status || !j->ready)
		return status;
	if (inside_collect(one, 1, j->ready, READY_MS, &e) < 0)
		return cli_fail(e.text);
	return strstr(w->text, j->ready) ? 0 : fail_inside(w, "start the server");
}

/* Run both. 0 and the client's output in `client`, or the exit status (printed). inside_end(client) in any case. */
static int run_job(struct bench *b, const struct job *j, struct inside *client)
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

/* --- directions --- */

static const struct ip *data_address(const struct pair_end *end)
{
	return end->facts.ip.addr.family ? &end->facts.ip.addr : &end->facts.ip6.addr;
}

static void plan_iperf3(const struct bench *b, const struct bench_leg *l, struct job *j)
{
	char to[IP_TEXT_MAX], udp[64] = "";

	j->server = 0;
	j->client = 1;
	j->ready = "Server listening";
	(void)ip_text(data_address(&b->ends[0]), to, sizeof(to));
	if (b->kind == BENCH_UDP)
		(void)str_format(udp, sizeof(udp), " -u -b %s", b->rate ? b->rate : "0");
	(void)str_format(j->serve, sizeof(j->serve), SERVER("iperf3 -s -B %s -p %d --forceflush"),
			 to, PORT);
	(void)str_format(j->ask, sizeof(j->ask),
			 CLIENT("iperf3 -c %s -p %d -J -i 0 --connect-timeout 5000 -t %" PRIu64
				" -P %" PRIu64 "%s%s"),
			 to, PORT, b->seconds, b->streams, udp, l->from == 0 ? " -R" : "");
}

static void plan_perftest(const struct bench *b, int from, const char *command, struct job *j)
{
	const struct pair_end *a = &b->ends[!from], *c = &b->ends[from];
	char to[IP_TEXT_MAX];

	j->server = !from;
	j->client = from;
	j->ready = NULL;
	(void)ip_text(data_address(a), to, sizeof(to));
	(void)str_format(j->serve, sizeof(j->serve), SERVER("%s -d %s -p %d"), command,
			 a->facts.rdma, PORT);
	(void)str_format(j->ask, sizeof(j->ask),
			 CLIENT("for i in 1 2 3 4 5 6 7 8 9 10; do %s -d %s -p %d %s && exit 0; "
				"sleep 0.3; done"),
			 command, c->facts.rdma, PORT, to);
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

/* RDMA does not pass the interface's own counters on most NICs: add its port's, in units of 4 bytes. */
static int add_port(struct bench *b, const struct pair_end *end, struct pair_counts *n)
{
	static const char script[] =
		"cd /sys/class/infiniband/%s/ports/1/counters 2>/dev/null || exit 0; "
		"read -r t <port_xmit_data; read -r r <port_rcv_data; echo \"@port $t $r\"";
	struct inside w = INSIDE_NONE;
	char text[512];
	const char *at;
	uint64_t t = 0, r = 0;
	int status;

	(void)str_format(text, sizeof(text), script, end->facts.rdma);
	status = inside_run(&w, b->c, end->ws.name, text);
	at = status == 0 ? strstr(w.text, "@port ") : NULL;
	if (at && sscanf(at, "@port %" SCNu64 " %" SCNu64, &t, &r) == 2) {
		n->data.tx_bytes += t * 4;
		n->data.rx_bytes += r * 4;
	}
	inside_end(&w);
	return status;
}

/* A device that is made in software sends through an interface of the host's, which no name of its own hides. */
static int add_parent(const struct bench *b, const struct pair_end *end, struct pair_counts *n)
{
	auto_free char *text = malloc(HOST_DEV_MAX);
	struct rdma_find dev;
	struct pair_count c;
	struct err e = { 0 };
	size_t len;

	if (rdma_find_look(b->sysfs, end->facts.rdma, &dev, NULL) || !dev.parent[0])
		return 0;
	if (!text)
		return cli_fail("count what RDMA sent: out of memory");
	if (path_read(AT_FDCWD, "/proc/self/net/dev", text, HOST_DEV_MAX, &len, &e) < 0)
		return cli_fail(e.text);
	if (pair_count_parse(text, dev.parent, &c)) {
		n->data.tx_bytes += c.tx_bytes;
		n->data.rx_bytes += c.rx_bytes;
	}
	return 0;
}

static int count(struct bench *b, const struct pair_end ordered[2], struct pair_counts n[2])
{
	struct err e = { 0 };
	int status = 0;

	for (int i = 0; status == 0 && i < 2; i++) {
		if (pair_counts_read(&ordered[i], &n[i], &e) < 0)
			return cli_fail(e.text);
		if (b->kind == BENCH_RDMA)
			status = add_port(b, &ordered[i], &n[i]);
		if (status == 0 && b->kind == BENCH_RDMA)
			status = add_parent(b, &ordered[i], &n[i]);
	}
	return status;
}

static int judge_leg(struct bench *b, struct bench_leg *l, const struct pair_end ordered[2],
		     const struct pair_counts before[2])
{
	const struct pair_claim claim = { .bytes = true, .out = l->flow.bytes };
	struct pair_counts after[2];
	struct err e = { 0 };
	int status = 0;

	if (b->kind != BENCH_RDMA) {
		if (pair_watch(&claim, ordered, before, l->moved, &e) < 0)
			return cli_fail(e.text);
	} else {
		status = count(b, ordered, after);
		for (int i = 0; i < 2; i++)
			l->moved[i] = pair_moved(&before[i], &after[i]);
	}
	l->level = pair_judge(&claim, ordered, l->moved, l->verdict, sizeof(l->verdict));
	return status;
}

static int measure(struct bench *b, struct bench_leg *l)
{
	const struct pair_end ordered[] = { b->ends[l->from], b->ends[!l->from] };
	struct inside client = INSIDE_NONE;
	struct pair_counts before[2];
	uint64_t cpu[2][2] = { 0 };
	struct job j = { .ms = (unsigned int)b->seconds * 1000 + SLACK_MS };
	char command[96];
	int status = count(b, ordered, before);

	if (status)
		return status;
	(void)str_format(command, sizeof(command),
			 "ib_write_bw --report_gbits -q %" PRIu64 " -D %" PRIu64, b->streams,
			 b->seconds);
	if (b->kind == BENCH_RDMA)
		plan_perftest(b, l->from, command, &j);
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
	struct job j = { .ms = LAT_MS };
	struct err e = { 0 };
	int status, r = 0;

	if (b->kind == BENCH_RDMA) {
		(void)str_format(command, sizeof(command), "ib_send_lat -n %d", LAT_ROUNDS);
		plan_perftest(b, 1, command, &j);
		status = run_job(b, &j, &w);
		if (status == 0)
			r = bench_result_send_lat(w.text, &b->latency, &e);
	} else {
		(void)str_format(command, sizeof(command),
				 PATHS "exec ping -n -c %d -i 0.001 -w 10 %s", PINGS,
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
	for (int i = 0; b->kind == BENCH_RDMA && i < 2; i++) {
		name = b->ends[i].ws.name;
		if (*b->ends[i].facts.rdma)
			continue;
		(void)str_format(text, sizeof(text),
				 "bench workspace '%s': it has no RDMA device (set rdma = auto in "
				 "workspaces.d/%s.ini)",
				 name, name);
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

/* What provisiond has leased to them, whatever they show inside. */
static void name_devices(struct bench *b)
{
	for (int i = 0; i < 2; i++) {
		const char *leased = b->ends[i].ws.rdma;
		char *to = b->ends[i].facts.rdma;

		if (strcmp(leased, "none") == 0 || strcmp(leased, "auto") == 0 ||
		    str_copy(to, PAIR_WORD, leased))
			to[0] = '\0';
	}
}

static int check(struct bench *b, char names[2][STR_NAME_MAX])
{
	struct findings fs = findings_new(true);
	int status = 0, r = pair_check(b->c, b->ends, names, &fs, &status);

	if (r >= 0 && (r == 0 || fs.failures))
		status = refuse(b, &fs);
	json_object_put(fs.list);
	name_devices(b);
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
	for (int i = 0; status == 0 && i < 2; i++)
		status = measure(&b, &b.legs[i]);
	if (status)
		return status;
	manifest_fill(&b.manifest, sysfs, b.ends);
	return bench_print(&b);
}
