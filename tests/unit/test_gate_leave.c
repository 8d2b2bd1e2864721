/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate_channel.c and gate_leave.c: what is known about channels, and ending connections on request. */
#include "tests/gate_lab.h"

static struct err why;

static int kick(const char *who, const char *message)
{
	int ret;

	memset(&why, 0, sizeof(why));
	ret = gate_server_kick(server, who, message, &why);
	spin();
	return ret;
}

static void told(struct session *s, const char *text)
{
	assert_int_equal(next(s), GATE_LEAVE);
	assert_string_equal(got.leave.text, text);
}

static void kicked_by_user_workspace_and_id(void **state)
{
	struct session a, b, c;

	log_in(&a, "alice");
	log_in(&b, "alice+client");
	(void)str_copy(listed_user, sizeof(listed_user), "bob");
	log_in(&c, "bob");
	assert_int_equal(kick("nobody", ""), -ENOENT);
	assert_int_equal(kick("", ""), -ENOENT);
	assert_int_equal(kick("alice", "going down"), 2);
	told(&a, "ended by the administrator: going down");
	told(&b, "ended by the administrator: going down");
	assert_int_equal(next(&c), -1);
	assert_non_null(strstr(audited, "conn.kick "));
	/* Those that were told are not told again. */
	assert_int_equal(kick("alice", ""), -ENOENT);
	hang_up(&a, 0);
	hang_up(&b, 0);
	assert_int_equal(kick("bob", ""), 1);
	told(&c, "ended by the administrator");
	hang_up(&c, 0);
}

static void an_id_may_be_short(void **state)
{
	struct session a;
	char id[33];

	log_in(&a, "alice");
	str_hex(a.conn.id.data, CTL_ID_LEN, id);
	id[3] = 0;
	assert_int_equal(kick(id, ""), -ENOENT); /* too short to be meant */
	str_hex(a.conn.id.data, CTL_ID_LEN, id);
	id[4] = 0;
	assert_int_equal(kick(id, ""), 1);
	told(&a, "ended by the administrator");
	hang_up(&a, 0);
}

static void two_ids_with_one_beginning(void **state)
{
	struct session a, b;
	struct ctl_conn same;
	char id[33];

	log_in(&a, "alice");
	same = a.conn;
	same.id.data[CTL_ID_LEN - 1] ^= 1;
	connect_as(&b, 0, &same);
	assert_int_equal(next(&b), GATE_WELCOME);
	assert_int_equal(sign(&b, b.hash), GATE_SIGNED);
	assert_int_equal(verify(&b, "alice", b.hash), GATE_VERDICT);
	str_hex(a.conn.id.data, CTL_ID_LEN, id);
	id[8] = 0;
	assert_int_equal(kick(id, ""), -EEXIST);
	assert_non_null(strstr(why.text, "2 connections begin like that"));
	assert_int_equal(next(&a), -1);
	str_hex(b.conn.id.data, CTL_ID_LEN, id);
	assert_int_equal(kick(id, ""), 1);
	told(&b, "ended by the administrator");
	assert_int_equal(next(&a), -1);
	hang_up(&b, 0);
	hang_up(&a, 0);
}

/* Nobody who is not in yet can be named, and one that ignores the request is killed. */
static void who_does_not_leave_is_dropped(void **state)
{
	struct session a, half;

	open_session(&half);
	log_in(&a, "alice");
	assert_int_equal(kick("alice", ""), 1);
	told(&a, "ended by the administrator");
	last_state = -1;
	usleep(2100000);
	spin();
	assert_dropped(&a);
	assert_int_equal(next(&half), -1);
	fd_close(&a.fd);
	hang_up(&half, 0);
}

/* Only those that are in the workspace. */
static void a_notice_reaches_who_is_in(void **state)
{
	struct gate_attach req = { 0 };
	struct session a, b, out;

	log_in(&a, "alice+client");
	log_in(&b, "alice+client");
	log_in(&out, "alice+client"); /* without a channel yet */
	assert_int_equal(notice(notice_ctx, &the_workspace, "the driver is another"), 0);
	run_at_once = 1;
	assert_int_equal(ask(&a, GATE_ATTACH, &req), GATE_ATTACHED);
	assert_int_equal(ask(&b, GATE_ATTACH, &req), GATE_ATTACHED);
	run_at_once = 0;
	assert_int_equal(notice(notice_ctx, &the_workspace, "the driver is another"), 2);
	assert_int_equal(next(&a), GATE_NOTICE);
	assert_string_equal(got.notice.text, "the driver is another");
	assert_int_equal(next(&b), GATE_NOTICE);
	assert_int_equal(next(&out), -1);
	/* One that is told to go has heard enough. */
	assert_int_equal(kick("alice", ""), 3);
	assert_int_equal(notice(notice_ctx, &the_workspace, "again"), 0);
	hang_up(&a, 0);
	hang_up(&b, 0);
	hang_up(&out, 0);
}

