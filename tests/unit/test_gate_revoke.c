/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate_revoke.c: [gate] revoke_sessions, on a reload and after a restart. */
#include "tests/gate_lab.h"

static void reload(bool revoke)
{
	settings.gate.revoke_sessions = revoke;
	gate_server_reload(server);
	spin();
}

static void told(struct session *s, const char *text)
{
	assert_int_equal(next(s), GATE_LEAVE);
	assert_string_equal(got.leave.text, text);
}

static void user(const char *name)
{
	(void)str_copy(listed_user, sizeof(listed_user), name);
}

static void only_what_is_not_accepted_any_more(void **state)
{
	struct session a, b, many[20], half;

	settings.limits.connections_per_user = 100;
	log_in(&a, "alice");
	user("bob");
	log_in(&b, "bob");
	for (int i = 0; i < 20; i++)
		log_in(&many[i], "bob");
	open_session(&half);
	reload(false);
	assert_int_equal(next(&a), -1); /* the default: new logins alone are refused */
	reload(true);
	told(&a, "key revoked");
	assert_non_null(strstr(audited, "conn.revoke "));
	assert_int_equal(next(&b), -1);
	assert_int_equal(next(&half), -1);
	/* Nobody is told twice. */
	reload(true);
	assert_int_equal(next(&a), -1);
	user("nobody");
	reload(true);
	told(&b, "key revoked");
	for (int i = 0; i < 20; i++)
		told(&many[i], "key revoked");
	hang_up(&a, 0);
	hang_up(&b, 0);
	hang_up(&half, 0);
	for (int i = 0; i < 20; i++)
		hang_up(&many[i], 0);
}

/* A mistake in the file's mode is reported and throws nobody out. */
static void what_cannot_be_read_decides_nothing(void **state)
{
	struct session s;

	log_in(&s, "alice");
	key_blob[0] ^= 1; /* the lab answers with an error */
	reload(true);
	key_blob[0] ^= 1;
	assert_int_equal(next(&s), -1);
	hang_up(&s, 0);
}

static void keys_of_the_command(void **state)
{
	struct session s;

	granted_by = "keys_command line 2";
	log_in(&s, "alice");
	user("nobody");
	reload(true);
	assert_int_equal(next(&s), -1);
	key_revoked = 1;
	reload(true);
	told(&s, "key revoked");
	key_revoked = 0;
	granted_by = "authorized_keys line 1";
	hang_up(&s, 0);
}

static void a_user_who_may_not_enter_any_more(void **state)
{
	struct gate_attach req = { 0 };
	struct session a, b;

	run_at_once = 1;
	log_in(&a, "alice");
	log_in(&b, "alice");
	assert_int_equal(ask(&a, GATE_ATTACH, &req), GATE_ATTACHED);
	msg_close_fds(&got_msg);
	choose_error = 1;
	reload(true);
	told(&a, "user 'alice' may not enter workspace 'alice' any more");
	assert_int_equal(next(&b), -1); /* not in any: its attach will be refused */
	hang_up(&a, 0);
	hang_up(&b, 0);
}

static void after_a_restart(void **state)
{
	struct session s, again;

	log_in(&s, "alice");
	gate_server_free(server);
	settings.gate.revoke_sessions = true;
	asked = 0;
	start();
	fd_close(&s.fd);
	connect_as(&again, 1, &s.conn);
	assert_int_equal(next(&again), GATE_RESUMED);
	assert_int_equal(asked, 1);
	assert_int_equal(next(&again), -1);
	user("nobody");
	reload(true);
	told(&again, "key revoked");
	hang_up(&again, 0);
}

/* Each key of a chain has to stay, not the last one alone; a restart forgets none. */
static void any_key_of_a_chain(void **state)
{
	uint8_t first[sizeof(key_blob)];
	struct session s, again;

	(void)str_copy(settings.auth.methods, sizeof(settings.auth.methods), "publickey,publickey");
	for (int restart = 0; restart < 2; restart++) {
		open_session(&s);
		assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
		assert_true(got.verdict.partial);
		memcpy(first, key_blob, sizeof(first));
		make_key();
		assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
		assert_true(got.verdict.ok);
		again = s;
		if (restart) {
			settings.gate.revoke_sessions = false;
			gate_server_free(server);
			start();
			fd_close(&s.fd);
			connect_as(&again, 1, &s.conn);
			assert_int_equal(next(&again), GATE_RESUMED);
		}
		memcpy(revoked_blob, first, sizeof(first));
		reload(true);
		told(&again, "key revoked");
		memset(revoked_blob, 0, sizeof(revoked_blob));
		hang_up(&again, 0);
	}
}

/* A certificate that was valid for minutes has let somebody in, and that was that. */
static void it_is_judged_as_of_the_login(void **state)
{
	struct session s;
	uint64_t before = clk_wall_s();

	log_in(&s, "alice");
	usleep(2100000);
	reload(true);
	assert_int_equal(next(&s), -1);
	assert_true(asked_at >= before && asked_at <= before + 1);
	hang_up(&s, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, finish)
	const struct CMUnitTest tests[] = {
		T(only_what_is_not_accepted_any_more),
		T(what_cannot_be_read_decides_nothing),
		T(keys_of_the_command),
		T(a_user_who_may_not_enter_any_more),
		T(after_a_restart),
		T(any_key_of_a_chain),
		T(it_is_judged_as_of_the_login),
	};

	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_revoke", tests, setup, teardown);
}
