/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sshbay's verbs against a provisiond and a ws-init that this file plays, one that also plays the hostile one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <utmp.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/fd.h"
#include "base/path.h"
#include "cli/cli.h"
#include "proto/init.h"

static char dir[64], config[128];
static pid_t server;
static char out[65536], errors[65536];

/* --- the server --- */

static void answer(int fd, uint32_t type, const void *body)
{
	struct err e;

	if (msg_send(fd, &admin_proto, type, body, NULL, 0, &e) < 0)
		_exit(3);
}

static void done(int fd, uint32_t tag, const char *text)
{
	struct admin_done d = { .tag = tag };

	(void)str_copy(d.text, sizeof(d.text), text);
	answer(fd, ADMIN_DONE, &d);
}

static void failed(int fd, uint32_t tag, const char *text)
{
	struct admin_failed f = { .tag = tag, .code = ENOENT };

	(void)str_copy(f.text, sizeof(f.text), text);
	answer(fd, ADMIN_FAILED, &f);
}

static void workspace(int fd, uint32_t tag, const char *name, bool running)
{
	struct admin_workspace w = {
		.tag = tag,
		.users = "alice, bob",
		.image = "bookworm",
		.id_base = 1000000,
		.id_count = 262144,
		.memory = UINT64_C(8) << 30,
		.swap = 0,
		.disk = UINT64_MAX,
		.pids = 4096,
		.nic = "none",
		.root = 1,
		.note = "odd \033[2J text",
		.sessions = 2,
	};

	(void)str_copy(w.name, sizeof(w.name), name);
	(void)str_copy(w.state, sizeof(w.state), running ? "running" : "absent");
	if (running) {
		(void)str_copy(w.control_ip, sizeof(w.control_ip), "172.31.199.3");
		w.init_pid = 4711;
		w.created = w.started = 1769853723;
	}
	answer(fd, ADMIN_WORKSPACE, &w);
}

static void serve_list(int fd, const struct admin_name *req)
{
	if (strcmp(req->name, "nobody") == 0) {
		failed(fd, req->tag, "show workspace 'nobody': no such workspace (sshbay list)");
		return;
	}
	if (!req->name[0])
		workspace(fd, req->tag, "absentee", false);
	workspace(fd, req->tag, req->name[0] ? req->name : "web", true);
	done(fd, req->tag, "");
}

/* Answers come in the opposite order of the requests. */
static void serve_operate(int fd, const struct admin_operate *req, unsigned int *n, uint32_t *first)
{
	struct admin_progress p = { .step = "nic", .detail = "data0", .us = 3400, .up = 1 };
	char text[128];

	if (strcmp(req->name, "pair1") == 0) {
		*first = req->tag;
		++*n;
		return;
	}
	p.tag = req->tag;
	answer(fd, ADMIN_PROGRESS, &p);
	(void)snprintf(text, sizeof(text), "%s %u purge %u timeout %u", req->name, req->operation,
		       req->purge, req->timeout_s);
	if (strcmp(req->name, "broken") == 0)
		failed(fd, req->tag, "create workspace 'broken': no image\nsecond \033line");
	else
		done(fd, req->tag, text);
	if (*n)
		done(fd, *first, "pair1 came last");
	*n = 0;
}

static void child_of_spawn(const struct init_spawn *s, const int in[2], const int o[2],
			   const int er[2], int slave)
{
	char command[4096];

	(void)str_format(command, sizeof(command), "%.*s", (int)s->command.len,
			 (const char *)s->command.data);
	if (slave >= 0) {
		(void)login_tty(slave);
	} else {
		dup2(in[0], 0);
		dup2(o[1], 1);
		dup2(er[1], 2);
	}
	(void)fd_cloexec_from(3);
	signal(SIGPIPE, SIG_DFL);
	execl("/bin/sh", "sh", "-c", s->kind == INIT_SHELL ? "echo a shell on $(tty)" : command,
	      NULL);
	_exit(127);
}

static struct init_spawn spawn;

