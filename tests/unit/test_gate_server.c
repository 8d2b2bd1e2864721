/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate_server.c, gate_auth.c, gate_attach.c: logging in, attaching, channels, and every rule that a session may break. */
#include "gate_conn.h"
#include "gate_lab.h"
#include <limits.h>

static void welcome_and_login(void **state)
{
	struct session s;

	connect_as(&s, 0, NULL);
	assert_int_equal(next(&s), GATE_WELCOME);
	assert_memory_equal(got.welcome.host_key.data, hostkey_public(hostkey), 32);
	assert_int_equal(got.welcome.auth_tries, 6);
	assert_int_equal(got.welcome.grace_s, 30);
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	assert_int_equal(got.sig.sig.len, 64);
	assert_int_equal(probe(&s, "alice"), GATE_VERDICT);
	assert_true(got.verdict.ok);
	assert_int_equal(last_state, -1); /* a probe is no login */
	assert_int_equal(listed(), 0);
	assert_false(saved_file(&s));
	npermits = 0;
	assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
	assert_true(got.verdict.ok);
	assert_int_equal(npermits, 1);
	assert_int_equal(permitted.flags, GATE_MAY_PTY | GATE_MAY_RC | GATE_MAY_FORWARD);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
	assert_int_equal(listed(), 1);
	assert_true(saved_file(&s));
	assert_non_null(strstr(audited, "auth.ok"));
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED); /* rekey */
	hang_up(&s, 11);
	assert_non_null(strstr(audited, "killed by signal 11"));
	assert_int_equal(listed(), 0);
}

/* What another connection's signature, or one over a later hash, is worth. */
static void only_the_first_hash_counts(void **state)
{
	struct session s;
	uint8_t other[32] = { 42 };

	open_session(&s);
	assert_int_equal(sign(&s, other), GATE_SIGNED);
	assert_int_equal(verify(&s, "alice", other), GATE_VERDICT);
	assert_false(got.verdict.ok);
	assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
	assert_true(got.verdict.ok);
	hang_up(&s, 0);
}

static void bad_names_and_unknown_users_look_alike(void **state)
{
	static const char *const names[] = {
		"bob",
		"",
		"ALICE",
		" alice",
		"alice ",
		"alice\n",
		"alice/../bob",
		"..",
		"-oX",
		"0",
		"4294967295",
		"\xd0\xb0lice",
		"alice+",
		"+alice",
		"alice+client+x",
		"alice+../x",
		"alice+CLIENT",
		"untrusted",
		"alice\x1b]0;x\x07",
		"abcdefghijabcdefghijabcdefghijabc",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct session s;

		open_session(&s);
		assert_int_equal(probe(&s, names[i]), GATE_VERDICT);
		assert_false(got.verdict.ok || got.verdict.drop);
		assert_string_equal(got.verdict.reason, "");
		assert_int_equal(verify(&s, names[i], s.hash), GATE_VERDICT);
		assert_false(got.verdict.ok || got.verdict.drop);
		assert_string_equal(got.verdict.reason, "");
		hang_up(&s, 0);
	}
	assert_int_equal(listed(), 0);
	/* Somebody does have the name that stands in for those that are none. */
	(void)str_copy(listed_user, sizeof(listed_user), "_");
	for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
		struct session s;

		open_session(&s);
		assert_int_equal(verify(&s, names[i], s.hash), GATE_VERDICT);
		assert_false(got.verdict.ok);
		hang_up(&s, 0);
	}
}

static void tries_are_counted(void **state)
{
	struct session s;
	uint8_t wrong[32] = { 1 };

	open_session(&s);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(i % 2 ? probe(&s, "bob") : verify(&s, "bob", wrong), GATE_VERDICT);
		assert_false(got.verdict.drop);
	}
	assert_int_equal(verify(&s, "bob", wrong), GATE_VERDICT);
	assert_true(got.verdict.drop);
	assert_int_equal(last_state, CTL_AUTH_FAILED);
	/* Told to leave: even a right signature is not looked at any more. */
	assert_int_equal(verify(&s, "bob", s.hash), -1);
	hang_up(&s, 0);
}

