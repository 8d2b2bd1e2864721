/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A provisiond and a ws-init for the tests of sshbay: they answer every request, in odd ways when a name says so.
 */
#pragma once
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "proto/admin.h"
#include "proto/init.h"

static char dir[64], config[128];
static pid_t server;

/* --- the server --- */

static void answer(int fd, uint32_t type, const void *body)
{
	struct err e;

	if (msg_send(fd, &admin_proto, type, body, &e) < 0)
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
		(void)msg_send(sock, &init_proto, INIT_FAILED, &no, &e);
		return;
	}
	(void)msg_send(sock, &init_proto, INIT_BOUND, &bound, &e);
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
		(void)msg_send_fds(sock, &init_proto,
				   &(struct msg_out){ INIT_SPAWNED, &spawned, &master, 1 }, &e);
	else
		(void)msg_send_fds(sock, &init_proto,
				   &(struct msg_out){ INIT_SPAWNED, &spawned,
						      (int[]){ in[1], o[0], er[0] }, 3 },
				   &e);
	close(in[1]);
	close(o[0]);
	close(er[0]);
	close(master);
	if (strcmp(user, "crash") == 0)
		return;
	(void)waitpid(pid, &status, 0);
	exited.status = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 0;
	exited.signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
	(void)msg_send(sock, &init_proto, INIT_EXITED, &exited, &e);
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
	(void)msg_send_fds(fd, &admin_proto, &(struct msg_out){ ADMIN_ENTERED, &d, &sv[0], 1 }, &e);
	close(sv[0]);
}

static void serve_others(int fd, uint32_t type, const struct admin_name *req)
{
	struct admin_session s = { .tag = req->tag,
				   .id = "0123456789abcdef0123456789abcdef",
				   .user = "alice",
				   .method = "password",
				   .workspace = "web",
				   .peer = "10.0.0.1:999",
				   .kinds = "shell sftp",
				   .pid = 7,
				   .channels = 2,
				   .since = 1769853723 };
	struct admin_lease l = { .tag = req->tag,
				 .kind = "ip",
				 .object = "172.31.199.3",
				 .owner = "web",
				 .state = "leased" };
	struct admin_event ev = { .tag = req->tag,
				  .line = "{\"ev\":\"x\",\"t\":\"\\u001b\",\"raw\":\"\033\"}" };

	struct admin_channel ch = { .tag = req->tag, .kind = "dial", .what = "evil\033[2J:1" };

	if (type == ADMIN_SESSIONS) {
		answer(fd, ADMIN_SESSION, &s);
		answer(fd, ADMIN_CHANNEL, &ch);
		answer(fd, ADMIN_CHANNEL, &ch);
		strcpy(ch.kind, "shell");
		answer(fd, ADMIN_CHANNEL, &ch);
	}
	if (type == ADMIN_LEASES)
		answer(fd, ADMIN_LEASE, &l);
	if (type == ADMIN_EVENTS)
		answer(fd, ADMIN_EVENT, &ev);
	if (type == ADMIN_EVENTS && req->follow)
		answer(fd, ADMIN_EVENT, &ev);
	done(fd, req->tag, type == ADMIN_STATUS ? "line one\nline \033two" : "");
}

static void serve_hosts(int fd, const struct admin_name *req)
{
	struct admin_host hosts[] = {
		{ .address = "0.0.0.0",
		  .port = 2222,
		  .public_key = "ssh-ed25519 GATE",
		  .sshfp = "11" },
		{ .name = "near",
		  .address = "172.31.199.1",
		  .address6 = "fd00::1",
		  .port = 22,
		  .public_key = "ssh-ed25519 NEAR",
		  .sshfp = "22" },
		{ .name = "far",
		  .address = "172.31.199.2",
		  .port = 22,
		  .route = ADMIN_ROUTE_JUMP,
		  .public_key = "ssh-ed25519 FAR",
		  .sshfp = "33" },
		{ .name = "new",
		  .port = 22,
		  .route = ADMIN_ROUTE_LOGIN,
		  .public_key = "ssh-ed25519 GATE",
		  .sshfp = "11" },
	};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		hosts[i].tag = req->tag;
		answer(fd, ADMIN_HOST, &hosts[i]);
	}
	done(fd, req->tag, "");
}

/* What was asked comes back; one fact with a line of its own, one with a key that is there, one with a key that is not. */
static void serve_explain(int fd, const struct admin_explain *req)
{
	struct admin_fact f = { .tag = req->tag, .name = "asked", .file = "/keys\033", .line = 7 };

	(void)str_format(f.value, sizeof(f.value), "%s|%s|%s", req->login, req->address, req->from);
	answer(fd, ADMIN_FACT, &f);
	(void)str_copy(f.file, sizeof(f.file), config);
	strcpy(f.section, "gate");
	strcpy(f.key, "user");
	f.line = 0;
	answer(fd, ADMIN_FACT, &f);
	strcpy(f.key, "jump");
	answer(fd, ADMIN_FACT, &f);
	done(fd, req->tag, "");
}

static void serve(int fd)
{
	union {
		struct admin_name name;
		struct admin_operate operate;
		struct admin_kick kick;
		struct admin_explain explain;
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
		else if (m.type == ADMIN_KICK)
			done(fd, body.kick.tag,
			     strcmp(body.kick.message, "so\nlong") ? "kicked"
								   : "told 1 connection");
		else if (m.type == ADMIN_HOSTS)
			serve_hosts(fd, &body.name);
		else if (m.type == ADMIN_EXPLAIN)
			serve_explain(fd, &body.explain);
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
	if (path_write_atomic(AT_FDCWD, config,
			      &(struct path_content){ ini, strlen(ini), 0644, false }, &e) < 0)
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
