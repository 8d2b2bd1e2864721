/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The protocol fuzzer: real session processes, each brought to some state of SSH by a client that knows the protocol, and
 * then given packets that do not; provisiond and ws-init are pretended, and hostile in some runs.  A run fails when the
 * session dies of anything but its own decision, does not end with its connection, keeps descriptors, memory or
 * processor time, or leaks (under LeakSanitizer).  Says TAP.
 *
 * usage: protocol [-z sshd-gate-session] [-t SECONDS] [-s SEED] [-n RUNS] [-v]
 *        FUZZ_SECONDS and FUZZ_SEED stand for -t (10) and -s (1); `-s SEED -n 1` repeats the run that failed.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clk.h"
#include "grammar.h"
#include "peers.h"
#include "target.h"
#include "wire.h"

#define HANG_US      20000000 /* a session has ended this long after its connection */
#define FAILURES_MAX 5

enum stage { VERSION, KEX, AUTH, LOGGED_IN, CHANNELS, FORWARDS };

struct run {
	uint64_t seed;
	struct rng rng;
	struct target target;
	struct wire wire;
	struct peers peers;
	enum stage stage;
	unsigned int base_fds, replies;
	uint32_t pending[64],
		npending; /* channels that the session has opened and we have not answered */
	char why[256];    /* of the failure */
};

static struct grammar g;
static struct {
	unsigned long runs, packets, logins, channels, forwards, rekeys, alive, leak_checks,
		failures;
	unsigned long peak_kib;
	bool verbose;
} total;

