/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The admin socket over a real connection: every request, requests at once, clients that leave, do not read, or send
 * rubbish.
 */
#include <poll.h>
#include <sys/socket.h>

#include "admin_server.h"
#include "proto/admin.h"
#include "sessions.h"
#include "unit/fake_registry.h"

static struct admin_server *server;
static int reloads;

int limits_path(const struct settings *s, const char *name, char *buf, size_t size, struct err *e)
{
	return str_format(buf, size, "/sys/fs/cgroup/%s", name);
}

void net_ifname(uint32_t slot, char out[16])
{
	snprintf(out, 16, "sb-%x", slot);
}

void sessions_each(void (*fn)(void *ctx, const struct session_info *s), void *ctx)
{
	struct session_channel *open = calloc(1, sizeof(*open) + 32);
	struct session_info one = { .id = "ab",
				    .user = "alice",
				    .workspace = "alice",
				    .since = 5,
				    .pid = 77,
				    .channels = 1,
				    .open = open };

	open->id = 3;
	open->kind = 3;
	strcpy(open->what, "db:5432");
	fn(ctx, &one);
	free(open);
}

const char *sessions_kind(uint32_t kind)
{
	assert_int_equal(kind, 3);
	return "dial";
}

const char *sessions_method(const struct session_info *s)
{
	return "password";
}

static char looked[64];
static ctl_look_fn look_answer;
static void *look_asker;

/* The listener answers when the test wants it to. */
static int fake_look(void *ctx, const char *lift, ctl_look_fn fn, void *who, struct err *e)
{
	if (!fn && look_asker != who)
		return 0;
	look_answer = fn;
	look_asker = fn ? who : NULL;
	(void)str_copy(looked, sizeof(looked), lift);
	return 0;
}

static int fake_kick(void *ctx, const char *who, const char *message, struct err *e)
{
	if (strcmp(who, "nobody") == 0)
		return err_set(e, ENOENT, "kick 'nobody': is not there");
	assert_string_equal(message, "bye");
	return 2;
}

static int fake_reload(void *ctx, char *text, size_t size)
{
	str_copy(text, size, reloads++ ? "bad" : "good");
	return reloads > 1 ? -EINVAL : 0;
}

static void fake_status(void *ctx, char *text, size_t size)
{
	str_copy(text, size, "fine");
}

static void start_server(void)
{
	const struct admin_daemon self = {
		.reload = fake_reload, .status = fake_status, .kick = fake_kick, .look = fake_look
	};
	struct err e = { 0 };

	bench_start();
	if (admin_server_new(bench.loop, bench.reg, &self, &server, &e))
		fail_msg("%s", e.text);
}

static int end(void **state)
{
	admin_server_free(server);
	server = NULL;
	reloads = 0;
	return bench_teardown(state);
}

static int dial(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/run/admin.sock", bench.dir);
	fd = msg_connect(path, NULL);
	assert_true(fd >= 0);
	return fd;
}

static union {
	struct admin_workspace workspace;
	struct admin_progress progress;
	struct admin_session session;
	struct admin_channel channel;
	struct admin_source source;
	struct admin_lease lease;
	struct admin_event event;
	struct admin_done done;
	struct admin_failed failed;
} body;

/* Type of the next message, its content in `body`; 0 = connection closed. */
static uint32_t next(int fd)
{
	uint64_t limit = clk_now_us() + 10000000;
	struct msg m;

	for (;;) {
		int ret = msg_recv(fd, &admin_proto, &body, sizeof(body), &m, NULL);

		if (ret == 1) {
			msg_close_fds(&m);
			return m.type;
		}
		if (ret != -EAGAIN)
			return 0;
		assert_true(clk_now_us() < limit);
		assert_true(sd_event_run(bench.loop, 10000) >= 0);
	}
}

static void ask(int fd, uint32_t type, uint32_t tag, const char *name)
{
	struct admin_name req = { .tag = tag };

	str_copy(req.name, sizeof(req.name), name);
	assert_int_equal(msg_send(fd, &admin_proto, type, &req, NULL), 0);
}

static void order(int fd, enum admin_operation op, uint32_t tag, const char *name)
{
	struct admin_operate req = { .tag = tag, .operation = op, .purge = op == ADMIN_DESTROY };

	str_copy(req.name, sizeof(req.name), name);
	assert_int_equal(msg_send(fd, &admin_proto, ADMIN_OPERATE, &req, NULL), 0);
}

