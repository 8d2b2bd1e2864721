/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a taken-over session, or whoever has got hold of its socket, may try against provisiond: not reading, speaking for
 * another process, keys of no kind; and what must hold when descriptors run out or the configuration changes in between.
 */
#include "tests/gate_lab.h"

#include <sys/resource.h>

#include "gate_conn.h"

static void send_password(struct session *s)
{
	struct gate_password p = { .login = "alice", .password = "wrong" };

	assert_int_equal(msg_send(s->fd, &gate_proto, GATE_PASSWORD, &p, NULL), 0);
}

static int await(struct session *s)
{
	for (int i = 0; i < 500; i++) {
		int type;

		sd_event_run(loop, 10000);
		spin();
		type = next(s);
		if (type != -1)
			return type;
	}
	return -1;
}

static unsigned int failures(void)
{
	unsigned int n = 0;

	for (const char *p = audited; (p = strstr(p, "auth.fail")); p++)
		n++;
	return n;
}

/* Its socket is full: that must not win it tries. */
static void a_session_that_reads_nothing(void **state)
{
	struct gate_key k;
	struct session s;
	int small = 1;

	settings.gate.max_auth_tries = 20;
	open_session(&s);
	assert_int_equal(
		setsockopt(server->conns->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	fill_key(&k, "bob");
	for (int i = 0; i < 60; i++) {
		if (msg_send(s.fd, &gate_proto, GATE_PROBE, &k, NULL) < 0)
			break;
		spin();
	}
	assert_true(failures() <= settings.gate.max_auth_tries);
	assert_dropped(&s);
	fd_close(&s.fd);
}

/* Another process sends on the session's socket. */
static void sign_from_elsewhere(struct session *s)
{
	struct gate_sign req = { .hash = { .len = 32 } };
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(msg_send(s->fd, &gate_proto, GATE_SIGN, &req, NULL) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	spin();
}

static void one_process_per_connection(void **state)
{
	struct session s, again;

	open_session(&s);
	sign_from_elsewhere(&s);
	assert_dropped(&s);
	fd_close(&s.fd);
	/* Nor does a restart of provisiond make it somebody else's login. */
	log_in(&s, "alice");
	gate_server_free(server);
	start();
	fd_close(&s.fd);
	connect_as(&again, 1, &s.conn);
	assert_int_equal(next(&again), GATE_RESUMED);
	sign_from_elsewhere(&again);
	assert_dropped(&again);
	assert_int_equal(listed(), 0);
	fd_close(&again.fd);
}

/* Those that wait cannot be started: each one has failed, and the next ones can be. */
static void no_descriptors_for_helpers(void **state)
{
	struct rlimit old, none;
	struct session s[14];

	(void)str_copy(settings.auth.methods, sizeof(settings.auth.methods), "password");
	for (int i = 0; i < 14; i++)
		open_session(&s[i]);
	for (int i = 0; i < 14; i++) {
		send_password(&s[i]);
		assert_true(sd_event_run(loop, 100000) >= 0);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 14; i++) {
		int type = await(&s[i]);

		if (type != GATE_VERDICT)
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(type, GATE_VERDICT);
		assert_false(got.verdict.ok);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int k = 0; k < GATE_JOB_KINDS; k++)
		assert_int_equal(server->jobs.running[k], 0);
	send_password(&s[0]);
	assert_int_equal(await(&s[0]), GATE_VERDICT);
	for (int i = 0; i < 14; i++)
		hang_up(&s[i], 0);
}

/* --- keys_command ---------------------------------------------------------------------------------------------------- */

static void command(const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/command", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	(void)str_copy(settings.auth.keys_command, sizeof(settings.auth.keys_command), path);
	(void)str_copy(settings.auth.keys_user, sizeof(settings.auth.keys_user), "nobody");
	settings.auth.answer_time = 10;
}

/* 16 run, the last one waits; meanwhile the configuration is another one. */
static void a_reload_while_one_waits(void **state)
{
	struct settings *old = malloc(sizeof(*old));
	struct session s[17];
	struct gate_key k;

	if (getuid() != 0)
		skip();
	command("sleep 1; echo listed");
	settings.limits.connections_per_user = 100;
	*old = settings;
	current = old;
	for (int i = 0; i < 17; i++) {
		open_session(&s[i]);
		fill_key(&k, "alice");
		assert_int_equal(msg_send(s[i].fd, &gate_proto, GATE_PROBE, &k, NULL), 0);
		spin();
	}
	current = &settings;
	explicit_bzero(old, sizeof(*old));
	free(old);
	for (int i = 0; i < 17; i++) {
		more_seen[0] = '\0';
		assert_int_equal(await(&s[i]), GATE_VERDICT);
		hang_up(&s[i], 0);
	}
	assert_string_equal(more_seen, "listed\n");
	settings.auth.keys_command[0] = '\0';
}

/* The type is an argument of the command: only one that there is. */
static void keys_of_no_kind(void **state)
{
	static const char *const types[] = { "$(reboot)", "-x", "ssh-ed25519\n", "ssh-dss", "" };
	char out[128], text[256];
	struct gate_key k;
	struct session s;

	if (getuid() != 0)
		skip();
	snprintf(out, sizeof(out), "%s/out", dir);
	assert_int_equal(mkdir(out, 0700), 0);
	assert_int_equal(chmod(out, 0777), 0);
	snprintf(text, sizeof(text), "touch %s/ran", out);
	command(text);
	(void)str_copy(out + strlen(out), sizeof(out) - strlen(out), "/ran");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct wire_out o = { k.key.data, 0, sizeof(k.key.data), false };

		fill_key(&k, "alice");
		wire_put_str(&o, types[i], strlen(types[i]));
		wire_put_str(&o, "x", 1);
		k.key.len = (uint32_t)o.n;
		open_session(&s);
		assert_int_equal(msg_send(s.fd, &gate_proto, GATE_PROBE, &k, NULL), 0);
		assert_int_equal(await(&s), GATE_VERDICT);
		assert_false(got.verdict.ok);
		hang_up(&s, 0);
		if (access(out, F_OK) == 0)
			fail_msg("'%s' reached the command", types[i]);
	}
	open_session(&s);
	fill_key(&k, "alice");
	assert_int_equal(msg_send(s.fd, &gate_proto, GATE_PROBE, &k, NULL), 0);
	assert_int_equal(await(&s), GATE_VERDICT);
	assert_int_equal(access(out, F_OK), 0);
	hang_up(&s, 0);
	settings.auth.keys_command[0] = '\0';
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, finish)
	const struct CMUnitTest tests[] = {
		T(a_session_that_reads_nothing),
		T(one_process_per_connection),
		T(no_descriptors_for_helpers),
		T(a_reload_while_one_waits),
		T(keys_of_no_kind),
	};

	log_setup("test", LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gate_hostile", tests, setup, teardown);
}