/* A ws-init for one spawn; `user` says how it behaves. */
static void play_init(int sock, const char *user)
{
	struct init_bound bound = { .uid = 0, .home = "/root", .shell = "/bin/sh" };
	struct init_failed no = { .id = 1, .code = EACCES, .text = "not\nfor \033you" };
	struct init_spawned spawned = { .id = 1, .pid = 2 };
	struct init_exited exited = { .id = 1 };
	int in[2], o[2], er[2], master = -1, slave = -1, status;
	struct winsize ws;
	struct msg m;
	struct err e;
	pid_t pid;

	if (strcmp(user, "refused") == 0) {
		(void)msg_send(sock, &init_proto, INIT_FAILED, &no, NULL, 0, &e);
		return;
	}
	(void)msg_send(sock, &init_proto, INIT_BOUND, &bound, NULL, 0, &e);
	if (strcmp(user, "gone") == 0 ||
	    msg_recv(sock, &init_proto, &spawn, sizeof(spawn), &m, &e) != 1)
		return;
	if (pipe2(in, O_CLOEXEC) || pipe2(o, O_CLOEXEC) || pipe2(er, O_CLOEXEC))
		return;
	ws = (struct winsize){ .ws_col = (unsigned short)spawn.cols,
			       .ws_row = (unsigned short)spawn.rows };
	if ((spawn.flags & INIT_PTY) && openpty(&master, &slave, NULL, NULL, &ws) < 0)
		return;
	pid = fork();
	if (pid == 0)
		child_of_spawn(&spawn, in, o, er, slave);
	close(in[0]);
	close(o[1]);
	close(er[1]);
	close(slave);
	if (strcmp(user, "liar") == 0)
		in[1] = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	if (spawn.flags & INIT_PTY)
		(void)msg_send(sock, &init_proto, INIT_SPAWNED, &spawned, &master, 1, &e);
	else
		(void)msg_send(sock, &init_proto, INIT_SPAWNED, &spawned,
			       (int[]){ in[1], o[0], er[0] }, 3, &e);
	close(in[1]);
	close(o[0]);
	close(er[0]);
	close(master);
	if (strcmp(user, "crash") == 0)
		return;
	(void)waitpid(pid, &status, 0);
	exited.status = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 0;
	exited.signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
	(void)msg_send(sock, &init_proto, INIT_EXITED, &exited, NULL, 0, &e);
}

static void serve_enter(int fd, const struct admin_name *req)
{
	struct admin_done d = { .tag = req->tag };
	struct err e;
	int sv[2];

	if (strcmp(req->name, "nobody") == 0) {
		failed(fd, req->tag, "enter workspace 'nobody': no such workspace");
		return;
	}
	if (msg_pair(sv, &e) < 0)
		_exit(4);
	if (fork() == 0) {
		signal(SIGCHLD, SIG_DFL);
		close(sv[0]);
		play_init(sv[1], req->user);
		_exit(0);
	}
	close(sv[1]);
	(void)msg_send(fd, &admin_proto, ADMIN_ENTERED, &d, &sv[0], 1, &e);
	close(sv[0]);
}

static void serve_others(int fd, uint32_t type, const struct admin_name *req)
{
	struct admin_session s = { .tag = req->tag,
				   .user = "alice",
				   .workspace = "web",
				   .peer = "10.0.0.1:999",
				   .kinds = "shell sftp",
				   .pid = 7,
				   .channels = 2,
				   .since = 1769853723 };
	struct admin_lease l = {
		.tag = req->tag, .kind = "ip", .object = "172.31.199.3", .owner = "web"
	};
	struct admin_event ev = { .tag = req->tag,
				  .line = "{\"ev\":\"x\",\"t\":\"\\u001b\",\"raw\":\"\033\"}" };

	if (type == ADMIN_SESSIONS)
		answer(fd, ADMIN_SESSION, &s);
	if (type == ADMIN_LEASES)
		answer(fd, ADMIN_LEASE, &l);
	if (type == ADMIN_EVENTS)
		answer(fd, ADMIN_EVENT, &ev);
	if (type == ADMIN_EVENTS && req->follow)
		answer(fd, ADMIN_EVENT, &ev);
	done(fd, req->tag, type == ADMIN_STATUS ? "line one\nline \033two" : "");
}

