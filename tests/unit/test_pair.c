/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `sshbay pair` and `sshbay bench` read from inside a workspace, all of which a tenant may make up; the judge of
 * counters; and collecting the output of commands, within bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/path.h"
#include "cli/bench_rdma.h"
#include "cli/bench_result.h"
#include "cli/inside.h"
#include "cli/pair_judge.h"
#include "cli_server.h"

static const struct ip any;

static int facts(const char *text, struct pair_facts *f, struct err *e)
{
	return pair_facts_parse(text, &any, f, e);
}

static void test_facts(void **state)
{
	static const char text[] =
		"motd of a shell\n@there 1\n@operstate up\n@carrier 1\n@speed 25000\n@duplex full\n"
		"@mtu 9000\n@address 02:00:00:00:00:01\n@address 10.0.0.9/8\n@address "
		"192.168.199.1/24\n"
		"@address fd00::1/64\n@tool ip\n@tool iperf3\n@tool rm\n@device 0000:29:00.0\n"
		"@offload tcp-segmentation-offload:on\n@offload scatter-gather:off\n@iperf3 "
		"3.12\n@driver \n";
	struct pair_facts f;
	struct ip configured;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(ip_parse("192.168.199.1", &configured, &e), 0);
	assert_int_equal(pair_facts_parse(text, &configured, &f, &e), 0);
	assert_true(f.there && f.carrier == 1 && f.speed == 25000 && f.mtu == 9000);
	assert_string_equal(f.mac, "02:00:00:00:00:01");
	assert_true(ip_equal(&f.ip.addr, &configured));
	assert_int_equal(f.ip.plen, 24);
	assert_int_equal(f.ip6.addr.family, AF_INET6);
	assert_true(f.tools[PAIR_IP] && f.tools[PAIR_IPERF3] && !f.tools[PAIR_PING]);
	assert_string_equal(f.offloads, "tcp-segmentation-offload:on scatter-gather:off");
	assert_string_equal(f.device, "0000:29:00.0");
	assert_string_equal(f.driver, "");
	/* Not the configured one: the first. */
	assert_int_equal(facts(text, &f, &e), 0);
	assert_int_equal(f.ip.plen, 8);
	/* Nothing: nothing is known. */
	assert_int_equal(facts("", &f, &e), 0);
	assert_true(!f.there && f.carrier == -1 && f.speed == -1 && f.mtu == 0);
	/* No link: no speed. */
	assert_int_equal(facts("@speed -1\n@carrier 0", &f, &e), 0);
	assert_true(f.speed == -1 && f.carrier == 0);
	assert_int_equal(facts("@speed 4294967295\n", &f, &e), 0);
	assert_true(f.speed == -1);
}

static void test_facts_hostile(void **state)
{
	static const char *const bad[] = {
		"@mtu 0\n",
		"@mtu 67\n",
		"@mtu 99999999\n",
		"@mtu -1\n",
		"@mtu\n",
		"@\n",
		"@ \n",
		"@carrier 2\n",
		"@carrier yes\n",
		"@speed -2\n",
		"@speed 99999999999\n",
		"@address 1.2.3.4/33\n",
		"@address 1.2.3/8\n",
		"@address 02:00:00:00:00:1\n",
		"@address 02:00:00:00:00:011\n",
		"@address zz:00:00:00:00:01\n",
		"@driver a b\n",
		"@driver a\033[2J\n",
		"@device ../../x y\n",
		"@rdma mlx5_0;id\n",
		"@rdma $(id)\n",
		"@iperf3 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
		"@duplex \377\n",
		"@password x\n",
	};
	static char big[300000];
	struct pair_facts f;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = (struct err){ 0 };
		if (facts(bad[i], &f, &e) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		for (const char *p = e.text; *p; p++)
			assert_true(*p >= 0x20 && *p <= 0x7e);
	}
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(facts(big, &f, &e), 0);
	big[0] = '@';
	assert_int_equal(facts(big, &f, &e), -EBADMSG);
	memcpy(big, "@driver ", 8);
	assert_int_equal(facts(big, &f, &e), -EBADMSG);
	/* A tool that is not known is no error, a line that is cut is. */
	memcpy(big, "@tool xx", 8);
	assert_int_equal(facts(big, &f, &e), -EBADMSG);
	for (size_t i = 0; i + 12 < sizeof(big); i += 12)
		memcpy(big + i, "@offload ab\n", 12);
	assert_int_equal(facts(big, &f, &e), -EBADMSG); /* more than there is room for */
	for (size_t i = 0; i < sizeof(big) - 1; i++)
		big[i] = "@\n 1:/.x"[(i * 7 + i / 13) % 8];
	(void)facts(big, &f, &e);
}

