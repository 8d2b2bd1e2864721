/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Channels at the moments at which ws-init or provisiond goes, or says what it was not asked. */
#include "../../sshd-gate/session/chan.h"
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
		cmocka_unit_test_setup_teardown(refusals_are_told_now_and_then, fresh, done),
	};

	return cmocka_run_group_tests_name("channels and their partners", tests, NULL, NULL);
}