static void serve(int fd)
{
	union {
		struct admin_name name;
		struct admin_operate operate;
	} body;
	unsigned int pairs = 0;
	uint32_t first = 0;
	struct msg m;
	struct err e;

	while (msg_recv(fd, &admin_proto, &body, sizeof(body), &m, &e) == 1) {
		if (m.type == ADMIN_OPERATE)
			serve_operate(fd, &body.operate, &pairs, &first);
		else if (m.type == ADMIN_LIST)
			serve_list(fd, &body.name);
		else if (m.type == ADMIN_ENTER)
			serve_enter(fd, &body.name);
		else if (m.type == ADMIN_RELOAD)
			return; /* dies in the middle */
		else
			serve_others(fd, m.type, &body.name);
	}
}

static int setup(void **state)
{
	static const char text[] = "[gate]\nuser = 1\n[storage]\nstate = %s/state\nrun = %s\n";
	char path[128], ini[512];
	struct err e;
	int listener;

	(void)state;
	strcpy(dir, "/tmp/sshbay-test-cli-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(config, sizeof(config), "%s/sshbay.ini", dir);
	(void)snprintf(ini, sizeof(ini), text, dir, dir);
	if (path_write_atomic(AT_FDCWD, config, ini, strlen(ini), 0644, 0, &e) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/admin.sock", dir);
	listener = msg_listen(path, 0600, 16, &e);
	if (listener < 0)
		return -1;
	server = fork();
	if (server == 0) {
		signal(SIGCHLD, SIG_IGN);
		for (;;) {
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

			if (fork() == 0) {
				close(listener);
				serve(fd);
				_exit(0);
			}
			close(fd);
		}
	}
	close(listener);
	return server < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e;

	(void)state;
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	return path_remove_tree(tmp, strrchr(dir, '/') + 1, &e);
}

/* --- running sshbay --- */

static void read_back(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	close(fd);
}

/* Run with these words (split at spaces) before `extra`; stdin is `in`. The exit status, or 1000 + signal. */
static int run_with(const char *in, const char *words, const char *const *extra)
{
	int o = memfd_create("out", MFD_CLOEXEC), er = memfd_create("err", MFD_CLOEXEC), p[2],
	    status, n = 0;
	char copy[512], *argv[64] = { 0 }, *save = NULL;
	pid_t pid, feeder = -1;

	(void)str_copy(copy, sizeof(copy), words);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	for (; extra && *extra; extra++)
		argv[n++] = (char *)(uintptr_t)*extra;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		dup2(p[0], 0);
		dup2(o, 1);
		dup2(er, 2);
		exit(cli_run(n, argv));
	}
	close(p[0]);
	if (in) {
		feeder = fork();
		if (feeder == 0)
			_exit(fd_write_all(p[1], in, strlen(in)) ? 1 : 0);
	}
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (feeder > 0)
		(void)waitpid(feeder, NULL, 0);
	read_back(o, out, sizeof(out));
	read_back(er, errors, sizeof(errors));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int run(const char *verb)
{
	char words[512];

	(void)snprintf(words, sizeof(words), "-c %s %s", config, verb);
	return run_with(NULL, words, NULL);
}

static int enter(const char *in, const char *verb, const char *command)
{
	const char *extra[] = { "--", "sh", "-c", command, NULL };
	char words[512];

	(void)snprintf(words, sizeof(words), "-c %s enter %s", config, verb);
	return run_with(in, words, extra);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s\nstderr:\n%s", part, text, errors);
}

static void only_printable(const char *text)
{
	for (; *text; text++)
		if (*text != '\n' && (*text < 0x20 || *text > 0x7e))
			fail_msg("byte %02x was printed", (unsigned char)*text);
}

static void test_list(void **state)
{
	struct json_object *a, *o, *v;

	(void)state;
	assert_int_equal(run("list"), 0);
	has(out, "NAME      STATE    ADDRESS       USERS       SESSIONS  NIC   GPU  STARTED\n");
	has(out, "absentee  absent   -             alice, bob  2         none  -    -\n");
	has(out, "web       running  172.31.199.3  alice, bob  2         none  -    "
		 "2026-01-31T10:02:03Z\n");
	assert_int_equal(run("list --json"), 0);
	a = json_tokener_parse(out);
	assert_non_null(a);
	assert_int_equal(json_object_array_length(a), 2);
	o = json_object_array_get_idx(a, 1);
	static const char *const keys[] = { "name",       "state",    "users",    "image",
					    "control_ip", "data_ip",  "nic",      "gpu",
					    "id_base",    "init_pid", "sessions", "created",
					    "started" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!json_object_object_get_ex(o, keys[i], &v))
			fail_msg("no key %s", keys[i]);
	json_object_object_get_ex(o, "users", &v);
	assert_int_equal(json_object_array_length(v), 2);
	assert_string_equal(json_object_get_string(json_object_array_get_idx(v, 1)), "bob");
	json_object_object_get_ex(o, "created", &v);
	assert_string_equal(json_object_get_string(v), "2026-01-31T10:02:03Z");
	json_object_object_get_ex(o, "memory", &v);
	assert_true(json_object_get_uint64(v) == UINT64_C(8) << 30);
	json_object_object_get_ex(o, "disk", &v);
	assert_null(v);
	json_object_object_get_ex(o, "swap", &v);
	assert_int_equal(json_object_get_int(v), 0);
	json_object_object_get_ex(json_object_array_get_idx(a, 0), "created", &v);
	assert_null(v);
	json_object_object_get_ex(json_object_array_get_idx(a, 0), "control_ip", &v);
	assert_null(v);
	json_object_put(a);
	assert_int_equal(run("--json list"), 0);
	assert_int_equal(out[0], '[');
}

static void test_show(void **state)
{
	struct json_object *o, *v;

	(void)state;
	assert_int_equal(run("show web"), 0);
	has(out, "state        running                     ; absent, creating, running");
	has(out, "memory       8G ");
	has(out, "disk         unlimited ");
	has(out, "odd \\x1b[2J text");
	only_printable(out);
	assert_int_equal(run("show --json web"), 0);
	o = json_tokener_parse(out);
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "note", &v));
	assert_string_equal(json_object_get_string(v), "odd \\x1b[2J text");
	json_object_put(o);
	assert_int_equal(run("show nobody"), 1);
	assert_string_equal(errors,
			    "sshbay: show workspace 'nobody': no such workspace (sshbay list)\n");
	assert_string_equal(out, "");
	assert_int_equal(run("sessions"), 0);
	has(out, "alice  web        10.0.0.1:999  -   2026-01-31T10:02:03Z  7    2         shell "
		 "sftp\n");
	assert_int_equal(run("sessions web --json"), 0);
	has(out, "\"sftp\"");
	assert_int_equal(run("leases"), 0);
	has(out, "ip    172.31.199.3  web    -      -\n");
	assert_int_equal(run("leases --json"), 0);
	has(out, "\"owner\": \"web\"");
	assert_int_equal(run("events"), 0);
	assert_string_equal(out, "{\"ev\":\"x\",\"t\":\"\\u001b\",\"raw\":\"\\u001b\"}\n");
	assert_int_equal(run("events --follow"), 0);
	assert_int_equal(strlen(out),
			 2 * strlen("{\"ev\":\"x\",\"t\":\"\\u001b\",\"raw\":\"\\u001b\"}\n"));
	assert_int_equal(run("status"), 0);
	assert_string_equal(out, "line one\nline \\x1btwo\n");
	assert_int_equal(run("reload"), 1);
	has(errors, "closed the connection");
}