static int nonblocking_dial(void)
{
	int fd = dial();

	assert_int_equal(fd_nonblock(fd, 1), 0);
	return fd;
}

static void test_list_and_show(void **state)
{
	auto_fd int fd = -1;

	bench_add_spec("client", "alice", "172.31.199.9");
	start_server();
	assert_int_equal(login("bob"), 0);
	fd = nonblocking_dial();
	ask(fd, ADMIN_LIST, 7, "");
	assert_int_equal(next(fd), ADMIN_WORKSPACE);
	assert_string_equal(body.workspace.name, "bob");
	assert_string_equal(body.workspace.state, "running");
	assert_string_equal(body.workspace.users, "bob");
	assert_string_equal(body.workspace.control_ip, "172.31.199.1");
	assert_string_equal(body.workspace.interface, "sb-0");
	assert_string_equal(body.workspace.cgroup, "/sys/fs/cgroup/bob");
	assert_int_equal(body.workspace.init_pid, fake_of("bob")->init);
	assert_int_equal(body.workspace.id_base, 1000000);
	assert_int_equal(next(fd), ADMIN_WORKSPACE);
	assert_int_equal(body.workspace.tag, 7);
	assert_string_equal(body.workspace.name, "client");
	assert_string_equal(body.workspace.state, "absent");
	assert_string_equal(body.workspace.control_ip, "172.31.199.9");
	assert_int_equal(next(fd), ADMIN_DONE);
	ask(fd, ADMIN_LIST, 8, "nobody");
	assert_int_equal(next(fd), ADMIN_FAILED);
	assert_int_equal(body.failed.code, ENOENT);
	ask(fd, ADMIN_LEASES, 9, "bob");
	assert_int_equal(next(fd), ADMIN_LEASE);
	assert_string_equal(body.lease.object, "1000000-1262143");
	assert_string_equal(body.lease.state, "leased");
	assert_int_equal(next(fd), ADMIN_LEASE);
	assert_string_equal(body.lease.kind, "ip");
	assert_int_equal(next(fd), ADMIN_DONE);
	ask(fd, ADMIN_SESSIONS, 10, "");
	assert_int_equal(next(fd), ADMIN_SESSION);
	assert_int_equal(body.session.pid, 77);
	assert_string_equal(body.session.method, "password");
	assert_int_equal(next(fd), ADMIN_CHANNEL);
	assert_string_equal(body.channel.session, "ab");
	assert_string_equal(body.channel.kind, "dial");
	assert_string_equal(body.channel.what, "db:5432");
	assert_int_equal(next(fd), ADMIN_DONE);
}

static void test_kick(void **state)
{
	struct admin_kick req = { .tag = 4, .who = "alice", .message = "bye" };
	auto_fd int fd = -1;

	start_server();
	fd = nonblocking_dial();
	assert_int_equal(msg_send(fd, &admin_proto, ADMIN_KICK, &req, NULL), 0);
	assert_int_equal(next(fd), ADMIN_DONE);
	assert_int_equal(body.done.tag, 4);
	assert_string_equal(body.done.text, "told 2 connections to leave");
	strcpy(req.who, "nobody");
	assert_int_equal(msg_send(fd, &admin_proto, ADMIN_KICK, &req, NULL), 0);
	assert_int_equal(next(fd), ADMIN_FAILED);
	assert_int_equal(body.failed.code, ENOENT);
}

