/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay pair A B`: are two workspaces joined by a cable, and does what they send each other really take it?  Runs in
 * sshbay, as the admin.  Every fact from inside is the tenant's word; the verdict is the kernel's counters'.
 */
#include "pair.h"

#include <inttypes.h>
#include <string.h>

#include "inside.h"
#include "pair_judge.h"

#define FRAMES     50
#define FRAME_DATA 400 /* bytes, so that the frames are not taken for anything small */
#define MEASURES   3   /* other traffic on the control plane may pass */
#define V4_HEADERS 28
#define V6_HEADERS 48

#define OK(fs, subject, ...)                                                                       \
	findings_add(fs, &(struct finding){ FINDING_OK, subject, NULL }, __VA_ARGS__)
#define WARN(fs, subject, remedy, ...)                                                             \
	findings_add(fs, &(struct finding){ FINDING_WARN, subject, remedy }, __VA_ARGS__)
#define FAIL(fs, subject, remedy, ...)                                                             \
	findings_add(fs, &(struct finding){ FINDING_FAIL, subject, remedy }, __VA_ARGS__)

int pair_names(int argc, char **argv, char names[2][STR_NAME_MAX])
{
	int r = 0;

	if (argc != 3)
		return cli_usage(argv[0], "needs two workspaces");
	for (int i = 0; r == 0 && i < 2; i++)
		r = cli_name(argv[0], argv[i + 1], names[i]);
	if (r == 0 && strcmp(names[0], names[1]) == 0)
		r = cli_usage(argv[0], "needs two different workspaces");
	return r;
}

static bool check_running(struct findings *fs, const struct pair_end *end)
{
	const struct admin_workspace *ws = &end->ws;
	char remedy[128];

	if (strcmp(ws->state, "running") == 0) {
		OK(fs, "workspace", "'%s' runs", ws->name);
		return true;
	}
	(void)str_format(remedy, sizeof(remedy), "sshbay %s %s",
			 strcmp(ws->state, "absent") ? "start" : "create", ws->name);
	FAIL(fs, "workspace", remedy, "'%s' is %s", ws->name, ws->state);
	return false;
}

/* data0 and its carrier. */
static bool check_carrier(struct findings *fs, const struct pair_end *end)
{
	const struct pair_facts *f = &end->facts;
	const char *name = end->ws.name;
	char remedy[160];

	if (!f->there) {
		(void)str_format(remedy, sizeof(remedy),
				 "set nic = and data_ip = in workspaces.d/%s.ini", name);
		FAIL(fs, "carrier", remedy, "'%s' has no data0 (nic = %s)", name, end->ws.nic);
	} else if (f->carrier < 0) {
		(void)str_format(remedy, sizeof(remedy), "sshbay enter %s -- ip link set data0 up",
				 name);
		FAIL(fs, "carrier", remedy, "data0 of '%s' is down", name);
	} else if (f->carrier == 0) {
		FAIL(fs, "carrier", "check the cable, and that the other end is up",
		     "data0 of '%s' is up and has no carrier", name);
	} else {
		OK(fs, "carrier", "data0 of '%s' has carrier", name);
		return true;
	}
	return false;
}

static void check_speed(struct findings *fs, const struct pair_end ends[2])
{
	const struct pair_facts *a = &ends[0].facts, *b = &ends[1].facts;

	if (a->speed < 0 || b->speed < 0)
		WARN(fs, "speed", "the driver does not tell it; sshbay bench measures",
		     "not known at both ends");
	else if (a->speed != b->speed)
		FAIL(fs, "speed", "two ends of one cable agree: are these two cables?",
		     "%" PRId64 " and %" PRId64 " Mbit/s", a->speed, b->speed);
	else if (strcmp(a->duplex, "half") == 0 || strcmp(b->duplex, "half") == 0)
		WARN(fs, "speed", "check auto-negotiation", "%" PRId64 " Mbit/s, half duplex",
		     a->speed);
	else
		OK(fs, "speed", "%" PRId64 " Mbit/s, %s duplex", a->speed,
		   *a->duplex ? a->duplex : "unknown");
}

static void check_mtu(struct findings *fs, const struct pair_end ends[2])
{
	const struct pair_facts *a = &ends[0].facts, *b = &ends[1].facts;

	if (a->mtu == b->mtu && a->mtu)
		OK(fs, "mtu", "%" PRIu32 " at both ends", a->mtu);
	else
		FAIL(fs, "mtu", "set the same data_mtu = for both",
		     "'%s' has %" PRIu32 ", '%s' has %" PRIu32, ends[0].ws.name, a->mtu,
		     ends[1].ws.name, b->mtu);
}

/* One address family. 1: usable, 0: neither end has one, -1: a finding tells why not. */
static int check_subnet(struct findings *fs, const struct pair_end ends[2], bool six)
{
	const struct ipnet *n[2];
	const char *subject = six ? "address 6" : "address";
	char text[2][IP_TEXT_MAX];

	for (int i = 0; i < 2; i++) {
		n[i] = six ? &ends[i].facts.ip6 : &ends[i].facts.ip;
		(void)ip_net_text(n[i], text[i], sizeof(text[i]));
	}
	if (!n[0]->addr.family && !n[1]->addr.family)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (n[i]->addr.family)
			continue;
		FAIL(fs, subject,
		     six ? "set data_ip6 = for both or none" : "set data_ip = for both",
		     "data0 of '%s' has no %s address", ends[i].ws.name, six ? "IPv6" : "IPv4");
		return -1;
	}
	if (ip_equal(&n[0]->addr, &n[1]->addr)) {
		FAIL(fs, subject, "give each its own", "both ends have %s", text[0]);
		return -1;
	}
	if (!ip_in_net(&n[0]->addr, n[1]) || !ip_in_net(&n[1]->addr, n[0])) {
		FAIL(fs, subject, "data_ip = of both must be in one subnet",
		     "%s and %s are not in one subnet", text[0], text[1]);
		return -1;
	}
	OK(fs, subject, "%s and %s", text[0], text[1]);
	return 1;
}

static bool check_tools(struct findings *fs, const struct pair_end *end)
{
	static const enum pair_tool needed[] = { PAIR_IP, PAIR_PING };
	char remedy[160];
	bool all = true;

	for (int i = 0; i < 2; i++) {
		if (end->facts.tools[needed[i]])
			continue;
		all = false;
		(void)str_format(remedy, sizeof(remedy), "sshbay enter %s -- apt-get install %s",
				 end->ws.name, pair_tool_package(needed[i]));
		FAIL(fs, "tools", remedy, "there is no %s in workspace '%s'",
		     pair_tool_name(needed[i]), end->ws.name);
	}
	return all;
}

static bool check_links(struct findings *fs, const struct pair_end ends[2])
{
	bool carrier = check_carrier(fs, &ends[0]), four, six;
	int v4, v6;

	if (!check_carrier(fs, &ends[1]) || !carrier)
		return false;
	check_speed(fs, ends);
	check_mtu(fs, ends);
	if (!check_tools(fs, &ends[0]) || !check_tools(fs, &ends[1]))
		return false;
	v4 = check_subnet(fs, ends, false);
	v6 = check_subnet(fs, ends, true);
	four = v4 > 0;
	six = v6 > 0;
	if (v4 == 0 && v6 == 0)
		FAIL(fs, "address", "set data_ip = for both", "data0 has no address at either end");
	return four || six;
}

int pair_check(struct cli *c, struct pair_end ends[2], char names[2][STR_NAME_MAX],
	       struct findings *fs, int *status)
{
	bool run = true;

	for (int i = 0; i < 2; i++) {
		*status = pair_ask(c, names[i], &ends[i]);
		if (*status)
			return -1;
		run = check_running(fs, &ends[i]) && run;
	}
	if (!run)
		return 0;
	for (int i = 0; i < 2; i++) {
		*status = pair_look(c, &ends[i]);
		if (*status)
			return -1;
	}
	return check_links(fs, ends);
}

/* --- sending --- */

struct sender {
	struct cli *c;
	struct pair_end *ends;
	struct findings *fs;
	bool heard; /* an end has answered the other, if only ARP */
};

/* Run ping in ends[from] to the other's address. 0 and the counts, or the exit status (printed). */
static int ping(struct sender *s, int from, const char *options, const struct ip *to, uint64_t n[2])
{
	struct inside w = INSIDE_NONE;
	char script[256], address[IP_TEXT_MAX];
	int status;

	(void)str_format(script, sizeof(script),
			 "PATH=$PATH:/usr/sbin:/sbin LC_ALL=C exec ping -n -q %s %s", options,
			 ip_text(to, address, sizeof(address)));
	status = inside_run(&w, s->c, s->ends[from].ws.name, script);
	/* No such line: ping could not send at all (no route), which is the same for us. */
	if (status == 0 && !pair_ping_parse(w.text, &n[0], &n[1]))
		n[0] = n[1] = 0;
	inside_end(&w);
	return status;
}

static int check_full_mtu(struct sender *s, bool six)
{
	const struct pair_facts *f = &s->ends[0].facts;
	const struct pair_facts *peer = &s->ends[1].facts;
	uint32_t mtu = f->mtu < peer->mtu ? peer->mtu : f->mtu;
	const char *subject = six ? "full mtu 6" : "full mtu";
	char options[96];
	uint64_t n[2];
	int status;

	(void)str_format(options, sizeof(options), "-c 3 -i 0.05 -w 1 -M do -s %" PRIu32,
			 mtu - (six ? V6_HEADERS : V4_HEADERS));
	for (int from = 0; from < 2; from++) {
		const struct pair_facts *to = &s->ends[!from].facts;

		status = ping(s, from, options, six ? &to->ip6.addr : &to->ip.addr, n);
		if (status)
			return status;
		if (n[1])
			OK(s->fs, subject,
			   "a packet of %" PRIu32 " bytes goes from '%s' to '%s' unfragmented", mtu,
			   s->ends[from].ws.name, s->ends[!from].ws.name);
		else
			FAIL(s->fs, subject,
			     "the same data_mtu = at both ends, and what is between them",
			     "packets of %" PRIu32 " bytes from '%s' to '%s' are not answered", mtu,
			     s->ends[from].ws.name, s->ends[!from].ws.name);
	}
	return 0;
}

static void check_resolved(struct sender *s, int from)
{
	const struct pair_end *a = &s->ends[from], *b = &s->ends[!from];
	char mac[18] = "", address[IP_TEXT_MAX];
	struct err e = { 0 };
	int r = pair_resolved(a, &b->facts.ip.addr, mac, &e);

	(void)ip_text(&b->facts.ip.addr, address, sizeof(address));
	if (r < 0)
		FAIL(s->fs, "neighbour", "try again", "%s", e.text);
	else if (r == 0)
		FAIL(s->fs, "neighbour", "is another route to it in the way? ip route get, inside",
		     "'%s' has not resolved %s on data0", a->ws.name, address);
	else if (*b->facts.mac && strcasecmp(mac, b->facts.mac) != 0)
		FAIL(s->fs, "neighbour", "who else has this address?",
		     "'%s' sends what is for %s to %s, and data0 of '%s' is %s", a->ws.name,
		     address, mac, b->ws.name, b->facts.mac);
	else
		OK(s->fs, "neighbour", "'%s' has resolved %s on data0: %s", a->ws.name, address,
		   mac);
}

/* One burst. 0 and what moved, or the exit status (printed). */
static int burst(struct sender *s, int from, bool six, struct pair_claim *claim,
		 struct pair_counts moved[2])
{
	const struct pair_facts *to = &s->ends[!from].facts;
	const struct pair_end ordered[] = { s->ends[from], s->ends[!from] };
	struct pair_counts before[2];
	char options[96];
	struct err e = { 0 };
	uint64_t n[2];
	int status;

	for (int i = 0; i < 2; i++)
		if (pair_counts_read(&ordered[i], &before[i], &e) < 0)
			return cli_fail(e.text);
	(void)str_format(options, sizeof(options), "-c %d -i 0.01 -w 2 -s %d", FRAMES, FRAME_DATA);
	status = ping(s, from, options, six ? &to->ip6.addr : &to->ip.addr, n);
	if (status)
		return status;
	*claim = (struct pair_claim){ .out = n[0] < FRAMES ? FRAMES : n[0], .back = n[1] };
	return pair_watch(claim, ordered, before, moved, &e) < 0 ? cli_fail(e.text) : 0;
}

/* Unknown counts as resolved. */
static bool is_resolved(const struct sender *s, int from)
{
	struct err e = { 0 };
	char mac[18];

	return pair_resolved(&s->ends[from], &s->ends[!from].facts.ip.addr, mac, &e) != 0;
}

/* Frames from one end, with answers; the counters of both data0 must show them, the control plane's must not. */
static int check_wire(struct sender *s, int from, bool six)
{
	const struct pair_end ordered[] = { s->ends[from], s->ends[!from] };
	const char *subject = six ? "wire 6" : "wire";
	enum finding_level level = FINDING_FAIL;
	struct pair_counts moved[2];
	struct pair_claim claim = { 0 };
	char text[512];
	bool heard;
	int status;

	for (int i = 0; i < MEASURES && level == FINDING_FAIL; i++) {
		status = burst(s, from, six, &claim, moved);
		if (status)
			return status;
		level = pair_judge(&claim, ordered, moved, text, sizeof(text));
		/* Only what else the control plane carries may be less next time. */
		if (pair_lacks(&claim, moved))
			break;
	}
	heard = claim.back || six || is_resolved(s, from);
	s->heard = s->heard || heard;
	if (level == FINDING_FAIL && !heard)
		FAIL(s->fs, subject, "do these two hold the two ends of one cable?",
		     "nothing that '%s' sends is answered by '%s': %s", ordered[0].ws.name,
		     ordered[1].ws.name, text);
	else if (level == FINDING_FAIL)
		FAIL(s->fs, subject,
		     "look at routes and interfaces inside: ip route get, ip -br link",
		     "what '%s' sends '%s' does not take the wire: %s", ordered[0].ws.name,
		     ordered[1].ws.name, text);
	else if (!claim.back)
		FAIL(s->fs, subject, "does a filter inside drop it? nft list ruleset",
		     "'%s' does not answer '%s': %s", ordered[1].ws.name, ordered[0].ws.name, text);
	else if (claim.back < claim.out)
		WARN(s->fs, subject, "errors on the cable? ip -s link",
		     "%" PRIu64 " of %" PRIu64 " were answered: %s", claim.back, claim.out, text);
	else
		findings_add(s->fs,
			     &(struct finding){ level, subject,
						level == FINDING_WARN
							? "look for the host's end of eth0"
							: NULL },
			     "%s", text);
	return 0;
}

static int send_all(struct sender *s, bool six)
{
	int status = 0;

	for (int from = 0; status == 0 && from < 2; from++)
		status = check_wire(s, from, six);
	/* Neither neighbours nor large packets tell more of two that hear nothing of each other. */
	if (status || !s->heard)
		return status;
	for (int from = 0; !six && status == 0 && from < 2; from++)
		check_resolved(s, from);
	return status ? status : check_full_mtu(s, six);
}

static bool in_one_subnet(const struct ipnet *a, const struct ipnet *b)
{
	return a->addr.family && b->addr.family && !ip_equal(&a->addr, &b->addr) &&
	       ip_in_net(&a->addr, b) && ip_in_net(&b->addr, a);
}

int cli_pair(struct cli *c, int argc, char **argv)
{
	static const struct cli_option none[] = { { NULL, NULL, NULL } };
	struct findings fs = findings_new(c->json);
	char names[2][STR_NAME_MAX];
	struct pair_end ends[2] = { 0 };
	struct sender s = { .c = c, .ends = ends, .fs = &fs };
	int status = cli_options(&argc, argv, none, NULL), r;

	if (status == 0)
		status = pair_names(argc, argv, names);
	if (status)
		return status;
	r = pair_check(c, ends, names, &fs, &status);
	if (r > 0 && in_one_subnet(&ends[0].facts.ip, &ends[1].facts.ip))
		status = send_all(&s, false);
	if (r > 0 && status == 0 && in_one_subnet(&ends[0].facts.ip6, &ends[1].facts.ip6))
		status = send_all(&s, true);
	if (status) {
		FAIL(&fs, "pair", "see the message above",
		     "the verification could not be finished");
		(void)findings_end(&fs);
		return status;
	}
	return findings_end(&fs);
}