static void test_operate(void **state)
{
	(void)state;
	assert_int_equal(run("create web"), 0);
	assert_string_equal(out, "web 0 purge 0 timeout 0\n");
	assert_int_equal(run("start web"), 0);
	assert_string_equal(out, "web 1 purge 0 timeout 0\n");
	assert_int_equal(run("stop --timeout 5m web"), 0);
	assert_string_equal(out, "web 2 purge 0 timeout 300\n");
	assert_int_equal(run("destroy web --purge --timeout=7"), 0);
	assert_string_equal(out, "web 3 purge 1 timeout 7\n");
	assert_int_equal(run("create pair1 pair2 pair1"), 0);
	assert_string_equal(out, "pair2 0 purge 0 timeout 0\npair1 came last\n");
	assert_int_equal(run("create broken web"), 1);
	assert_string_equal(out, "web 0 purge 0 timeout 0\n");
	assert_string_equal(errors,
			    "sshbay: create workspace 'broken': no image\nsecond \\x1bline\n");
	assert_int_equal(run("stop --all"), 0);
	assert_string_equal(out, "web 2 purge 0 timeout 0\n");
}

static void test_usage(void **state)
{
	static const char *const bad[] = {
		"frobnicate",
		"list --frobnicate",
		"list x",
		"show",
		"show a b",
		"show A",
		"show ../x",
		"create",
		"create --purge x",
		"create --timeout 5 x",
		"create a b/c",
		"stop",
		"stop --all x",
		"stop --timeout x",
		"stop --timeout 0 x",
		"stop --timeout",
		"stop --timeout= x",
		"stop --timeout -1 x",
		"destroy",
		"destroy --purge=yes x",
		"enter",
		"enter a b",
		"enter --user a",
		"enter --user A b",
		"enter web --",
		"enter -- web",
		"sessions a b",
		"status x",
		"reload x",
		"create --json x",
		"--json stop x",
		"messages x",
		"--frob list",
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int r = run(bad[i]);

		if (strcmp(bad[i], "enter web --") == 0)
			assert_int_equal(r, 0);
		else if (r != 2)
			fail_msg("'%s': exit status %d\n%s%s", bad[i], r, out, errors);
		else
			has(errors, "usage: sshbay");
	}
	assert_int_equal(run("list \033[2J"), 2);
	only_printable(errors);
	assert_int_equal(run_with(NULL, "-c", NULL), 2);
	assert_int_equal(run_with(NULL, "--version", NULL), 0);
	has(out, "sshbay ");
	assert_int_equal(run_with(NULL, "--help", NULL), 0);
	has(out, "destroy");
	assert_int_equal(run_with(NULL, "stop --help", NULL), 0);
	has(out, "usage: sshbay [-c FILE] stop NAME... | --all");
	assert_int_equal(run_with(NULL, "messages", NULL), 0);
	has(out, "## init, version 1");
}

