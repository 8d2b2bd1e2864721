/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a driver can be told, read, restored and compared, against a driver that can be told everything (fake_driver.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ethtool.h"
#include "fake_driver.h"

static void add_rule(uint32_t location, uint64_t ring)
{
	struct ethtool_rxnfc c = { .cmd = ETHTOOL_SRXCLSRLINS };

	c.fs.flow_type = TCP_V4_FLOW;
	c.fs.h_u.tcp_ip4_spec.pdst = (uint16_t)(4000 + location);
	c.fs.m_u.tcp_ip4_spec.pdst = 0xffff;
	c.fs.ring_cookie = ring;
	c.fs.location = location;
	assert_int_equal(rules(&c), 0);
}

static int make_driver(void **state)
{
	memset(&driver, 0, sizeof(driver));
	plain = no_contexts = shy = down = lazy = no_carrier = negotiating = false;
	fail = 0;
	driver.channels = (struct ethtool_channels){ .max_combined = 8, .combined_count = 8 };
	driver.rings = (struct ethtool_ringparam){ .rx_max_pending = 4096, .rx_pending = 512 };
	driver.coalesce = (struct ethtool_coalesce){ .rx_coalesce_usecs = 30 };
	driver.pause = (struct ethtool_pauseparam){ .rx_pause = 1 };
	driver.wol = (struct ethtool_wolinfo){ .supported = WAKE_MAGIC | WAKE_PHY };
	driver.eee = (struct ethtool_eee){ .supported = 8, .advertised = 8, .eee_enabled = 1 };
	driver.autoneg = AUTONEG_ENABLE;
	driver.supported = driver.advertising = 7;
	driver.features = 2 | 1;
	driver.msglevel = 7;
	driver.function = 1;
	driver.stamps.rx_filter = HWTSTAMP_FILTER_PTP_V2_EVENT;
	default_table(&driver);
	for (int i = 0; i < KEY; i++)
		driver.key[i] = (uint8_t)(i * 7);
	for (int i = 0; i < 32; i++)
		driver.fields[i] = RXH_IP_SRC | RXH_IP_DST;
	for (int i = 0; i < 512; i++)
		driver.eeprom[i] = (uint8_t)i;
	add_rule(9, 7);
	add_rule(3, 5);
	host = driver;
	return 0;
}

static struct ethtool_state look(void)
{
	struct ethtool_state s;
	struct err e = { 0 };

	assert_int_equal(ethtool_read(7, "nic0", &s, &e), 0);
	return s;
}

/* The host's, but for the order in which a driver keeps its rules. */
static void as_before(void)
{
	assert_int_equal(driver.nrules, host.nrules);
	for (uint32_t i = 0; i < host.nrules; i++) {
		assert_non_null(rule_at(host.rule[i].fs.location));
		assert_memory_equal(&rule_at(host.rule[i].fs.location)->fs, &host.rule[i].fs,
				    sizeof(host.rule[i].fs));
	}
	assert_memory_equal(&driver, &host, offsetof(struct driver, nrules));
}

/* As the tenant of a workspace with nic_admin = full would. */
static void spoil(void)
{
	uint64_t first = rule_at(3)->fs.ring_cookie;

	assert_int_equal(first, 5);
	driver.nrules = 0;
	add_rule(3, 1); /* another in the place of the host's */
	add_rule(50, 2);
	driver.channels.combined_count = 4;
	driver.rings.rx_pending = 64;
	driver.coalesce.rx_coalesce_usecs = 1000;
	driver.pause.rx_pause = 0;
	driver.autoneg = AUTONEG_DISABLE;
	driver.msglevel = 0xffff;
	driver.stamps.tx_type = HWTSTAMP_TX_ON;
	driver.stamps.rx_filter = HWTSTAMP_FILTER_ALL;
	memset(driver.table, 0, sizeof(driver.table));
	memset(driver.key, 0x66, sizeof(driver.key));
	driver.function = 2;
	driver.fields[UDP_V4_FLOW] = RXH_L2DA;
	driver.features = 2 | 4;
}

static void test_everything(void **state)
{
	struct ethtool_state before = look(), after;
	struct err e = { 0 };

	assert_int_equal(before.steer.nrules, 2);
	assert_int_equal(before.steer.rule[0].fs.location, 3);
	assert_int_equal(before.steer.ntable, TABLE);
	assert_int_equal(before.steer.table[127], 7);
	assert_int_equal(strlen(before.eeprom), 64);
	writes = 0;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	assert_int_equal(writes, 0); /* many drivers reset the link for any write */
	spoil();
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
	after = look();
	assert_null(ethtool_difference(&before, &after));
}

/* A table of the host's own comes back, too. */
static void test_own_table(void **state)
{
	struct ethtool_state before;
	struct err e = { 0 };

	for (uint32_t i = 0; i < TABLE; i++)
		driver.table[i] = 7 - i % 4;
	driver.configured = true;
	host = driver;
	before = look();
	spoil();
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
}

/* A rule for a queue that the host does not have keeps the queues as they are until it is gone. */
static void test_queues(void **state)
{
	struct ethtool_state before;
	struct err e = { 0 };

	driver.nrules = 0;
	driver.channels.combined_count = 2;
	default_table(&driver);
	host = driver;
	before = look();
	driver.channels.combined_count = 8;
	add_rule(1, 6);
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
}

/* Nor can queues go that a table of the tenant's names, wherever it names them. */
static void test_table_over_queues(void **state)
{
	struct ethtool_state before;
	struct err e = { 0 };

	driver.nrules = 0;
	driver.channels.combined_count = 2;
	default_table(&driver);
	host = driver;
	before = look();
	driver.channels.combined_count = 8;
	default_table(&driver);
	driver.configured = true; /* ethtool -L nic0 combined 8; ethtool -X nic0 equal 8 */
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
	/* The same for a host with a table of its own. */
	for (uint32_t i = 0; i < TABLE; i++)
		driver.table[i] = i < 100;
	driver.configured = true;
	host = driver;
	before = look();
	driver.channels.combined_count = 8;
	for (uint32_t i = 0; i < TABLE; i++)
		driver.table[i] = 7;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
}

/* A table for queues that are no more can only become the driver's own. */
static void test_stale_table(void **state)
{
	struct ethtool_state before, after;
	struct err e = { 0 };

	driver.nrules = 0;
	driver.channels.combined_count = 2; /* the table is for 8 still */
	before = look();
	writes = 0;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	assert_int_equal(writes, 0);
	driver.channels.combined_count = 8;
	driver.table[0] = 5;
	driver.configured = true;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	assert_int_equal(driver.channels.combined_count, 2);
	assert_false(driver.configured);
	assert_int_equal(driver.table[TABLE - 1], 1);
	after = look();
	assert_null(ethtool_difference(&before, &after));
	/* But one that could be, and has become stale by fewer queues while it was down, is made again. */
	before = after;
	lazy = true;
	driver.channels.combined_count = 4;
	default_table(&driver);
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	assert_int_equal(driver.table[TABLE - 1], 1);
	driver.table[0] = 3;
	after = look();
	assert_string_equal(ethtool_difference(&before, &after), "RSS table");
}

/* A tenant's contexts go, also one that a rule of his names. */
static void test_contexts(void **state)
{
	struct ethtool_state before = look(), after;
	struct err e = { 0 };

	assert_int_equal(before.steer.ncontexts, 0);
	add_rule(50, 2);
	driver.rule[2].fs.flow_type |= FLOW_RSS;
	driver.rule[2].rss_context = 3;
	driver.context[1] = driver.context[3] = driver.context[7] = true;
	after = look();
	assert_int_equal(after.steer.ncontexts, 3);
	assert_string_equal(ethtool_difference(&before, &after), "RSS contexts");
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
	no_contexts = true;
	driver.context[1] = true;
	after = look();
	assert_int_equal(after.steer.ncontexts, 0);
}

/* What a driver tells and takes only while the interface is up is told of, and restored then. */
static void test_shy_driver(void **state)
{
	struct ethtool_state before = look();
	struct err e = { 0 };

	assert_false(ethtool_steer_hides(7, "nic0"));
	spoil();
	shy = down = true;
	assert_true(ethtool_steer_hides(7, "nic0"));
	assert_false(ethtool_settled(7, "nic0", &before));
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), -EOPNOTSUPP);
	assert_string_equal(e.text, "remove flow rules of 'nic0': Operation not supported");
	assert_int_equal(driver.rings.rx_pending, 512); /* the rest is done */
	down = false;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
	driver.eeprom[0]++;
	assert_true(ethtool_settled(7, "nic0", &before));
	driver.eeprom[0]--;
	/* One that was down had no rules as far as anybody could see. */
	down = true;
	before = look();
	assert_false(before.steer.has_rules);
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	assert_int_equal(driver.nrules, 2);
	down = false;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	assert_int_equal(driver.nrules, 0);
	/* A driver without rules hides none. */
	shy = plain = true;
	assert_false(ethtool_steer_hides(7, "nic0"));
}

