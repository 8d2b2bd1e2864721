/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels at the moments at which ws-init or provisiond goes, or says what it was not asked. */
#include "../../sshd-gate/session/chan.h"
#include "../../sshd-gate/session/pump.h"
#include "../../sshd-gate/session/refusal.h"
#include "../../sshd-gate/session/rpc.h"
#include "../../sshd-gate/session/spawn.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libssh/libssh.h>

#include "base/clk.h"
#include "base/fd.h"

static struct session s;
static int init_end, prov_end;

/* What loop.c has for the process. */
void session_end(struct session *session, const char *fmt, ...)
{
	session->ending = true;
}

static int fresh(void **state)
{
	int a[2], b[2];
	struct err e;

	memset(&s, 0, sizeof(s));
	assert_int_equal(msg_pair(a, &e), 0);
	assert_int_equal(msg_pair(b, &e), 0);
	s.init = a[0];
	init_end = a[1];
	s.prov = b[0];
	prov_end = b[1];
	(void)fd_nonblock(s.init, 1);
	(void)fd_nonblock(s.prov, 1);
	(void)fd_nonblock(prov_end, 1);
	s.stage = STAGE_OPEN;
	s.attach = ATTACH_READY;
	s.ssh = ssh_new();
	for (size_t i = 0; i < SESSION_LISTENS_MAX; i++)
		s.listens[i].fd = -1;
	return 0;
}

static int done(void **state)
{
	while (s.nchans)
		chan_drop(&s, s.chans[0]);
	fd_close(&s.init);
	fd_close(&s.prov);
	fd_close(&init_end);
	fd_close(&prov_end);
	ssh_free(s.ssh);
	free(s.refusals);
	outbox_clear(&s.to_init);
	outbox_clear(&s.to_prov);
	return 0;
}

static struct chan *dial(uint64_t jump_us)
{
	struct chan *c = chan_new(&s, CHAN_DIAL);

	c->state = CHAN_WAITING;
	c->sent = true;
	c->jump_us = jump_us;
	c->dial = calloc(1, sizeof(*c->dial));
	return c;
}

/* A session channel with a display, so that its end is told to ws-init. */
static struct chan *with_display(void)
{
	struct chan *c = chan_new(&s, CHAN_SESSION);

	s.listens[0] =
		(struct listen){ .fd = -1, .id = ++s.next_id, .kind = GATE_CHAN_X11, .sent = true };
	c->display = s.listens[0].id;
	return c;
}

static bool listed(const struct chan *c)
{
	for (uint32_t i = 0; i < s.nchans; i++)
		if (s.chans[i] == c)
			return true;
	return false;
}

static void ws_init_goes_while_a_channel_does(void **state)
{
	struct chan *waiting = dial(0), *other = chan_new(&s, CHAN_SESSION), *c = with_display();
	struct pollfd p = { .fd = s.init, .events = POLLIN };

	fd_close(&init_end);
	chan_drop(&s, c);
	assert_false(listed(c));
	assert_true(listed(other));
	/* Known to the loop, and handled there. */
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_true(listed(waiting));
	spawn_readable(&s);
	assert_int_equal(s.init, -1);
	assert_false(listed(waiting));
	assert_int_equal(s.nchans, 1);
}