static void probes_are_limited(void **state)
{
	struct session s;

	open_session(&s);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(probe(&s, "alice"), GATE_VERDICT);
		assert_true(got.verdict.ok);
	}
	assert_int_equal(probe(&s, "alice"), GATE_VERDICT);
	assert_true(got.verdict.drop);
	hang_up(&s, 0);
}

static void name_is_fixed(void **state)
{
	struct session s;

	open_session(&s);
	assert_int_equal(probe(&s, "bob"), GATE_VERDICT);
	assert_int_equal(verify(&s, "alice", s.hash), GATE_VERDICT);
	assert_true(!got.verdict.ok && got.verdict.drop);
	assert_int_equal(listed(), 0);
	hang_up(&s, 0);
}

static void rules_of_the_conversation(void **state)
{
	struct gate_attach attach = { 0 };
	struct gate_channel chan = { .event = GATE_CHAN_OPENED };
	struct gate_signed answer = { .sig = { .len = 64 } };
	struct gate_key k;
	struct session s;

	connect_as(&s, 0, NULL); /* no keys exchanged */
	next(&s);
	fill_key(&k, "alice");
	ask(&s, GATE_PROBE, &k);
	assert_dropped(&s);
	open_session(&s);
	ask(&s, GATE_ATTACH, &attach); /* not logged in */
	assert_dropped(&s);
	open_session(&s);
	ask(&s, GATE_CHANNEL, &chan);
	assert_dropped(&s);
	open_session(&s);
	ask(&s, GATE_SIGNED, &answer); /* that is our word */
	assert_dropped(&s);
	open_session(&s);
	assert_int_equal(send(s.fd, "garbage", 7, 0), 7);
	spin();
	assert_dropped(&s);
	log_in(&s, "alice");
	probe(&s, "alice"); /* no second login */
	assert_dropped(&s);
	open_session(&s);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	sign(&s, s.hash);
	assert_dropped(&s);
	assert_int_equal(listed(), 0);
	assert_null(waiting);
	assert_non_null(strstr(audited, "auth.protocol_violation"));
}

static void a_reported_violation_is_audited(void **state)
{
	struct gate_violation v = { .text = "Packet filter: rejected packet (type 90)" };
	struct session s;

	open_session(&s);
	assert_int_equal(ask(&s, GATE_VIOLATION, &v), -1);
	assert_non_null(strstr(audited, "auth.protocol_violation"));
	assert_non_null(strstr(audited, "reason=Packet filter: rejected packet (type 90)"));
	assert_int_equal(last_state, CTL_VIOLATED);
	verify(&s, "alice", s.hash); /* it was its last word */
	assert_int_equal(listed(), 0);
	log_in(&s, "alice");
	ask(&s, GATE_VIOLATION, &v);
	assert_dropped(&s);
}

static void attach_gives_a_socket(void **state)
{
	struct gate_attach req = { .progress = 1 };
	struct session s;

	log_in(&s, "alice+client");
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	assert_string_equal(chosen_user, "alice");
	assert_string_equal(chosen_wanted, "client");
	assert_non_null(waiting);
	waiting->progress(waiting, "limits", "", 1, 1); /* nothing to show */
	waiting->progress(waiting, "net", "172.31.199.1", 2000, 1);
	assert_int_equal(next(&s), GATE_PROGRESS);
	assert_string_equal(got.progress.step, "workspace");
	assert_string_equal(got.progress.detail, "client");
	assert_int_equal(next(&s), GATE_PROGRESS);
	assert_string_equal(got.progress.step, "network");
	waiting->done(waiting, &the_workspace, 0, NULL);
	assert_int_equal(next(&s), GATE_ATTACHED);
	assert_string_equal(got.attached.workspace, "client");
	assert_string_equal(got.attached.user, "alice");
	assert_true(got.attached.created);
	assert_string_equal(bound_user, "alice");
	assert_int_equal(got_msg.nfds, 1);
	msg_close_fds(&got_msg);
	assert_int_equal(the_workspace.sessions, 1);
	run_at_once = 1;
	the_workspace.exists = 1;
	req.progress = 0;
	assert_int_equal(ask(&s, GATE_ATTACH, &req),
			 GATE_ATTACHED); /* after a restart of the workspace */
	assert_false(got.attached.created);
	msg_close_fds(&got_msg);
	assert_int_equal(the_workspace.sessions, 1);
	hang_up(&s, 0);
	assert_int_equal(the_workspace.sessions, 0);
}