static void test_ntuple_off(void **state)
{
	struct ethtool_state before = look();
	struct err e = { 0 };

	driver.features = 1;
	driver.nrules = 0;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
}

static void test_difference(void **state)
{
	struct ethtool_state before = look(), after;

#define DIFFERS(change, word)                                                                      \
	do {                                                                                       \
		make_driver(NULL);                                                                 \
		change;                                                                            \
		after = look();                                                                    \
		assert_string_equal(ethtool_difference(&before, &after), word);                    \
	} while (0)
	DIFFERS(driver.key[39]++, "RSS hash key");
	DIFFERS(driver.function++, "RSS hash key");
	DIFFERS(driver.table[127]--, "RSS table");
	DIFFERS(driver.fields[SCTP_V6_FLOW]++, "hash fields");
	DIFFERS(driver.nrules--, "flow rules");
	DIFFERS(driver.rule[1].fs.m_u.tcp_ip4_spec.psrc++, "flow rules");
	DIFFERS(driver.rule[0].fs.ring_cookie--, "flow rules");
	DIFFERS(driver.features ^= 4, "offloads");
	DIFFERS(driver.channels.combined_count--, "channels");
	DIFFERS(driver.rings.rx_pending--, "rings");
	DIFFERS(driver.coalesce.tx_coalesce_usecs++, "coalesce");
	DIFFERS(driver.pause.tx_pause++, "pause");
	DIFFERS(driver.msglevel++, "msglevel");
	DIFFERS(driver.stamps.tx_type++, "timestamps");
	DIFFERS(driver.stamps.rx_filter = HWTSTAMP_FILTER_ALL, "timestamps");
	DIFFERS(driver.eeprom[511]++, "EEPROM");
}