static void test_config(void **state)
{
	char path[128], words[256];
	struct err e;

	(void)state;
	(void)snprintf(words, sizeof(words), "-c %s/none.ini list", dir);
	assert_int_equal(run_with(NULL, words, NULL), 78);
	(void)snprintf(path, sizeof(path), "%s/bad.ini", dir);
	assert_int_equal(path_write_atomic(AT_FDCWD, path, "[gate]\nfoo = 1\n", 15, 0644, 0, &e),
			 0);
	(void)snprintf(words, sizeof(words), "-c %s list", path);
	assert_int_equal(run_with(NULL, words, NULL), 78);
	has(errors, "bad.ini:2: [gate] foo");
	/* No daemon. */
	(void)snprintf(path, sizeof(path), "%s/alone.ini", dir);
	assert_int_equal(path_write_atomic(AT_FDCWD, path,
					   "[gate]\nuser=1\n[storage]\nrun=/nonexistent\n", 40,
					   0644, 0, &e),
			 0);
	(void)snprintf(words, sizeof(words), "-c %s list", path);
	assert_int_equal(run_with(NULL, words, NULL), 1);
	has(errors, "provisiond does not run");
}

static void test_enter(void **state)
{
	static char big[300001], *at;

	(void)state;
	assert_int_equal(enter(NULL, "web", "echo out; echo err >&2; exit 42"), 42);
	assert_string_equal(out, "out\n");
	assert_string_equal(errors, "err\n");
	assert_int_equal(enter(NULL, "web", "kill -9 $$"), 137);
	assert_int_equal(enter("hello", "web", "cat; echo ' end'"), 0);
	assert_string_equal(out, "hello end\n");
	/* Words come through as they are. */
	assert_int_equal(enter(NULL, "web", "printf '%s|' \"it's\" '$HOME' \"\\\\ *\""), 0);
	assert_string_equal(out, "it's|$HOME|\\ *|");
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(enter(big, "web", "wc -c"), 0);
	assert_int_equal(strtol(out, &at, 10), 300000);
	/* A command that does not read its input; and one whose output a background process keeps open. */
	assert_int_equal(enter(big, "web", "exec <&-; echo done"), 0);
	assert_string_equal(out, "done\n");
	assert_int_equal(enter(NULL, "web", "sleep 3 & echo early; exit 5"), 5);
	assert_string_equal(out, "early\n");
	assert_int_equal(enter(NULL, "web", "head -c 60000 /dev/zero | tr '\\0' y"), 0);
	assert_int_equal(strspn(out, "y"), 60000);
}

