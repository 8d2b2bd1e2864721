/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate_server.c, sessions.c: what a restart of provisiond or of the listener means for connections that live on. */
#include "gate_lab.h"

static void info_of(void *ctx, const struct session_info *s)
{
	*(struct session_info *)ctx = *s;
}

static void a_new_provisiond_takes_over(void **state)
{
	struct gate_attach req = { 0 };
	struct session_info before = { 0 }, after = { 0 };
	struct session s, again;
	uint8_t rekey[32] = { 9 };

	run_at_once = 1;
	log_in(&s, "alice+client");
	assert_int_equal(ask(&s, GATE_ATTACH, &req), GATE_ATTACHED);
	msg_close_fds(&got_msg);
	sessions_each(info_of, &before);
	gate_server_free(server);
	assert_int_equal(listed(), 0);
	assert_true(saved_file(&s));
	assert_true(the_workspace.sessions == 1);
	the_workspace.sessions = 0;
	start();
	fd_close(&s.fd);
	connect_as(&again, 1, &s.conn);
	assert_int_equal(next(&again), GATE_RESUMED);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
	sessions_each(info_of, &after);
	assert_string_equal(after.user, "alice");
	assert_string_equal(after.workspace, "client");
	assert_string_equal(after.fingerprint, before.fingerprint);
	assert_string_equal(after.peer, before.peer);
	assert_true(after.since == before.since && after.pid == before.pid);
	assert_int_equal(the_workspace.sessions, 1);
	assert_int_equal(sign(&again, rekey), GATE_SIGNED);
	assert_int_equal(ask(&again, GATE_ATTACH, &req), GATE_ATTACHED);
	assert_string_equal(chosen_wanted, "client");
	msg_close_fds(&got_msg);
	/* The listener reconnects to the same provisiond: nothing changes. */
	last_state = -1;
	connect_as(&s, 1, &again.conn);
	assert_int_equal(last_state, CTL_AUTHENTICATED);
	assert_int_equal(next(&s), 0);
	assert_int_equal(sign(&again, rekey), GATE_SIGNED);
	fd_close(&s.fd);
	hang_up(&again, 0);
}

static void questions_of_before_are_forgotten(void **state)
{
	struct session s;
	struct gate_sign req = { .hash = { .len = 32 } };
	int sv[2];

	log_in(&s, "alice");
	gate_server_free(server);
	start();
	fd_close(&s.fd);
	assert_int_equal(msg_pair(sv, NULL), 0);
	s.fd = sv[0];
	assert_int_equal(fd_nonblock(s.fd, 1), 0);
	assert_int_equal(msg_send(s.fd, &gate_proto, GATE_SIGN, &req, NULL), 0);
	s.conn.resumed = 1;
	assert_int_equal(gate_server_add(server, &s.conn, sv[1], &owner, NULL), 0);
	spin();
	assert_int_equal(next(&s), GATE_RESUMED);
	assert_int_equal(next(&s), -1);
	hang_up(&s, 0);
}

static void the_unauthenticated_cannot_be_resumed(void **state)
{
	struct session s, again;

	open_session(&s);
	gate_server_free(server);
	start();
	connect_as(&again, 1, &s.conn);
	assert_dropped(&again);
	assert_int_equal(listed(), 0);
	fd_close(&s.fd);
	fd_close(&again.fd);
}

static void damaged_files_do_not_log_in(void **state)
{
	static const char *const lines[] = {
		"",
		"login = alice\n",
		"login = alice\nuser = alice\nend = yes\n",
		"rubbish\nend = yes\n",
		"login = alice\nuser = ../x\nsession_id = "
		"0000000000000000000000000000000000000000000000000000000000000000\nend = yes\n",
		"login = alice\nuser = alice\nsession_id = 00zz\nend = yes\n",
		"login = alice\nuser = alice\nsession_id = "
		"0000000000000000000000000000000000000000000000000000000000000000\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct session s;
		char path[128], hex[33];
		FILE *f;

		str_hex((uint8_t[CTL_ID_LEN]){ 0 }, CTL_ID_LEN, hex);
		snprintf(path, sizeof(path), "%s/sessions/%s", dir, hex);
		f = fopen(path, "w");
		fputs(lines[i], f);
		fclose(f);
		memset(&s.conn, 0, sizeof(s.conn));
		s.conn.id.len = CTL_ID_LEN;
		connect_as(&s, 1, &s.conn);
		assert_dropped(&s);
		fd_close(&s.fd);
	}
	assert_int_equal(listed(), 0);
}

/* Files of processes that are gone are swept at start; those of living ones stay. */
static void sweep(void **state)
{
	struct session s;
	char text[4096], path[128], hex[33];
	FILE *f;
	size_t n;
	char *pid;

	log_in(&s, "alice");
	gate_server_free(server);
	start();
	assert_true(saved_file(&s));
	gate_server_free(server);
	str_hex(s.conn.id.data, CTL_ID_LEN, hex);
	snprintf(path, sizeof(path), "%s/sessions/%s", dir, hex);
	f = fopen(path, "r");
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	pid = strstr(text, "start = ");
	assert_non_null(pid);
	pid[8] = pid[8] == '1' ? '2' : '1'; /* another process had this pid */
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	start();
	assert_false(saved_file(&s));
	fd_close(&s.fd);
}

static void a_lost_listener_loses_nothing(void **state)
{
	struct session s;

	log_in(&s, "alice");
	gate_server_disown(server, &owner);
	assert_int_equal(listed(), 1);
	assert_int_equal(sign(&s, s.hash), GATE_SIGNED);
	fd_close(&s.fd);
	spin();
	assert_int_equal(listed(), 0);
	assert_false(saved_file(&s));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, finish)
	const struct CMUnitTest tests[] = {
		T(a_new_provisiond_takes_over),
		T(questions_of_before_are_forgotten),
		T(the_unauthenticated_cannot_be_resumed),
		T(damaged_files_do_not_log_in),
		T(sweep),
		T(a_lost_listener_loses_nothing),
	};

	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_resume", tests, setup, teardown);
}