static void test_sources(void **state)
{
	static const struct ctl_sources said = {
		.refused = 3,
		.lifted = 1,
		.worst = "192.0.2.1/32 60,rubbish,10.0.0.0/x 5,2001:db8::/64 7,"
	};
	struct admin_sources req = { .tag = 6, .lift = "192.0.2.9" };
	auto_fd int fd = -1;

	start_server();
	fd = nonblocking_dial();
	assert_int_equal(msg_send(fd, &admin_proto, ADMIN_SOURCES, &req, NULL), 0);
	while (!look_answer)
		assert_true(sd_event_run(bench.loop, 1000000) > 0);
	assert_string_equal(looked, "192.0.2.9/32");
	look_answer(look_asker, &said);
	/* What is no network is not passed on. */
	assert_int_equal(next(fd), ADMIN_SOURCE);
	assert_string_equal(body.source.source, "192.0.2.1/32");
	assert_int_equal(body.source.left_s, 60);
	assert_int_equal(next(fd), ADMIN_SOURCE);
	assert_string_equal(body.source.source, "2001:db8::/64");
	assert_int_equal(next(fd), ADMIN_DONE);
	assert_int_equal(body.done.tag, 6);
	assert_string_equal(body.done.text, "1 source lifted, 3 refused");
	assert_int_equal(fake_events("admin.penalty_lift", "192.0.2.9/32"), 1);
	/* Without an answer, what was asked is in the audit log all the same, once; also of one who does not wait. */
	strcpy(req.lift, "192.0.2.8");
	assert_int_equal(msg_send(fd, &admin_proto, ADMIN_SOURCES, &req, NULL), 0);
	look_answer = NULL;
	while (!look_answer)
		assert_true(sd_event_run(bench.loop, 1000000) > 0);
	look_answer(look_asker, NULL);
	assert_int_equal(next(fd), ADMIN_FAILED);
	assert_int_equal(body.failed.code, ETIMEDOUT);
	assert_int_equal(fake_events("admin.penalty_lift", "192.0.2.8/32"), 1);
	strcpy(req.lift, "nonsense");
	assert_int_equal(msg_send(fd, &admin_proto, ADMIN_SOURCES, &req, NULL), 0);
	assert_int_equal(next(fd), ADMIN_FAILED);
	assert_int_equal(body.failed.code, EINVAL);
	strcpy(req.lift, "192.0.2.7");
	assert_int_equal(msg_send(fd, &admin_proto, ADMIN_SOURCES, &req, NULL), 0);
	while (strcmp(looked, "192.0.2.7/32"))
		assert_true(sd_event_run(bench.loop, 1000000) > 0);
	fd_close(&fd);
	while (look_answer)
		assert_true(sd_event_run(bench.loop, 1000000) > 0);
	run_for(1);
	assert_int_equal(fake_events("admin.penalty_lift", "192.0.2.7/32"), 1);
	assert_int_equal(fake_events("admin.penalty_lift", "192.0.2.8/32"), 1);
}

static void test_operations_at_once(void **state)
{
	unsigned int done = 0, progress[3] = { 0 };
	auto_fd int fd = -1;

	fake->pause_ms = 10;
	start_server();
	fd = nonblocking_dial();
	order(fd, ADMIN_CREATE, 0, "a");
	order(fd, ADMIN_CREATE, 1, "b");
	order(fd, ADMIN_STOP, 2, "nobody");
	while (done != 7) {
		uint32_t type = next(fd);

		if (type == ADMIN_PROGRESS) {
			assert_in_range(body.progress.tag, 0, 1);
			progress[body.progress.tag]++;
		} else if (type == ADMIN_DONE) {
			assert_in_range(body.done.tag, 0, 1);
			done |= 1U << body.done.tag;
		} else {
			assert_int_equal(type, ADMIN_FAILED);
			assert_int_equal(body.failed.tag, 2);
			assert_int_equal(body.failed.code, ENOENT);
			done |= 4;
		}
	}
	assert_int_equal(progress[0], FAKE_STEPS);
	assert_int_equal(progress[1], FAKE_STEPS);
}

static void test_client_leaves(void **state)
{
	auto_fd int fd = -1;

	fake->pause_ms = 20;
	start_server();
	fd = nonblocking_dial();
	for (uint32_t i = 0; i < 5; i++)
		order(fd, i & 1 ? ADMIN_STOP : ADMIN_CREATE, i, "alice");
	run_for(5);
	fd_close(&fd);
	run_for(300);
	/* The orders stand; the client is forgotten. */
	assert_non_null(fake_record("alice"));
	fd = nonblocking_dial();
	ask(fd, ADMIN_STATUS, 1, "");
	assert_int_equal(next(fd), ADMIN_DONE);
	assert_string_equal(body.done.text, "fine");
}

static void test_client_that_does_not_read(void **state)
{
	auto_fd int slow = -1, fd = -1;
	char name[16];
	unsigned int rows = 0;

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "w%d", i);
		bench_add_spec(name, "alice", NULL);
	}
	start_server();
	slow = nonblocking_dial();
	for (uint32_t i = 0; i < 400; i++) {
		struct admin_name req = { .tag = i };

		if (msg_send(slow, &admin_proto, ADMIN_LIST, &req, NULL))
			break;
		run_for(1);
	}
	/* Others are served meanwhile, and the slow one is dropped in the end. */
	fd = nonblocking_dial();
	ask(fd, ADMIN_STATUS, 1, "");
	assert_int_equal(next(fd), ADMIN_DONE);
	while (next(slow))
		rows++;
	assert_true(rows < 400 * 31);
}