/* What the ends of a link agree upon is told by many drivers only while there is one. */
static void test_no_carrier(void **state)
{
	struct ethtool_state before = look(), after;
	struct err e = { 0 };

	assert_int_equal(before.carrier, ETHTOOL_CARRIER_ON);
	no_carrier = true;
	after = look();
	assert_int_equal(after.carrier, ETHTOOL_CARRIER_OFF);
	assert_null(ethtool_difference(&before, &after));
	assert_null(ethtool_difference(&after, &before)); /* noted without one */
	assert_string_equal(ethtool_unseen(&before, &after), "link");
	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_NO_CARRIER);
	/* It is set back all the same, and the rest counts. */
	spoil();
	after = look();
	assert_string_equal(ethtool_difference(&before, &after), "offloads");
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
	driver.rings.rx_pending--;
	after = look();
	assert_string_equal(ethtool_difference(&before, &after), "rings");
	/* With the link, or where nobody tells of one, all of it counts. */
	make_driver(NULL);
	driver.autoneg = AUTONEG_DISABLE;
	after = look();
	assert_string_equal(ethtool_difference(&before, &after), "link");
	assert_null(ethtool_unseen(&before, &after));
	no_carrier = true;
	before.carrier = ETHTOOL_CARRIER_UNKNOWN; /* an older note's */
	after = look();
	assert_string_equal(ethtool_difference(&before, &after), "link");
}