static void test_counts(void **state)
{
	static const char text[] =
		"Inter-|   Receive  |  Transmit\n face |bytes packets\n"
		"  lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n"
		"xdata0: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
		" data0: 18446744073709551615 20 0 0 0 0 0 0 30 40 0 0 0 0 0 0\n";
	struct pair_count c;

	(void)state;
	assert_true(pair_count_parse(text, "data0", &c));
	assert_true(c.rx_bytes == UINT64_MAX && c.rx_packets == 20 && c.tx_bytes == 30 &&
		    c.tx_packets == 40);
	assert_false(pair_count_parse(text, "data", &c));
	assert_false(pair_count_parse(text, "eth0", &c));
	assert_false(pair_count_parse("data0: 1 2 3\n", "data0", &c));
	assert_false(pair_count_parse("data0: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0 7\n", "data0", &c));
	assert_false(pair_count_parse("data0: -1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\n", "data0", &c));
	assert_false(pair_count_parse("", "data0", &c));
}

static void test_arp(void **state)
{
	static const char head[] =
		"IP address       HW type     Flags       HW address            Mask     Device\n";
	static const struct {
		const char *row;
		bool resolved;
	} rows[] = {
		{ "10.0.0.2   0x1   0x2   02:00:00:00:00:02     *        data0\n", true },
		{ "10.0.0.2   0x1   0x0   00:00:00:00:00:00     *        data0\n", false },
		{ "10.0.0.2   0x1   0x2   02:00:00:00:00:02     *        eth0\n", false },
		{ "10.0.0.22  0x1   0x2   02:00:00:00:00:02     *        data0\n", false },
		{ "10.0.0.2   0x1   0x2   02:00     *        data0\n", false },
		{ "", false },
	};
	char text[512], mac[18];
	struct ip ip;

	(void)state;
	assert_int_equal(ip_parse("10.0.0.2", &ip, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s%s", head, rows[i].row);
		assert_int_equal(pair_arp_parse(text, &ip, mac), rows[i].resolved);
	}
}

static void test_ping(void **state)
{
	static const char *const bad[] = {
		"",
		"garbage",
		"50 packets transmitted",
		"packets transmitted, 5 received",
		"3 packets transmitted, 50 received, 0% loss",
		"99999999999999999999999 packets transmitted, 5 received",
		"-- packets transmitted, x received",
	};
	uint64_t n[2];
	struct bench_latency l;
	struct err e;
	static char many[400000];

	(void)state;
	assert_true(pair_ping_parse(
		"PING\n\n50 packets transmitted, 49 received, +1 errors, 2% packet loss\n", &n[0],
		&n[1]));
	assert_true(n[0] == 50 && n[1] == 49);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(pair_ping_parse(bad[i], &n[0], &n[1]));

	many[0] = '\0';
	for (int i = 1; i <= 200; i++)
		(void)sprintf(many + strlen(many),
			      "64 bytes from x: icmp_seq=%d ttl=64 time=%d.5 ms\n", i, i);
	assert_int_equal(bench_result_ping(many, &l, &e), 0);
	assert_int_equal(l.received, 200);
	assert_true(l.min == 1500 && l.max == 200500 && l.p50 == 101500 && l.p99 == 199500 &&
		    l.avg > 100999 && l.avg < 101001);
	assert_int_equal(bench_result_ping("time=1", &l, &e), -ENODATA);
	assert_int_equal(bench_result_ping(" time=nan ms", &l, &e), -EBADMSG);
	assert_int_equal(bench_result_ping(" time=-1 ms", &l, &e), -EBADMSG);
	assert_int_equal(bench_result_ping(" time=1e9 ms", &l, &e), -EBADMSG);
	assert_int_equal(bench_result_ping(" time=1.2.3 ms", &l, &e), -EBADMSG);
	assert_int_equal(bench_result_ping(" time=99999999999999999999999999999999999 ms", &l, &e),
			 -EBADMSG);
	for (size_t i = 0; i + 8 < sizeof(many); i += 8)
		memcpy(many + i, " time=1 ", 9);
	assert_int_equal(bench_result_ping(many, &l, &e), 0);
	assert_true(l.received <= 4096);
}

#define GOOD_SENT "\"sum_sent\":{\"bytes\":1250,\"retransmits\":3}"
#define GOOD_END                                                                                   \
	"{\"start\":{\"version\":\"iperf 3.12\"},\"end\":{" GOOD_SENT                              \
	",\"sum_received\":{\"bytes\":1000,\"bits_per_second\":8000,\"seconds\":1},"               \
	"\"cpu_utilization_percent\":{\"host_total\":10,\"remote_total\":20.5}}}"
#define RECEIVED(fields) "{\"end\":{" GOOD_SENT ",\"sum_received\":{" fields "}}}"

static void test_iperf3(void **state)
{
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"{",
		"{}",
		"{\"end\":7}",
		"{\"end\":{\"sum_sent\":[],\"sum_received\":\"x\"}}",
		RECEIVED("\"bytes\":-1,\"bits_per_second\":8,\"seconds\":1"),
		RECEIVED("\"bytes\":1,\"bits_per_second\":1e300,\"seconds\":1"),
		RECEIVED("\"bytes\":1,\"bits_per_second\":NaN,\"seconds\":1"),
		RECEIVED("\"bytes\":1,\"bits_per_second\":Infinity,\"seconds\":1"),
		RECEIVED("\"bytes\":\"5\",\"bits_per_second\":8,\"seconds\":1"),
		RECEIVED("\"bytes\":1e19,\"bits_per_second\":8,\"seconds\":1"),
		RECEIVED("\"bytes\":10,\"bits_per_second\":1e10,\"seconds\":1"),
		RECEIVED("\"bytes\":10,\"bits_per_second\":10"),
	};
	static char deep[200000];
	struct bench_flow f;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(bench_result_iperf3("hello\n" GOOD_END "\n", &f, &e), 0);
	assert_true(f.bytes == 1000 && f.retransmits == 3 && f.cpu_client == 10 &&
		    f.cpu_server == 20.5 && f.lost_percent < 0);
	assert_string_equal(f.version, "3.12");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (bench_result_iperf3(bad[i], &f, &e) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(bench_result_iperf3("{\"error\":\"bad\\u001b[2J thing\"}", &f, &e), -EIO);
	assert_string_equal(e.text, "iperf3: bad\\x1b[2J thing");
	assert_int_equal(bench_result_iperf3("{\"error\":7}", &f, &e), -EIO);
	assert_int_equal(bench_result_iperf3("{\"error\":null}", &f, &e), -EBADMSG);
	memset(deep, '{', sizeof(deep) - 1);
	assert_int_equal(bench_result_iperf3(deep, &f, &e), -EBADMSG);
	for (size_t i = 0; i + 5 < sizeof(deep); i += 5)
		memcpy(deep + i, "{\"a\":", 5);
	assert_int_equal(bench_result_iperf3(deep, &f, &e), -EBADMSG);
	/* UDP whose losses are counted as received. */
	assert_int_equal(
		bench_result_iperf3(
			"{\"end\":{\"sum\":{\"lost_percent\":50},\"sum_sent\":{\"bytes\":1000},"
			"\"sum_received\":{\"bytes\":1000,\"bits_per_second\":8000,\"seconds\":1}}"
			"}",
			&f, &e),
		0);
	assert_int_equal(f.bytes, 500);
	assert_true(f.bits_per_second == 4000);
}

static void test_perftest(void **state)
{
	static const char bw[] =
		" Dual-port : OFF\n 1 2 3\n---\n #bytes #iterations BW peak[Gb/sec] BW "
		"average[Gb/sec] MsgRate[Mpps]\n"
		" 65536      1000             98.12              97.50  0.186\n-----\n";
	static const char lat[] = " #bytes #iterations    t_min[usec] ...\n"
				  " 2       1000          0.92           11.01        0.96    0.97 "
				  " 0.06   1.04   2.50\n";
	static const char *const bad[] = { "",
					   "---",
					   "1 2 3 4",
					   "1 2 3 x 5",
					   "1 2 3 0 5",
					   "1 2 3 1e9 5",
					   "1 2 3 999999999999 5" };
	struct bench_flow f;
	struct bench_latency l;
	struct err e;

	(void)state;
	assert_int_equal(bench_result_write_bw(bw, &f, &e), 0);
	assert_true(f.bytes == 65536000 && f.bits_per_second > 97.4e9 &&
		    f.bits_per_second < 97.6e9);
	assert_int_equal(bench_result_send_lat(lat, &l, &e), 0);
	assert_true(l.received == 1000 && l.min == 0.92 && l.p50 == 0.96 && l.avg == 0.97 &&
		    l.p99 == 1.04 && l.max == 11.01);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (bench_result_write_bw(bad[i], &f, &e) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(bench_result_send_lat(bw, &l, &e), -EBADMSG);
	assert_int_equal(bench_result_send_lat("2 1000 9 1 1 1 1 1 1", &l, &e), -EBADMSG);
	assert_int_equal(bench_result_send_lat("2 0 1 2 1 1 1 1 1", &l, &e), -EBADMSG);
}

static void put(int root, const char *path, const char *text)
{
	char part[256];

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		(void)str_format(part, sizeof(part), "%.*s", (int)(at - path), path);
		(void)mkdirat(root, part, 0755);
	}
	assert_int_equal(path_write_atomic(root, path,
					   &(struct path_content){
						   .buf = text, .len = strlen(text), .mode = 0644 },
					   NULL),
			 0);
}

/* InfiniBand's own counters, in words, go before others, in bytes; half of a pair is none. */
static void test_port(void **state)
{
	char name[] = "/tmp/test_pair.XXXXXX";
	uint64_t tx = 0, rx = 0;
	int root, tmp = path_open_dir("/tmp", NULL);

	(void)state;
	assert_non_null(mkdtemp(name));
	root = path_open_dir(name, NULL);
	assert_true(root >= 0);
	assert_false(bench_rdma_port(root, "mlx5_0", &tx, &rx));
#define PORT "class/infiniband/mlx5_0/ports/1/"
	put(root, PORT "hw_counters/tx_bytes", "7\n");
	assert_false(bench_rdma_port(root, "mlx5_0", &tx, &rx));
	put(root, PORT "hw_counters/rx_bytes", "8\n");
	assert_true(bench_rdma_port(root, "mlx5_0", &tx, &rx));
	assert_true(tx == 7 && rx == 8);
	put(root, PORT "counters/port_xmit_data", "100\n");
	put(root, PORT "counters/port_rcv_data", "N/A\n");
	assert_true(bench_rdma_port(root, "mlx5_0", &tx, &rx));
	assert_true(tx == 7 && rx == 8);
	put(root, PORT "counters/port_rcv_data", "200\n");
	assert_true(bench_rdma_port(root, "mlx5_0", &tx, &rx));
	assert_true(tx == 400 && rx == 800);
	assert_false(bench_rdma_port(root, "mlx5_1", &tx, &rx));
	(void)close(root);
	assert_int_equal(path_remove_tree(tmp, strrchr(name, '/') + 1, NULL), 0);
	(void)close(tmp);
}

/* Frames out, back; data of both ends; control of both ends. */
static enum finding_level judge(const uint64_t v[8], char *text)
{
	static const struct pair_end ends[2] = { { .ws.name = "a" }, { .ws.name = "b" } };
	const struct pair_claim claim = { .out = v[0], .back = v[1] };
	const struct pair_counts moved[2] = {
		{ .data = { .tx_packets = v[2], .rx_packets = v[3] },
		  .control = { .tx_packets = v[6] },
		  .has_control = true },
		{ .data = { .tx_packets = v[4], .rx_packets = v[5] },
		  .control = { .rx_packets = v[7] },
		  .has_control = v[7] != UINT64_MAX },
	};

	return pair_judge(&claim, ends, moved, text, 512);
}

static void test_judge(void **state)
{
	static const struct {
		uint64_t v[8];
		enum finding_level level;
	} cases[] = {
		{ { 50, 50, 52, 51, 51, 52, 0, 0 }, FINDING_OK },
		{ { 50, 50, 52, 51, 51, 52, 20, 49 }, FINDING_OK },
		{ { 50, 50, 49, 51, 51, 52, 0, 0 }, FINDING_FAIL },
		{ { 50, 50, 52, 49, 51, 52, 0, 0 }, FINDING_FAIL },
		{ { 50, 50, 52, 51, 49, 52, 0, 0 }, FINDING_FAIL },
		{ { 50, 50, 52, 51, 51, 49, 0, 0 }, FINDING_FAIL },
		{ { 50, 50, 0, 0, 0, 0, 100, 100 }, FINDING_FAIL },
		/* What is called data0 moved as claimed, and so did the control plane: they may be the same. */
		{ { 50, 50, 50, 50, 50, 50, 100, 100 }, FINDING_FAIL },
		{ { 50, 50, 50, 50, 50, 50, 50, 0 }, FINDING_FAIL },
		{ { 50, 50, 50, 50, 50, 50, 0, UINT64_MAX }, FINDING_WARN },
	};
	const struct pair_counts before = { .data = { 10, 10, 10, 10 }, .has_control = true },
				 after = { .data = { 5, 11, 10, 30 }, .has_control = true };
	struct pair_counts moved = pair_moved(&before, &after);
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (judge(cases[i].v, text) != cases[i].level)
			fail_msg("case %zu: %s", i, text);
	assert_int_equal(judge(cases[2].v, text), FINDING_FAIL);
	assert_string_equal(text, "data0 of 'a' sent 49 of 50 frames; the control plane carried 0");
	/* A counter that was reset proves nothing. */
	assert_true(moved.data.rx_bytes == 0 && moved.data.rx_packets == 1 &&
		    moved.data.tx_bytes == 0 && moved.data.tx_packets == 20);
}

/* --- inside --- */

static struct cli cli = { .config = config };

static void test_inside(void **state)
{
	struct inside w = INSIDE_NONE;
	struct inside *one[] = { &w };
	struct err e = { 0 };
	uint64_t began;

	(void)state;
	assert_int_equal(inside_run(&w, &cli, "web", "echo out; echo \"it's\" >&2; exit 7"), 0);
	assert_int_equal(w.status, 7);
	assert_string_equal(w.text, "out\n");
	assert_string_equal(w.said, "it's\n");
	inside_end(&w);
	inside_end(&w);
	/* Stdin stays open until the end, and ends with it. */
	assert_int_equal(inside_start(&w, &cli, "web", "echo ready; cat"), 0);
	assert_int_equal(inside_collect(one, 1, "ready", 5000, &e), 0);
	assert_false(w.exited);
	assert_int_equal(inside_collect(one, 1, NULL, 200, &e), -ETIMEDOUT);
	inside_end(&w);
	/* A word on stderr ends the wait for stdout. */
	assert_int_equal(inside_start(&w, &cli, "web", "echo no >&2; cat"), 0);
	assert_int_equal(inside_collect(one, 1, "ready", 5000, &e), 0);
	assert_string_equal(w.said, "no\n");
	inside_end(&w);
	/* What a background process keeps open is not waited for. */
	began = clk_now_us();
	assert_int_equal(inside_run(&w, &cli, "web", "sleep 4 & echo early"), 0);
	assert_string_equal(w.text, "early\n");
	assert_true(clk_now_us() - began < 3000000);
	inside_end(&w);
	assert_int_equal(inside_run(&w, &cli, "nobody", "true"), CLI_FAILED);
	inside_end(&w);
}

static void test_inside_hostile(void **state)
{
	struct inside w = INSIDE_NONE;
	struct inside *one[] = { &w };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(inside_start(&w, &cli, "web", "yes"), 0);
	assert_int_equal(inside_collect(one, 1, NULL, 10000, &e), -EFBIG);
	assert_int_equal(w.len, INSIDE_TEXT_MAX);
	inside_end(&w);
	/* Of stderr only the beginning is kept, and NUL ends it. */
	assert_int_equal(inside_run(&w, &cli, "web",
				    "head -c 900000 /dev/zero | tr '\\0' x >&2; printf 'a\\0b'"),
			 0);
	assert_int_equal(strlen(w.said), sizeof(w.said) - 1);
	assert_string_equal(w.text, "a");
	assert_int_equal(w.len, 3);
	inside_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts),          cmocka_unit_test(test_facts_hostile),
		cmocka_unit_test(test_counts),         cmocka_unit_test(test_arp),
		cmocka_unit_test(test_ping),           cmocka_unit_test(test_iperf3),
		cmocka_unit_test(test_perftest),       cmocka_unit_test(test_port),
		cmocka_unit_test(test_judge),          cmocka_unit_test(test_inside),
		cmocka_unit_test(test_inside_hostile),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