static void test_reads_late(void **state)
{
	auto_fd int fd = -1;
	char name[16];
	unsigned int rows = 0;

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "w%d", i);
		bench_add_spec(name, "alice", NULL);
	}
	start_server();
	fd = nonblocking_dial();
	for (uint32_t i = 0; i < 20; i++) {
		ask(fd, ADMIN_LIST, i, "");
		run_for(1);
	}
	for (uint32_t done = 0; done < 20;) {
		uint32_t type = next(fd);

		assert_int_not_equal(type, 0);
		if (type == ADMIN_DONE)
			assert_int_equal(body.done.tag, done++);
		else
			rows++;
	}
	assert_int_equal(rows, 20 * 30);
}

static void test_rubbish(void **state)
{
	auto_fd int bad = -1, fd = -1;
	struct admin_done answer = { .tag = 1 };

	start_server();
	bad = nonblocking_dial();
	fd = nonblocking_dial();
	assert_int_equal(send(bad, "rubbish", 7, 0), 7);
	assert_int_equal(next(bad), 0);
	fd_close(&bad);
	bad = nonblocking_dial();
	/* A message of ours in the wrong direction. */
	assert_int_equal(msg_send(bad, &admin_proto, ADMIN_DONE, &answer, NULL), 0);
	assert_int_equal(next(bad), 0);
	ask(fd, ADMIN_STATUS, 1, "");
	assert_int_equal(next(fd), ADMIN_DONE);
}

static void test_reload(void **state)
{
	auto_fd int fd = -1;

	start_server();
	fd = nonblocking_dial();
	ask(fd, ADMIN_RELOAD, 1, "");
	assert_int_equal(next(fd), ADMIN_DONE);
	assert_string_equal(body.done.text, "good");
	ask(fd, ADMIN_RELOAD, 2, "");
	assert_int_equal(next(fd), ADMIN_FAILED);
	assert_string_equal(body.failed.text, "bad");
}

static void test_enter(void **state)
{
	auto_fd int fd = -1;

	start_server();
	assert_int_equal(login("alice"), 0);
	fd = nonblocking_dial();
	ask(fd, ADMIN_ENTER, 1, "nobody");
	assert_int_equal(next(fd), ADMIN_FAILED);
	/* The fake ws-init has a full backlog. */
	ask(fd, ADMIN_ENTER, 2, "alice");
	assert_int_equal(next(fd), ADMIN_FAILED);
	assert_string_equal(body.failed.text, "attach to 'alice': the workspace does not answer");
	assert_int_equal(operate("alice", WORKSPACE_STOP, 0), 0);
	ask(fd, ADMIN_ENTER, 3, "alice");
	assert_int_equal(next(fd), ADMIN_FAILED);
	assert_string_equal(body.failed.text,
			    "enter workspace 'alice': it is stopped (sshbay start alice)");
}

static void test_too_many(void **state)
{
	int fds[70];
	int served = 0;

	start_server();
	for (int i = 0; i < 70; i++) {
		fds[i] = nonblocking_dial();
		run_for(1);
	}
	for (int i = 0; i < 70; i++) {
		struct admin_name req = { .tag = 1 };

		if (msg_send(fds[i], &admin_proto, ADMIN_STATUS, &req, NULL) == 0 && next(fds[i]))
			served++;
		close(fds[i]);
	}
	assert_int_equal(served, 64);
	run_for(20);
	fds[0] = nonblocking_dial();
	ask(fds[0], ADMIN_STATUS, 1, "");
	assert_int_equal(next(fds[0]), ADMIN_DONE);
	close(fds[0]);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_list_and_show),
		T(test_operations_at_once),
		T(test_kick),
		T(test_sources),
		T(test_operations_at_once),
		T(test_client_leaves),
		T(test_client_that_does_not_read),
		T(test_reads_late),
		T(test_rubbish),
		T(test_reload),
		T(test_enter),
		T(test_too_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (geteuid() != 0) {
		printf("1..0 # SKIP the admin socket serves root only\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