static void test_enter_hostile(void **state)
{
	(void)state;
	assert_int_equal(enter(NULL, "nobody", "true"), 1);
	assert_string_equal(errors, "sshbay: enter workspace 'nobody': no such workspace\n");
	assert_int_equal(enter(NULL, "web --user refused", "true"), 1);
	assert_string_equal(errors, "sshbay: enter workspace 'web': not\\x0afor \\x1byou\n");
	assert_int_equal(enter(NULL, "web --user gone", "true"), 1);
	has(errors, "closed the connection");
	assert_int_equal(enter(NULL, "web --user liar", "true"), 1);
	has(errors, "no pipe");
	assert_int_equal(enter(NULL, "web --user crash", "exec sleep 2"), 1);
	has(errors, "stopped");
}

/* On a terminal: a pty inside with our size, raw here, restored after. */
static void test_enter_terminal(void **state)
{
	struct winsize ws = { .ws_row = 33, .ws_col = 77 };
	char *argv[] = { (char *)(uintptr_t) "-c",
			 config,
			 (char *)(uintptr_t) "enter",
			 (char *)(uintptr_t) "web",
			 (char *)(uintptr_t) "--",
			 (char *)(uintptr_t) "sh",
			 (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t) "stty size; read x; echo got $x; stty size; exit 9",
			 NULL };
	struct termios before, after;
	int master, slave, status;
	size_t at = 0;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &ws), 0);
	assert_int_equal(tcgetattr(slave, &before), 0);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		(void)ioctl(slave, TIOCSCTTY, 0);
		dup2(slave, 0);
		dup2(slave, 1);
		dup2(slave, 2);
		_exit(cli_run(8, argv));
	}
	for (int step = 0; step < 2 && (n = read(master, out + at, sizeof(out) - 1 - at)) > 0;) {
		out[at += (size_t)n] = '\0';
		if (step == 0 && strstr(out, "33 77")) {
			assert_int_equal(tcgetattr(slave, &after), 0);
			assert_false(after.c_lflag & (ICANON | ECHO));
			ws.ws_col = 88;
			assert_int_equal(ioctl(master, TIOCSWINSZ, &ws), 0);
			usleep(200000);
			assert_int_equal(write(master, "word\r", 5), 5);
			step++;
		}
		if (step == 1 && strstr(out, "33 88"))
			step++;
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 9);
	has(out, "got word");
	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	close(master);
	close(slave);
}

/* conf/sshbay.bash-completion knows the verbs and options that the table has. */
static void test_completion(void **state)
{
	char file[8192], *from, *to;
	size_t len;
	struct err e;

	(void)state;
	assert_int_equal(run_with(NULL, "--verbs", NULL), 0);
	assert_int_equal(
		path_read(AT_FDCWD, "conf/sshbay.bash-completion", file, sizeof(file), &len, &e),
		0);
	from = strstr(file, "_sshbay_verbs='\n");
	assert_non_null(from);
	from += strlen("_sshbay_verbs='\n");
	to = strchr(from, '\'');
	assert_non_null(to);
	*to = '\0';
	assert_string_equal(from, out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),          cmocka_unit_test(test_show),
		cmocka_unit_test(test_operate),       cmocka_unit_test(test_usage),
		cmocka_unit_test(test_config),        cmocka_unit_test(test_enter),
		cmocka_unit_test(test_enter_hostile), cmocka_unit_test(test_enter_terminal),
		cmocka_unit_test(test_completion),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getuid() != 0) {
		/* A configuration has to belong to root. */
		puts("1..1\nok 1 - sshbay against a played provisiond # SKIP needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