static void attach_can_fail(void **state)
{
	struct gate_attach req = { 0 };
	struct err why;
	struct session s;

	log_in(&s, "alice");
	choose_error = 1;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_REFUSED);
	assert_string_equal(got.refused.text, "enter workspace 'x': not yours");
	choose_error = 0;
	run_at_once = connect_error = 1;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_REFUSED);
	run_at_once = connect_error = 0;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	err_set(&why, ENOSPC, "create 'alice': disk full");
	waiting->done(waiting, NULL, -ENOSPC, &why);
	assert_int_equal(next(&s), GATE_REFUSED);
	assert_string_equal(got.refused.text, "create 'alice': disk full");
	/* Two at once are one too many. */
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	ask(&s, GATE_ATTACH, &req);
	assert_dropped(&s);
	assert_int_equal(cancelled, 1);
	assert_int_equal(the_workspace.sessions, 0);
}

static int next_within(struct session *s, uint64_t us)
{
	uint64_t until = clk_now_us() + us;
	int type;

	while ((type = next(s)) < 0 && clk_now_us() < until)
		sd_event_run(loop, 1000);
	return type;
}

/* A storm of logins: whom ws-init's queue has no room for waits, and is served. */
static void a_full_queue_is_waited_for(void **state)
{
	struct gate_attach req = { 0 };
	struct session s;

	run_at_once = 1;
	log_in(&s, "alice");
	connect_full = 5;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	assert_int_equal(next_within(&s, 20000000), GATE_ATTACHED);
	msg_close_fds(&got_msg);
	assert_int_equal(connect_full, 0);
	/* Not for ever. */
	connect_full = UINT_MAX;
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	server->conns->connect_until_us = clk_now_us() + 50000;
	assert_int_equal(next_within(&s, 20000000), GATE_REFUSED);
	assert_string_equal(got.refused.text, "attach to 'x': the workspace does not answer");
	/* And not for one that has left. */
	assert_int_equal(ask(&s, GATE_ATTACH, &req), -1);
	hang_up(&s, 0);
	connect_full = 1;
	usleep(20000);
	spin();
	assert_int_equal(connect_full, 1);
}

static void leaving_cancels_the_wait(void **state)
{
	struct gate_attach req = { 0 };
	struct session s;

	log_in(&s, "alice");
	ask(&s, GATE_ATTACH, &req);
	assert_non_null(waiting);
	hang_up(&s, 0);
	assert_int_equal(cancelled, 1);
}

/* A taken-over session that feigns its end would serve on without being counted. */
static void nobody_serves_on_alone(void **state)
{
	struct session s;

	log_in(&s, "alice");
	assert_int_equal(send(s.fd, "", 0, 0), 0); /* reads like the end */
	spin();
	assert_int_equal(listed(), 0);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
	usleep(1100000);
	spin();
	assert_dropped(&s);
	fd_close(&s.fd);
}

static void see_channels(void *ctx, const struct session_info *s)
{
	snprintf(ctx, 256, "%u %s", s->channels, s->kinds);
}