static void see(void *ctx, const struct session_info *s)
{
	char *text = ctx;

	snprintf(text, 1024, "%u", s->channels);
	for (const struct session_channel *ch = s->open; ch; ch = ch->next)
		snprintf(text + strlen(text), 1024 - strlen(text), " %u:%s:%s", ch->id,
			 sessions_kind(ch->kind), ch->what);
}

static void say(struct session *s, uint32_t id, uint32_t kind, uint32_t event, const char *what)
{
	struct gate_channel n = { .id = id, .kind = kind, .event = event };

	(void)str_copy(n.what, sizeof(n.what), what);
	assert_int_equal(ask(s, GATE_CHANNEL, &n), -1);
}

static void channels_with_their_targets(void **state)
{
	struct session s;
	char text[1024];

	log_in(&s, "alice");
	say(&s, 1, GATE_CHAN_EXEC, GATE_CHAN_OPENED, "rm -rf /secret");
	say(&s, 2, GATE_CHAN_DIAL, GATE_CHAN_OPENED, "db:5432");
	say(&s, 3, GATE_CHAN_LISTEN, GATE_CHAN_OPENED, "*:8080");
	say(&s, 4, GATE_CHAN_DIAL, GATE_CHAN_DENIED, "10.0.0.1:22: not permitted");
	say(&s, 2, GATE_CHAN_DIAL, GATE_CHAN_OPENED, "db:5432"); /* again, as after a restart */
	sessions_each(see, text);
	assert_string_equal(text, "3 1:exec: 2:dial:db:5432 3:listen:*:8080");
	say(&s, 2, GATE_CHAN_DIAL, GATE_CHAN_CLOSED, "");
	say(&s, 99, GATE_CHAN_DIAL, GATE_CHAN_CLOSED, "");
	sessions_each(see, text);
	assert_string_equal(text, "2 1:exec: 3:listen:*:8080");
	/* What a command was is nobody's business, even when a session tells. */
	assert_null(strstr(audited, "secret"));
	assert_non_null(strstr(audited, "chan.open "));
	assert_non_null(strstr(audited, "kind=exec"));
	assert_non_null(strstr(audited, "chan.forward.open "));
	assert_non_null(strstr(audited, "target=*:8080"));
	assert_non_null(strstr(audited, "chan.forward.deny "));
	assert_non_null(strstr(audited, "target=10.0.0.1:22: not permitted result=refused"));
	assert_non_null(strstr(strstr(audited, "chan.forward.close "), "target=db:5432"));
	hang_up(&s, 0);
}

/* The listener is quicker than what the session said last. */
static void last_words_are_heard(void **state)
{
	struct gate_violation v = { .text = "packet 90" };
	struct gate_channel n = { .id = 1, .kind = GATE_CHAN_SHELL, .event = GATE_CHAN_OPENED };
	struct ctl_closed closed = { .id = { .len = CTL_ID_LEN } };
	struct session a, b;

	open_session(&a);
	log_in(&b, "alice");
	assert_int_equal(msg_send(a.fd, &gate_proto, GATE_VIOLATION, &v, NULL), 0);
	memcpy(closed.id.data, a.conn.id.data, CTL_ID_LEN);
	gate_server_closed(server, &closed);
	assert_non_null(strstr(audited, "auth.protocol_violation "));
	assert_int_equal(last_state, CTL_VIOLATED);
	assert_memory_equal(last_id, a.conn.id.data, CTL_ID_LEN);
	assert_int_equal(msg_send(b.fd, &gate_proto, GATE_CHANNEL, &n, NULL), 0);
	memcpy(closed.id.data, b.conn.id.data, CTL_ID_LEN);
	gate_server_closed(server, &closed);
	assert_non_null(strstr(audited, "chan.open "));
	fd_close(&a.fd);
	fd_close(&b.fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, finish)
	const struct CMUnitTest tests[] = {
		T(kicked_by_user_workspace_and_id), T(an_id_may_be_short),
		T(two_ids_with_one_beginning),      T(who_does_not_leave_is_dropped),
		T(channels_with_their_targets),     T(last_words_are_heard),
		T(a_notice_reaches_who_is_in),
	};

	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_leave", tests, setup, teardown);
}
