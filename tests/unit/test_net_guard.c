/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net_guard.c: the text of the rules of a port on a bridge, and net_bridge.c: which bridges a configuration names. */
#include "net_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "net_bridge.h"

static struct settings set;
static char text[16384];

static void pools(const char *four, const char *six)
{
	memset(&set, 0, sizeof(set));
	assert_int_equal(ip_parse_net(four, &set.network.control_cidr, NULL), 0);
	if (six)
		assert_int_equal(ip_parse_net(six, &set.network.control_cidr6, NULL), 0);
}

static struct net_guard port(const char *four, const char *six)
{
	struct net_guard g = { .slot = 0x1f, .mac = { 2, 0x71, 0xca, 0x72, 0xf2, 0x3a } };

	assert_int_equal(ip_parse(four, &g.ip4, NULL), 0);
	if (six)
		assert_int_equal(ip_parse(six, &g.ip6, NULL), 0);
	return g;
}

static void has(const char *line)
{
	if (!strstr(text, line))
		fail_msg("not there: %s", line);
}

static void fixed_part(void **state)
{
	pools("10.20.7.0/24", NULL);
	assert_int_equal(net_guard_text(&set, NULL, text, sizeof(text), NULL), 0);
	has("guard iifname vmap @ports\n");
	has("guard counter name unguarded drop\n");
	has("arrive ether daddr @gate ip daddr 10.20.7.0/24 tcp dport 22 ether daddr set "
	    "fe:ff:ff:ff:ff:ff meta pkttype set host\n");
	has("leave oifname \"sb-*\" ip daddr 10.20.7.0/24 tcp dport 22 counter name gate_closed "
	    "drop\n");
	assert_null(strstr(text, "ip6 daddr"));
	assert_null(strstr(text, "port_"));
}

static void one_port(void **state)
{
	struct net_guard g = port("10.20.7.9", "fd00:199::9");

	pools("10.20.7.0/24", "fd00:199::/112");
	assert_int_equal(net_guard_text(&set, &g, text, sizeof(text), NULL), 0);
	has("ip6 daddr fd00:199::/112 tcp dport 22 ether daddr set");
	has("port_1f ether saddr != 02:71:ca:72:f2:3a counter drop comment \"source MAC\"\n");
	has("arp saddr ether 02:71:ca:72:f2:3a arp saddr ip 10.20.7.9 return\n");
	has("ether type ip ip saddr != 10.20.7.9 counter drop");
	has("ip6 saddr { fe80::71:caff:fe72:f23a, fd00:199::9 } return\n");
	has("@th,64,128 != { 0xfe800000000000000071cafffe72f23a, "
	    "0xfd000199000000000000000000000009 } counter drop");
	has("add element bridge sshbay ports { \"sb-1f\" : goto port_1f }\n");
	has("add element bridge sshbay gate { 02:71:ca:72:f2:3a }\n");
	/* The last rule of the chain drops. */
	assert_non_null(
		strstr(strstr(text, "\"IPv6 source\""), "counter drop comment \"other protocol\""));
}

/* What makes a station the LAN's gateway, and what fills a bridge's table. */
static void routers_and_groups(void **state)
{
	struct net_guard g = port("10.20.7.9", "fd00:199::9");

	pools("10.20.7.0/24", "fd00:199::/112");
	assert_int_equal(net_guard_text(&set, &g, text, sizeof(text), NULL), 0);
	has("ether type ip ip protocol { 88, 89, 103, 112 } counter drop comment \"router\"\n");
	has("ether type ip6 meta l4proto { 88, 89, 103, 112 } counter drop comment \"router\"\n");
	has("ether type ip6 udp dport { 520, 521, 1985, 2029 } counter drop");
	has("exthdr frag exists ip6 daddr ff00::/8 counter drop comment \"fragment\"\n");
	has("igmp type membership-report-v3 @th,48,16 > 8 counter drop");
	has("icmpv6 type mld2-listener-report @th,48,16 > 8 counter drop");
	g.counts_groups = true;
	assert_int_equal(net_guard_text(&set, &g, text, sizeof(text), NULL), 0);
	assert_null(strstr(text, "@th,48,16"));
	has("ip protocol igmp limit rate over 60/minute burst 64 packets counter drop");
}

static void without_ip6(void **state)
{
	struct net_guard g = port("10.20.7.9", NULL);

	pools("10.20.7.0/24", NULL);
	assert_int_equal(net_guard_text(&set, &g, text, sizeof(text), NULL), 0);
	has("ip6 saddr { fe80::71:caff:fe72:f23a } return\n");
}

static void too_long(void **state)
{
	struct net_guard g = port("10.20.7.9", NULL);
	struct err e = { 0 };

	pools("10.20.7.0/24", NULL);
	assert_int_equal(net_guard_text(&set, &g, text, 900, &e), -ENAMETOOLONG);
	assert_string_equal(e.text, "write nft table 'bridge sshbay': ruleset too long");
}

static void which_bridges(void **state)
{
	static struct spec list[20];

	pools("10.20.7.0/24", NULL);
	assert_null(net_bridge_name(&set, 0));
	set.workspaces = list;
	set.nworkspaces = 4;
	strcpy(list[0].attach, "br1");
	strcpy(list[2].attach, "br0");
	strcpy(list[3].attach, "br1");
	strcpy(set.defaults.attach, "br9");
	assert_string_equal(net_bridge_name(&set, 0), "br1");
	assert_string_equal(net_bridge_name(&set, 1), "br0");
	assert_string_equal(net_bridge_name(&set, 2), "br9");
	assert_null(net_bridge_name(&set, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_part),         cmocka_unit_test(one_port),
		cmocka_unit_test(without_ip6),        cmocka_unit_test(too_long),
		cmocka_unit_test(routers_and_groups), cmocka_unit_test(which_bridges),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("net_guard", tests, NULL, NULL);
}