static void fail(struct run *r, const char *what, unsigned long long number)
{
	if (!r->why[0])
		(void)snprintf(r->why, sizeof(r->why), "%s (%llu)", what, number);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void add_chan(uint32_t id)
{
	if (g.nchans == GRAMMAR_CHANS)
		return;
	g.chans[g.nchans].id = id;
	g.chans[g.nchans++].closed = false;
}

/* The first bytes of a packet, with -v. */
static void show(const char *way, const uint8_t *p, size_t len)
{
	if (!total.verbose)
		return;
	printf("# %s %zu:", way, len);
	for (size_t i = 0; i < len && i < 48; i++)
		printf(p[i] > 32 && p[i] < 127 ? " %c" : " %02x", p[i]);
	printf("\n");
}

/* What the session says, as far as the next packets depend on it. */
static void packet(void *ctx, const uint8_t *p, size_t len)
{
	struct run *r = ctx;
	uint32_t word = len >= 5 ? get32(p + 1) : 0;

	show("in", p, len);
	switch (p[0]) {
	case 52:
		g.authenticated = true;
		break;
	case 81:
	case 82:
		r->replies++;
		break;
	case 90:
		if (word < 64 && len >= 9 + word && r->npending < 64)
			r->pending[r->npending++] = get32(p + 5 + word);
		break;
	case 91:
		if (len >= 9)
			add_chan(get32(p + 5));
		break;
	}
}

/* --- turns --- */
/* Everybody does what there is to do; false when nothing came for `ms`, or it is over. */
static bool turn(struct run *r, int ms)
{
	struct pollfd p[3];
	int n;

	wire_flush(&r->wire);
	p[0] = (struct pollfd){ r->wire.fd, (short)(POLLIN | (r->wire.out_len ? POLLOUT : 0)), 0 };
	p[1] = (struct pollfd){ r->peers.prov, POLLIN, 0 };
	p[2] = (struct pollfd){ r->peers.init, POLLIN, 0 };
	if (r->wire.closed)
		p[0].fd = -1;
	n = poll(p, 3, ms);
	(void)peers_answer(&r->peers);
	wire_read(&r->wire);
	return n > 0 && !r->wire.closed;
}

static void settle(struct run *r)
{
	for (int n = 0; n < 300 && turn(r, 2); n++)
		;
}

/* Until `*flag` is `want` or more, or nobody will make it so. */
static bool await(struct run *r, const unsigned int *count, unsigned int want)
{
	uint64_t end = clk_now_us() + 5000000;

	while (*count < want && !r->wire.closed && clk_now_us() < end)
		(void)turn(r, 20);
	return *count >= want;
}

static void send_packet(struct run *r, enum wire_fault fault)
{
	show("out", g.p, g.n);
	wire_send(&r->wire, g.p, g.n, fault);
	g.wants_reply = false;
}

/* --- the way to a state --- */
static bool key_exchange(struct run *r)
{
	wire_raw(&r->wire, "SSH-2.0-fuzz\r\n", 14);
	if (r->stage == VERSION)
		return true;
	wire_kexinit(&r->wire);
	if (r->stage == KEX)
		return true;
	if (!await(r, &r->wire.kexes, 1))
		return false;
	r->base_fds = target_fds(&r->target);
	return true;
}

static void login(struct run *r)
{
	grammar_service(&g);
	send_packet(r, WIRE_GOOD);
	for (int i = 0; i < 4 && !g.authenticated && !r->wire.closed; i++) {
		uint64_t end = clk_now_us() + 300000;

		grammar_login(&g);
		send_packet(r, WIRE_GOOD);
		while (!g.authenticated && !r->wire.closed && clk_now_us() < end)
			(void)turn(r, 5);
	}
	total.logins += g.authenticated;
}

static void channels(struct run *r)
{
	static const char *const what[] = { "exec", "exec", "shell", "subsystem" };

	for (uint32_t k = 1 + rng_below(&r->rng, 4); k; k--) {
		uint32_t before = g.nchans;

		grammar_open(&g, rng_once(&r->rng, 4) ? "direct-tcpip" : "session");
		send_packet(r, WIRE_GOOD);
		for (int n = 0; n < 8 && g.nchans == before && !r->wire.closed; n++)
			(void)turn(r, 5);
		if (g.nchans == before)
			continue;
		total.channels++;
		if (rng_once(&r->rng, 3)) {
			grammar_request(&g, g.chans[before].id, "pty-req");
			send_packet(r, WIRE_GOOD);
		}
		grammar_request(&g, g.chans[before].id, what[rng_below(&r->rng, 4)]);
		send_packet(r, WIRE_GOOD);
	}
	settle(r);
}

static void forwards(struct run *r)
{
	for (uint32_t k = 1 + rng_below(&r->rng, 3); k; k--) {
		grammar_forward(&g, "tcpip-forward");
		send_packet(r, WIRE_GOOD);
		settle(r);
	}
	total.forwards += r->peers.listens;
}

/* --- disorder --- */
static void answer_opens(struct run *r)
{
	while (r->npending) {
		uint32_t id = r->pending[--r->npending];

		if (rng_once(&r->rng, 3)) {
			grammar_refuse(&g, id);
		} else {
			uint8_t p[17] = { 91, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
					  (uint8_t)(id >> 8), (uint8_t)id };

			rng_fill(&r->rng, p + 5, 12);
			memcpy(g.p, p, sizeof(p));
			g.n = sizeof(p);
			add_chan(id);
		}
		send_packet(r, WIRE_GOOD);
	}
}

static void noise(struct run *r)
{
	uint8_t junk[300];
	size_t n = rng_below(&r->rng, sizeof(junk));

	rng_fill(&r->rng, junk, n);
	if (r->stage == VERSION && rng_once(&r->rng, 2))
		memset(junk, 'x', n);
	wire_raw(&r->wire, junk, n);
}

static void step(struct run *r)
{
	enum wire_fault fault = WIRE_GOOD;

	/* In the middle of a key exchange nothing else may be sent. */
	for (int n = 0; g.calm && r->wire.kexing && n < 50 && !r->wire.closed; n++)
		(void)turn(r, 5);
	if (!g.calm && rng_once(&r->rng, 60))
		fault = (enum wire_fault)rng_below(&r->rng, WIRE_FAULTS);
	if (r->stage == VERSION ? rng_once(&r->rng, 3) : !g.calm && rng_once(&r->rng, 150))
		noise(r);
	if (rng_once(&r->rng, g.calm ? 25 : 80) && r->wire.kexes) {
		wire_kexinit(&r->wire);
		total.rekeys++;
	}
	grammar_any(&g);
	if (rng_once(&r->rng, g.calm ? 100 : 6))
		grammar_break(&g);
	send_packet(r, fault);
	total.packets++;
	if (!rng_once(&r->rng, 3))
		answer_opens(r);
	if (rng_once(&r->rng, 2))
		peers_stir(&r->peers);
	if (rng_once(&r->rng, 4))
		settle(r);
	else
		(void)turn(r, 0);
}

/* --- the end --- */
/* A session at rest uses no processor time. */
static void check_rest(struct run *r)
{
	for (int i = 0; i < 5; i++) {
		uint64_t before = target_cpu_now_us(&r->target), used;

		(void)usleep(20000);
		used = target_cpu_now_us(&r->target) - before;
		settle(r);
		if (used < 10000 || r->wire.closed || target_ended(&r->target))
			return;
	}
	fail(r, "it spins", 0);
}

/* Channels from `first` on; the number of all. */
static uint32_t close_chans(struct run *r, uint32_t first)
{
	for (; first < g.nchans; first++) {
		grammar_close(&g, g.chans[first].id);
		send_packet(r, WIRE_GOOD);
	}
	return first;
}

/* Everything is closed in good order: what it held must be gone. */
static void check_left(struct run *r)
{
	uint32_t closed;
	unsigned int allowed, fds = 0, seen = r->replies;
	static const uint8_t keepalive[] = "\x50\0\0\0\x15keepalive@openssh.com\x01";
	uint64_t end = clk_now_us() + 4000000;

	peers_quiet(&r->peers);
	settle(r);
	answer_opens(r);
	closed = close_chans(r, 0);
	settle(r);
	seen = r->replies;
	wire_send(&r->wire, keepalive, sizeof(keepalive) - 1, WIRE_GOOD);
	if (!await(r, &r->replies, seen + 1))
		return;
	total.alive++;
	do {
		settle(r);
		answer_opens(r);
		/* Opens, and answers to ours, that were under way. */
		closed = close_chans(r, closed);
		peers_quiet(&r->peers);
		allowed = r->base_fds + (r->peers.attached != 0) + r->peers.listens;
		fds = target_fds(&r->target);
	} while (fds > allowed && !r->wire.closed && clk_now_us() < end);
	if (fds > allowed && !r->wire.closed && !target_ended(&r->target)) {
		fail(r, "descriptors are left", fds - allowed);
		target_show_fds(&r->target);
	}
	if (rng_once(&r->rng, 4))
		check_rest(r);
	if (rng_once(&r->rng, 16)) {
		total.leak_checks++;
		target_check_leaks(&r->target);
		settle(r);
	}
}

static void check_memory(struct run *r)
{
	unsigned long kib = r->target.pid ? target_peak_kib(&r->target) : 0;

	if (kib > total.peak_kib)
		total.peak_kib = kib;
	if (kib > (target_sanitized() ? 400UL : 80UL) * 1024)
		fail(r, "it grew, KiB", kib);
}

static void check_end(struct run *r)
{
	uint64_t end = clk_now_us() + HANG_US;

	while (!target_ended(&r->target) && clk_now_us() < end) {
		(void)peers_answer(&r->peers);
		(void)usleep(300);
	}
	if (!target_ended(&r->target)) {
		fail(r, "it outlives its connection", HANG_US / 1000000);
		target_kill(&r->target);
		return;
	}
	if (WIFSIGNALED(r->target.status))
		fail(r, "it died of signal", (unsigned int)WTERMSIG(r->target.status));
	else if (WEXITSTATUS(r->target.status) > 1)
		fail(r, "exit status", (unsigned int)WEXITSTATUS(r->target.status));
	if (r->target.cpu_us > (target_sanitized() ? 4000000U : 1000000U))
		fail(r, "processor time, us", r->target.cpu_us);
}

static void finish(struct run *r)
{
	switch (rng_below(&r->rng, 6)) {
	case 0: /* provisiond dies first */
		close(r->peers.prov);
		r->peers.prov = -1;
		settle(r);
		break;
	case 1:
		if (r->wire.fd >= 0)
			(void)shutdown(r->wire.fd, SHUT_WR);
		settle(r);
		break;
	case 2:
		break;
	default:
		if (g.authenticated && !r->peers.hostile_prov && !r->wire.closed && !r->wire.kexing)
			check_left(r);
	}
	check_memory(r);
	wire_close(&r->wire);
	check_end(r);
}

static void play(struct run *r)
{
	if (!key_exchange(r))
		return;
	if (r->stage >= LOGGED_IN)
		login(r);
	if (r->stage >= CHANNELS && g.authenticated)
		channels(r);
	if (r->stage >= FORWARDS && g.authenticated)
		forwards(r);
	for (uint32_t k = 1 + rng_below(&r->rng, 60); k && !r->wire.closed; k--)
		step(r);
	settle(r);
}

static bool run(uint64_t seed)
{
	static const enum stage stages[] = { VERSION,   KEX,       AUTH,     AUTH,
					     LOGGED_IN, LOGGED_IN, CHANNELS, CHANNELS,
					     CHANNELS,  CHANNELS,  FORWARDS, FORWARDS };
	static struct run r;
	uint64_t begun = clk_now_us();
	uint32_t mood;

	memset(&r, 0, sizeof(r));
	g.rng.s = seed * 3 + 1;
	g.authenticated = false;
	g.nchans = g.opened = 0;
	r.seed = seed;
	r.rng.s = seed;
	r.stage = stages[rng_below(&r.rng, sizeof(stages) / sizeof(*stages))];
	mood = rng_below(&r.rng, 8);
	g.calm = r.stage >= LOGGED_IN && rng_once(&r.rng, 2);
	target_drop_log();
	if (target_start(&r.target) < 0 || wire_open(&r.wire, r.target.conn, seed * 5 + 2) < 0) {
		printf("not ok - seed %llu: no session could be started\n",
		       (unsigned long long)seed);
		exit(1);
	}
	r.wire.packet = packet;
	r.wire.ctx = &r;
	peers_open(&r.peers, r.target.prov, seed * 7 + 3);
	r.peers.hostile_init = mood < 3;
	r.peers.hostile_prov = mood == 0;
	play(&r);
	finish(&r);
	peers_close(&r.peers);
	total.runs++;
	if (total.verbose)
		printf("# seed %llu: stage %d, %u key exchanges, %u channels, %u questions, peers "
		       "%d%d, %llu us of processor, %llu in all\n",
		       (unsigned long long)seed, (int)r.stage, r.wire.kexes, g.nchans,
		       r.peers.questions, r.peers.hostile_init, r.peers.hostile_prov,
		       (unsigned long long)r.target.cpu_us,
		       (unsigned long long)(clk_now_us() - begun));
	if (!r.why[0]) {
		if (total.verbose)
			target_show_log();
		return true;
	}
	printf("# seed %llu, stage %d: %s; repeat with: -s %llu -n 1 -v\n",
	       (unsigned long long)seed, (int)r.stage, r.why, (unsigned long long)seed);
	target_show_log();
	return false;
}

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

/* A fuzzer that gets nowhere finds nothing. */
static bool thorough(void)
{
	return total.runs < 200 || (total.logins && total.channels && total.forwards &&
				    total.rekeys && total.alive && total.leak_checks);
}

static int report(uint64_t first, double seconds)
{
	printf("%sok 1 - %lu sessions from seed %llu in %.0f s end cleanly\n",
	       total.failures ? "not " : "", total.runs, (unsigned long long)first, seconds);
	printf("# %lu packets; %lu logins, %lu channels, %lu forwards, %lu rekeys; %lu connections "
	       "outlived the fuzzing; peak %lu KiB\n",
	       total.packets, total.logins, total.channels, total.forwards, total.rekeys,
	       total.alive, total.peak_kib);
	printf("%sok 2 - every state was reached\n1..2\n", thorough() ? "" : "not ");
	return total.failures || !thorough();
}

int main(int argc, char **argv)
{
	unsigned long runs = 0, seconds = number("FUZZ_SECONDS", 10);
	uint64_t seed = number("FUZZ_SEED", 1), begun = clk_now_us(), first;
	const char *program = NULL;
	int o;

	while ((o = getopt(argc, argv, "z:t:s:n:v")) != -1) {
		if (o == 'z')
			program = optarg;
		else if (o == 't')
			seconds = strtoul(optarg, NULL, 10);
		else if (o == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (o == 'n')
			runs = strtoul(optarg, NULL, 10);
		else if (o == 'v')
			total.verbose = true;
		else
			return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (target_setup(program, total.verbose) < 0)
		return 1;
	first = seed;
	while (total.failures < FAILURES_MAX &&
	       (runs ? total.runs < runs : clk_now_us() - begun < seconds * 1000000))
		total.failures += !run(seed++);
	return report(first, (double)(clk_now_us() - begun) / 1e6);
}