static void test_way(void **state)
{
	struct ethtool_state before = look();

	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_SETTLED);
	driver.eeprom[0]++;
	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_SETTLED);
	negotiating = true;
	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_NEGOTIATES);
	driver.rings.rx_pending--;
	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_DIFFERS);
	driver.rings.rx_pending++;
	before.carrier = ETHTOOL_CARRIER_UNKNOWN;
	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_NEGOTIATES);
	before.carrier = ETHTOOL_CARRIER_OFF; /* there is nobody to agree with */
	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_DIFFERS);
	before.carrier = ETHTOOL_CARRIER_ON;
	negotiating = false;
	shy = down = true;
	assert_int_equal(ethtool_way(7, "nic0", &before), ETHTOOL_WAY_DIFFERS);
	assert_int_equal(ethtool_way(7, "nic1", &before), ETHTOOL_WAY_AWAY);
}

/* What a driver can do, or does just now, is nobody's setting. */
static void test_limits(void **state)
{
	struct ethtool_state before = look(), after;

	driver.channels.max_rx = driver.channels.max_tx = driver.channels.max_other = 1;
	driver.channels.max_combined = 4;
	driver.rings.rx_max_pending = driver.rings.tx_max_pending = 8192;
	driver.rings.rx_mini_max_pending = driver.rings.rx_jumbo_max_pending = 1;
	driver.wol.supported = 0;
	driver.eee.supported = driver.eee.lp_advertised = driver.eee.eee_active = 1;
	driver.eee.tx_lpi_enabled = 1;
	driver.supported = 3;
	after = look();
	assert_null(ethtool_difference(&before, &after));
	driver.wol.wolopts = WAKE_PHY;
	after = look();
	assert_string_equal(ethtool_difference(&before, &after), "wol");
	driver.wol.wolopts = 0;
	driver.eee.tx_lpi_timer = 5;
	after = look();
	assert_string_equal(ethtool_difference(&before, &after), "eee");
}

/* Times that a driver takes only while moderation does not adapt, which it does on the host. */
static void test_adaptive(void **state)
{
	struct ethtool_state before;
	struct err e = { 0 };

	driver.coalesce.use_adaptive_rx_coalesce = 1;
	host = driver;
	before = look();
	driver.coalesce.use_adaptive_rx_coalesce = 0;
	driver.coalesce.rx_coalesce_usecs = 100; /* ethtool -C nic0 adaptive-rx off rx-usecs 100 */
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	as_before();
}

static void test_plain_driver(void **state)
{
	struct ethtool_state before, after;
	struct err e = { 0 };

	plain = true;
	before = look();
	assert_false(before.steer.has_rules);
	assert_int_equal(before.steer.ntable + before.steer.nkey, 0);
	assert_string_equal(before.eeprom, "");
	driver.rings.rx_pending = 1;
	assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
	assert_int_equal(driver.rings.rx_pending, 512);
	after = look();
	assert_null(ethtool_difference(&before, &after));
	assert_int_equal(ethtool_read(7, "nic1", &after, &e), -ENODEV);
	assert_string_equal(e.text, "read the driver's settings of 'nic1': No such device");
}

static void test_too_much(void **state)
{
	struct ethtool_state s;
	struct err e = { 0 };

	for (uint32_t i = 10; driver.nrules <= ETHTOOL_STEER_RULES; i++)
		add_rule(i, 1);
	assert_int_equal(ethtool_read(7, "nic0", &s, &e), -E2BIG);
	assert_string_equal(e.text, "'nic0' has 65 flow rules, more than can be kept (64)");
	driver.nrules--;
	assert_int_equal(ethtool_read(7, "nic0", &s, &e), 0);
}

