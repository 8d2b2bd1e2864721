/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* motd.c, login_name.c: what terminals are told, to the byte; which login names there are. */
#include "motd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "login_name.h"

static struct record rec;
static struct spec spec;
static struct motd m;
static char text[4096];

static int fresh(void **state)
{
	rec = (struct record){ .name = "client", .started = 1000 };
	spec = (struct spec){ .memory = SETTINGS_UNLIMITED,
			      .swap = SETTINGS_UNLIMITED,
			      .disk = SETTINGS_UNLIMITED };
	assert_int_equal(ip_parse("172.31.199.1", &rec.control_ip, NULL), 0);
	m = (struct motd){
		.rec = &rec, .spec = &spec, .user = "alice", .host = "box", .now = 1000, .text = ""
	};
	return 0;
}

static void the_least_there_is(void **state)
{
	assert_string_equal(motd_write(&m, text, sizeof(text)),
			    "workspace 'client' on box, up for 0 seconds\n"
			    "  address  172.31.199.1\n"
			    "  data     none\n"
			    "  gpu      none\n"
			    "  limits   cpus all\n"
			    "  help     ssh alice@172.31.199.1 leads here too (also with -J); "
			    "questions: root of "
			    "box\n");
}

static void all_there_is(void **state)
{
	m.created = true;
	m.text = "Backups run at night.";
	spec.memory = 64ULL << 30;
	spec.disk = 50ULL << 30;
	spec.pids = 4096;
	(void)str_copy(spec.cpus, sizeof(spec.cpus), "40-55,152-167");
	(void)str_copy(spec.gpu, sizeof(spec.gpu), "GPU-5f3a");
	(void)str_copy(rec.nic.name, sizeof(rec.nic.name), "enp41s0f1");
	rec.nic.mtu = 1500;
	assert_int_equal(ip_parse("fd00:31::1", &rec.control_ip6, NULL), 0);
	assert_int_equal(ip_parse_net("192.168.199.1/24", &spec.data_ip, NULL), 0);
	assert_int_equal(ip_parse_net("fd00:99::1/64", &spec.data_ip6, NULL), 0);
	assert_string_equal(
		motd_write(&m, text, sizeof(text)),
		"workspace 'client' on box, just created\n"
		"  address  172.31.199.1, fd00:31::1\n"
		"  data     data0 = enp41s0f1, 192.168.199.1/24, fd00:99::1/64, MTU 1500\n"
		"  gpu      GPU-5f3a\n"
		"  limits   memory 64G, disk 50G, 4096 processes, cpus 40-55,152-167\n"
		"  help     ssh alice@172.31.199.1 leads here too (also with -J); questions: root "
		"of "
		"box\n"
		"Backups run at night.\n");
	spec.data_mtu = 9000;
	m.text = "two\nlines\n";
	motd_write(&m, text, sizeof(text));
	assert_non_null(strstr(text, "MTU 9000\n"));
	assert_non_null(strstr(text, "box\ntwo\nlines\n"));
	assert_int_equal(text[strlen(text) - 2], 's');
}

static void ages(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *words;
	} cases[] = {
		{ 1, "1 second\n" },      { 59, "59 seconds\n" }, { 60, "1 minute\n" },
		{ 3599, "59 minutes\n" }, { 3600, "1 hour\n" },   { 86399, "23 hours\n" },
		{ 86400, "1 day\n" },     { 172800, "2 days\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		m.now = 1000 + cases[i].seconds;
		if (!strstr(motd_write(&m, text, sizeof(text)), cases[i].words))
			fail_msg("%s is not in %s", cases[i].words, text);
	}
	m.now = 1; /* the clock was set back */
	assert_non_null(strstr(motd_write(&m, text, sizeof(text)), "up for 0 seconds\n"));
}

static void it_is_cut_to_fit(void **state)
{
	char full[4096];

	motd_write(&m, full, sizeof(full));
	for (size_t size = 1; size < 300; size++) {
		memset(text, 'x', sizeof(text));
		motd_write(&m, text, size);
		assert_true(strlen(text) < size);
		assert_int_equal(strncmp(text, full, strlen(text)), 0);
		assert_int_equal(text[size], 'x');
	}
}

static void login_names(void **state)
{
	static const struct {
		const char *login, *user, *workspace;
	} good[] = { { "alice", "alice", "" }, { "alice+client", "alice", "client" } };
	static const char *const bad[] = { "",
					   "+",
					   "alice+",
					   "+client",
					   "a+b+c",
					   "Alice",
					   "a b",
					   "alice+C",
					   "a@b",
					   "a\n",
					   "1alice",
					   "alice+../x",
					   "abcdefghijabcdefghijabcdefghijab" };
	char user[STR_NAME_MAX], workspace[STR_NAME_MAX];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(login_name_parse(good[i].login, user, workspace));
		assert_string_equal(user, good[i].user);
		assert_string_equal(workspace, good[i].workspace);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (login_name_parse(bad[i], user, workspace))
			fail_msg("'%s' was taken", bad[i]);
		assert_string_equal(user, "");
		assert_string_equal(workspace, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_least_there_is, fresh),
		cmocka_unit_test_setup(all_there_is, fresh),
		cmocka_unit_test_setup(ages, fresh),
		cmocka_unit_test_setup(it_is_cut_to_fit, fresh),
		cmocka_unit_test(login_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("motd", tests, NULL, NULL);
}