static void an_end_that_refuses_to_listen_is_gone(void **state)
{
	struct pollfd p = { .fd = s.init, .events = POLLIN };
	struct chan *c = with_display();

	assert_int_equal(shutdown(init_end, SHUT_RD), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	chan_drop(&s, c);
	assert_int_equal(poll(&p, 1, 0), 1);
	spawn_readable(&s);
	assert_int_equal(s.init, -1);
}

static void provisiond_goes_while_a_channel_does(void **state)
{
	struct chan *waiting = dial(0), *other = chan_new(&s, CHAN_SESSION),
		    *c = chan_new(&s, CHAN_SESSION);

	c->announced = true;
	s.attach = ATTACH_ASKED;
	fd_close(&prov_end);
	chan_drop(&s, c);
	assert_false(listed(c));
	assert_true(listed(other));
	rpc_readable(&s);
	assert_int_equal(s.prov, -1);
	assert_false(listed(waiting));
	assert_int_equal(s.nchans, 1);
}

static void nobody_inside_answers_a_jump(void **state)
{
	struct chan *jump = dial(clk_now_us() + 1000000), *plain = dial(0);
	struct init_failed f = { .id = jump->id, .code = ECONNREFUSED };
	struct init_opened o = { .id = jump->id, .port = 22 };
	int sv[2];
	struct err e;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(msg_send(init_end, &init_proto, INIT_FAILED, &f, &e), 0);
	assert_int_equal(msg_send_fds(init_end, &init_proto,
				      &(struct msg_out){ INIT_DIALED, &o, sv, 1 }, &e),
			 0);
	f.id = plain->id;
	assert_int_equal(msg_send(init_end, &init_proto, INIT_FAILED, &f, &e), 0);
	spawn_readable(&s);
	assert_true(listed(jump));
	assert_int_equal(jump->state, CHAN_WAITING);
	assert_int_equal(jump->out.fd, -1);
	assert_false(listed(plain));
	close(sv[0]);
	close(sv[1]);
}

/* A channel that failed while its client has no room: the text waits for the client, and nothing is looked at before that. */
static void text_that_has_no_room_wakes_nobody(void **state)
{
	struct chan *c = chan_new(&s, CHAN_SESSION);

	chan_fail(&s, c, "the workspace was stopped");
	assert_true(c->exited && !c->exit_sent);
	assert_true(chan_next(&s) == UINT64_MAX);
	assert_false(pump_watches(&s, c));
	/* Without any, its end is told at once. */
	pump_close_output(c);
	assert_true(pump_watches(&s, c));
	assert_true(chan_next(&s) == c->exited_us);
	/* And what went to the one stream does not speak for the other. */
	pump_text(&c->out, "x", 1);
	assert_true(chan_next(&s) == UINT64_MAX);
	pump_close_output(c);
}

/* --- a full socket ------------------------------------------------------------------------------------------------- */

/* Until nothing more goes in; how many did. */
static unsigned int fill(int fd, const struct msg_proto *p, uint32_t type, const void *body)
{
	unsigned int n = 0;
	struct err e;

	while (msg_send(fd, p, type, body, &e) == 0)
		n++;
	assert_int_equal(e.code, EAGAIN);
	return n;
}

/* The next message at the other end, 0: none. */
static uint32_t hear(int fd, const struct msg_proto *p, void *body, size_t cap)
{
	struct pollfd q = { .fd = fd, .events = POLLIN };
	struct err e;
	struct msg m;

	if (poll(&q, 1, 0) != 1)
		return 0;
	assert_int_equal(msg_recv(fd, p, body, cap, &m, &e), 1);
	return m.type;
}

/* What ws-init is told once arrives, in order, and a listen does not overtake the release of the same port. */
static void a_release_waits_for_room(void **state)
{
	union {
		struct init_release release;
		struct init_signal signal;
		struct init_address listen;
	} got;
	struct init_signal junk = { .id = 999, .signal = 1 };
	struct chan *c = chan_new(&s, CHAN_SESSION);
	unsigned int full = fill(s.init, &init_proto, INIT_SIGNAL, &junk);

	assert_false(spawn_wants_write(&s));
	c->state = CHAN_RUNNING;
	spawn_release(&s, 7);
	for (int i = 0; i < 1000; i++)
		spawn_signal(&s, c, 15);
	for (int i = 1; i < 32; i++)
		spawn_signal(&s, c, i);
	spawn_release(&s, 8);
	assert_int_equal(s.to_init.n, 33);
	s.listens[0] = (struct listen){ .fd = -1, .id = 9, .ask = calloc(1, sizeof(got.listen)) };
	s.listens[0].ask->id = 9;
	(void)str_copy(s.listens[0].ask->host, sizeof(s.listens[0].ask->host), "localhost");
	spawn_listen(&s, &s.listens[0]);
	assert_false(s.listens[0].sent);
	assert_true(spawn_wants_write(&s));
	while (full--)
		assert_int_equal(hear(init_end, &init_proto, &got, sizeof(got)), INIT_SIGNAL);
	/* There is room, but those that wait come first. */
	spawn_listen(&s, &s.listens[0]);
	assert_false(s.listens[0].sent);
	spawn_writable(&s);
	assert_true(s.listens[0].sent);
	assert_false(spawn_wants_write(&s));
	assert_int_equal(hear(init_end, &init_proto, &got, sizeof(got)), INIT_RELEASE);
	assert_int_equal(got.release.id, 7);
	for (int i = 1; i < 32; i++) {
		assert_int_equal(hear(init_end, &init_proto, &got, sizeof(got)), INIT_SIGNAL);
		assert_int_equal(got.signal.signal, i);
	}
	assert_int_equal(hear(init_end, &init_proto, &got, sizeof(got)), INIT_RELEASE);
	assert_int_equal(got.release.id, 8);
	assert_int_equal(hear(init_end, &init_proto, &got, sizeof(got)), INIT_LISTEN);
	assert_int_equal(hear(init_end, &init_proto, &got, sizeof(got)), 0);
	free(s.listens[0].ask);
}

/* provisiond learns of every channel that stays, and of the end of each that it knows. */
static void notices_wait_for_room(void **state)
{
	struct gate_channel junk = { .id = 999, .kind = GATE_CHAN_EXEC, .event = GATE_CHAN_OPENED };
	struct chan *known = chan_new(&s, CHAN_SESSION), *stays, *passes;
	struct gate_channel got;
	unsigned int full;

	rpc_channel(&s, known, true);
	assert_int_equal(hear(prov_end, &gate_proto, &got, sizeof(got)), GATE_CHANNEL);
	full = fill(s.prov, &gate_proto, GATE_CHANNEL, &junk);
	stays = chan_new(&s, CHAN_SESSION);
	rpc_channel(&s, stays, true);
	passes = chan_new(&s, CHAN_SESSION);
	for (int i = 0; i < 5000; i++) {
		rpc_channel(&s, passes, true);
		rpc_channel(&s, passes, false);
		rpc_denied(&s, GATE_CHAN_DIAL, "somewhere");
	}
	rpc_channel(&s, known, false);
	rpc_why(&s);
	assert_int_equal(s.to_prov.n, 4);
	while (full--)
		assert_int_equal(hear(prov_end, &gate_proto, &got, sizeof(got)), GATE_CHANNEL);
	rpc_writable(&s);
	assert_null(s.to_prov.first);
	assert_int_equal(hear(prov_end, &gate_proto, &got, sizeof(got)), GATE_CHANNEL);
	assert_true(got.id == stays->id && got.event == GATE_CHAN_OPENED);
	assert_int_equal(hear(prov_end, &gate_proto, &got, sizeof(got)), GATE_CHANNEL);
	assert_int_equal(got.event, GATE_CHAN_DENIED);
	assert_int_equal(hear(prov_end, &gate_proto, &got, sizeof(got)), GATE_CHANNEL);
	assert_true(got.id == known->id && got.event == GATE_CHAN_CLOSED);
	assert_int_equal(hear(prov_end, &gate_proto, &got, sizeof(got)), GATE_WHY);
	assert_int_equal(hear(prov_end, &gate_proto, &got, sizeof(got)), 0);
}

/* A rekey in the midst of it waits for room, and for the answer. */
static void a_signature_waits_for_room(void **state)
{
	struct gate_channel junk = { .id = 999, .kind = GATE_CHAN_EXEC, .event = GATE_CHAN_OPENED };
	struct gate_signed answer = { .sig = { .len = 64 } };
	union {
		struct gate_channel channel;
		struct gate_sign sign;
	} got;
	uint8_t hash[32] = { 1 }, sig[64];
	struct err e;
	pid_t pid;

	(void)fill(s.prov, &gate_proto, GATE_CHANNEL, &junk);
	answer.sig.data[0] = 42;
	(void)fd_nonblock(prov_end, 0);
	pid = fork();
	if (pid == 0) {
		struct msg m;

		usleep(50000);
		while (msg_recv(prov_end, &gate_proto, &got, sizeof(got), &m, &e) == 1 &&
		       m.type != GATE_SIGN)
			;
		_exit(m.type == GATE_SIGN &&
				      msg_send(prov_end, &gate_proto, GATE_SIGNED, &answer, &e) == 0
			      ? 0
			      : 1);
	}
	assert_int_equal(rpc_sign(&s, hash, sizeof(hash), sig), 0);
	assert_int_equal(sig[0], 42);
	assert_false(s.ending);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void refusals_are_told_now_and_then(void **state)
{
	static struct gate_channel n;
	unsigned int told = 0;
	struct msg m;
	struct err e;

	for (int i = 0; i < 300; i++) {
		refusal_tell(&s, GATE_CHAN_X11, "", "not allowed");
		while (msg_recv(prov_end, &gate_proto, &n, sizeof(n), &m, &e) > 0)
			told++;
	}
	assert_in_range(told, 20, 21);
	assert_int_equal(n.event, GATE_CHAN_DENIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ws_init_goes_while_a_channel_does, fresh, done),
		cmocka_unit_test_setup_teardown(an_end_that_refuses_to_listen_is_gone, fresh, done),
		cmocka_unit_test_setup_teardown(provisiond_goes_while_a_channel_does, fresh, done),
		cmocka_unit_test_setup_teardown(nobody_inside_answers_a_jump, fresh, done),
		cmocka_unit_test_setup_teardown(text_that_has_no_room_wakes_nobody, fresh, done),
		cmocka_unit_test_setup_teardown(a_release_waits_for_room, fresh, done),
		cmocka_unit_test_setup_teardown(notices_wait_for_room, fresh, done),
		cmocka_unit_test_setup_teardown(a_signature_waits_for_room, fresh, done),
		cmocka_unit_test_setup_teardown(refusals_are_told_now_and_then, fresh, done),
	};

	return cmocka_run_group_tests_name("channels and their partners", tests, NULL, NULL);
}