static void channels_are_shown(void **state)
{
	struct gate_channel c = { .event = GATE_CHAN_OPENED };
	struct session s;
	char text[256];

	log_in(&s, "alice");
	for (uint32_t i = 0; i < 1000; i++) {
		c.id = i;
		c.kind = i % 2 ? GATE_CHAN_EXEC : GATE_CHAN_SHELL;
		ask(&s, GATE_CHANNEL, &c);
		if (i == 2) {
			sessions_each(see_channels, text);
			assert_string_equal(text, "3 shell exec");
			c.event = GATE_CHAN_CLOSED;
			ask(&s, GATE_CHANNEL, &c);
			c.id = 0;
			ask(&s, GATE_CHANNEL, &c);
			c.event = GATE_CHAN_OPENED;
			sessions_each(see_channels, text);
			assert_string_equal(text, "1 exec");
			break;
		}
	}
	for (uint32_t i = 0; i < 1000; i++) {
		c.id = i;
		(void)msg_send(s.fd, &gate_proto, GATE_CHANNEL, &c, NULL);
	}
	for (int i = 0; i < 12; i++) {
		sd_event_run(loop, 100000);
		assert_int_equal(next(&s), -1); /* a flood of notices costs nothing but lines */
	}
	hang_up(&s, 0);
	assert_non_null(strstr(audited, "chan.open"));
}

/* Asking without end: served slowly, never cut off, and others are served meanwhile. */
static void a_flood_is_slowed_down(void **state)
{
	struct gate_sign req = { .hash = { .len = 32 } };
	struct session s, other;
	uint64_t began;
	int answers = 0;

	log_in(&s, "alice");
	log_in(&other, "alice");
	began = clk_now_us();
	while (clk_now_us() < began + 550000) {
		(void)msg_send(s.fd, &gate_proto, GATE_SIGN, &req, NULL);
		spin();
		while (next(&s) == GATE_SIGNED)
			answers++;
	}
	assert_in_range(answers, 300, 700);
	assert_int_equal(sign(&other, other.hash), GATE_SIGNED);
	assert_int_equal(listed(), 2);
	hang_up(&s, 0);
	hang_up(&other, 0);
}

static void memory_kills_are_explained(void **state)
{
	struct gate_attach req = { 0 };
	struct session s;

	oom_kills = 7;
	run_at_once = 1;
	log_in(&s, "alice");
	assert_int_equal(ask(&s, GATE_WHY, NULL), GATE_BECAUSE);
	assert_string_equal(got.because.text, "");
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_ATTACHED);
	msg_close_fds(&got_msg);
	assert_int_equal(ask(&s, GATE_WHY, NULL), GATE_BECAUSE);
	assert_string_equal(got.because.text, "");
	oom_kills = 8;
	assert_int_equal(ask(&s, GATE_WHY, NULL), GATE_BECAUSE);
	assert_string_equal(got.because.text, "killed: out of memory (limit 128M)");
	hang_up(&s, 0);
}

static void connections_of_a_user_are_limited(void **state)
{
	struct session s[4];

	for (int i = 0; i < 3; i++)
		log_in(&s[i], "alice");
	open_session(&s[3]);
	assert_int_equal(verify(&s[3], "alice", s[3].hash), GATE_VERDICT);
	assert_true(!got.verdict.ok && got.verdict.drop);
	assert_non_null(strstr(got.verdict.reason, "connections_per_user"));
	assert_int_equal(listed(), 3);
	for (int i = 0; i < 4; i++)
		hang_up(&s[i], 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, finish)
	const struct CMUnitTest tests[] = {
		T(welcome_and_login),
		T(only_the_first_hash_counts),
		T(bad_names_and_unknown_users_look_alike),
		T(tries_are_counted),
		T(probes_are_limited),
		T(name_is_fixed),
		T(rules_of_the_conversation),
		T(a_reported_violation_is_audited),
		T(attach_gives_a_socket),
		T(attach_can_fail),
		T(leaving_cancels_the_wait),
		T(a_full_queue_is_waited_for),
		T(nobody_serves_on_alone),
		T(channels_are_shown),
		T(a_flood_is_slowed_down),
		T(memory_kills_are_explained),
		T(connections_of_a_user_are_limited),
	};

	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_server", tests, setup, teardown);
}