/* What fails is named, and the rest is restored. */
static void test_failures(void **state)
{
	static const struct {
		int cmd;
		const char *says;
	} fails[] = {
		{ ETHTOOL_SRSSH, "restore RSS of 'nic0': Input/output error" },
		{ ETHTOOL_SRXFH, "restore hash fields of 'nic0': Input/output error" },
		{ ETHTOOL_SRXCLSRLINS, "restore flow rules of 'nic0': Input/output error" },
		{ ETHTOOL_SRXCLSRLDEL, "remove flow rules of 'nic0': Input/output error" },
		{ ETHTOOL_SRINGPARAM, "restore rings of 'nic0': Input/output error" },
		{ ETHTOOL_SCOALESCE, "restore coalesce of 'nic0': Input/output error" },
		{ -1, "restore timestamps of 'nic0': Input/output error" },
		{ ETHTOOL_SFEATURES, "restore offloads of 'nic0': Input/output error" },
	};
	struct ethtool_state before = look(), after;

	for (size_t i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
		struct err e = { 0 };

		make_driver(NULL);
		spoil();
		fail = fails[i].cmd;
		assert_int_equal(ethtool_restore(7, "nic0", &before, &e), -EIO);
		assert_string_equal(e.text, fails[i].says);
		assert_int_equal(driver.msglevel, 7);
		fail = 0;
		after = look();
		assert_non_null(ethtool_difference(&before, &after));
		assert_int_equal(ethtool_restore(7, "nic0", &before, &e), 0);
		as_before();
	}
}

static void test_text(void **state)
{
	struct ethtool_state before = look(), after = { 0 };
	char text[65536], *line, *value, *save = NULL;
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct err e = { 0 };

	ethtool_print(f, &before);
	fclose(f);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		value = strchr(line, ' ');
		*value++ = '\0';
		assert_int_equal(ethtool_take(&after, line, value), 0);
	}
	assert_null(ethtool_difference(&before, &after));
	assert_int_equal(after.carrier, ETHTOOL_CARRIER_ON);
	spoil();
	assert_int_equal(ethtool_restore(7, "nic0", &after, &e), 0);
	as_before();
	assert_int_equal(ethtool_take(&after, "rule", "00"), -EINVAL);
	assert_int_equal(ethtool_take(&after, "hash", "14 0"), -EINVAL);
	assert_int_equal(ethtool_take(&after, "rsskey", "0g"), -EINVAL);
	assert_int_equal(ethtool_take(&after, "stamps", "1"), -EINVAL);
	assert_int_equal(ethtool_take(&after, "warp", "9"), -EINVAL);
	assert_int_equal(ethtool_take(&after, "carrier", "off"), 0);
	assert_int_equal(after.carrier, ETHTOOL_CARRIER_OFF);
	assert_int_equal(ethtool_take(&after, "carrier", "1"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_everything, make_driver),
		cmocka_unit_test_setup(test_own_table, make_driver),
		cmocka_unit_test_setup(test_queues, make_driver),
		cmocka_unit_test_setup(test_table_over_queues, make_driver),
		cmocka_unit_test_setup(test_stale_table, make_driver),
		cmocka_unit_test_setup(test_contexts, make_driver),
		cmocka_unit_test_setup(test_shy_driver, make_driver),
		cmocka_unit_test_setup(test_ntuple_off, make_driver),
		cmocka_unit_test_setup(test_difference, make_driver),
		cmocka_unit_test_setup(test_no_carrier, make_driver),
		cmocka_unit_test_setup(test_way, make_driver),
		cmocka_unit_test_setup(test_limits, make_driver),
		cmocka_unit_test_setup(test_adaptive, make_driver),
		cmocka_unit_test_setup(test_plain_driver, make_driver),
		cmocka_unit_test_setup(test_too_much, make_driver),
		cmocka_unit_test_setup(test_failures, make_driver),
		cmocka_unit_test_setup(test_text, make_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
