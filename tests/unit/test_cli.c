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

#include "cli/cli.h"
#include "cli_server.h"

static char out[65536], errors[65536];

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
	has(out, "01234567  alice  web        10.0.0.1:999  2026-01-31T10:02:03Z  password  dial "
		 "(2), shell\n");
	assert_int_equal(run("sessions web --json"), 0);
	has(out, "\"sftp\"");
	o = json_tokener_parse(out);
	assert_non_null(o);
	assert_true(json_object_object_get_ex(json_object_array_get_idx(o, 0), "channels", &v));
	assert_int_equal(json_object_array_length(v), 3);
	assert_true(json_object_object_get_ex(json_object_array_get_idx(v, 0), "what", &v));
	assert_string_equal(json_object_get_string(v), "evil\\x1b[2J:1");
	json_object_put(o);
	assert_int_equal(run("kick alice"), 0);
	assert_string_equal(out, "kicked\n");
	assert_int_equal(run("kick 0123 --message so\nlong"), 0);
	assert_string_equal(out, "told 1 connection\n");
	assert_int_equal(run("leases"), 0);
	has(out, "ip    172.31.199.3  web    -      -\n");
	assert_int_equal(run("leases --json"), 0);
	has(out, "\"owner\": \"web\"");
	has(out, "\"state\": \"leased\"");
	has(out, "\"numa\": null");
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
		"kick",
		"kick a b",
		"kick a --message",
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
	assert_int_equal(
		path_write_atomic(AT_FDCWD, path,
				  &(struct path_content){ "[gate]\nfoo = 1\n", 15, 0644, false },
				  &e),
		0);
	(void)snprintf(words, sizeof(words), "-c %s list", path);
	assert_int_equal(run_with(NULL, words, NULL), 78);
	has(errors, "bad.ini:2: [gate] foo");
	/* No daemon. */
	(void)snprintf(path, sizeof(path), "%s/alone.ini", dir);
	assert_int_equal(path_write_atomic(AT_FDCWD, path,
					   &(struct path_content){
						   "[gate]\nuser=1\n[storage]\nrun=/nonexistent\n",
						   40, 0644, false },
					   &e),
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

static void test_ssh_config(void **state)
{
	(void)state;
	assert_int_equal(run("ssh-config alice --host box"), 0);
	assert_string_equal(out,
			    "# Workspaces of 'alice' on box. Its host keys, for known_hosts:\n"
			    "# sshbay ssh-config alice --host box --known-hosts\n"
			    "Host box\n\tHostName box\n\tPort 2222\n\tUser alice\n"
			    "\tHostKeyAlias box\n\n"
			    "Host near near.box 172.31.199.1 fd00::1\n\tHostName 172.31.199.1\n"
			    "\tPort 22\n\tUser alice\n\tHostKeyAlias near.box\n\n"
			    "Host far far.box 172.31.199.2\n\tHostName 172.31.199.2\n"
			    "\tPort 22\n\tUser alice\n\tHostKeyAlias far.box\n"
			    "\tProxyJump box\n\n"
			    "Host new new.box\n\tHostName box\n\tPort 2222\n"
			    "\tUser alice+new\n\tHostKeyAlias box\n");
	assert_int_equal(run("ssh-config alice --host box --known-hosts"), 0);
	assert_string_equal(out, "box,[box]:2222 ssh-ed25519 GATE\n"
				 "near.box,near,172.31.199.1,fd00::1 ssh-ed25519 NEAR\n"
				 "far.box,far,172.31.199.2 ssh-ed25519 FAR\n");
	assert_int_equal(run("ssh-config alice --host=box --sshfp"), 0);
	assert_string_equal(out, "box IN SSHFP 4 2 11\nnear.box IN SSHFP 4 2 22\n"
				 "far.box IN SSHFP 4 2 33\n");
	assert_int_equal(run("ssh-config alice --json --host box"), 0);
	has(out, "\"route\":\"login\"");
	assert_int_equal(run("ssh-config alice --host -oProxyCommand=x"), 2);
	assert_int_equal(run("ssh-config alice --host fd00::1 --sshfp"), 2);
	assert_int_equal(run("ssh-config alice --sshfp --known-hosts"), 2);
	assert_int_equal(run("ssh-config Alice"), 2);
	assert_int_equal(run("ssh-config"), 2);
}

static void test_explain(void **state)
{
	(void)state;
	assert_int_equal(run("explain alice+x@172.31.199.1 --from ::1"), 0);
	has(out, "asked       alice+x|172.31.199.1|::1  (/keys\\x1b:7)\n");
	has(out, "/sshbay.ini:2 [gate] user)\n");
	has(out, "  ([gate] jump, not set)\n");
	assert_int_equal(run("explain alice --address 10.0.0.1"), 0);
	has(out, "alice|10.0.0.1|");
	assert_int_equal(run("explain alice --json"), 0);
	has(out, "\"line\":7");
	has(out, "\"line\":null");
	assert_int_equal(run("explain a@1 --address 2"), 2);
	assert_int_equal(run("explain"), 2);
	assert_int_equal(run("explain a b"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),          cmocka_unit_test(test_show),
		cmocka_unit_test(test_operate),       cmocka_unit_test(test_usage),
		cmocka_unit_test(test_config),        cmocka_unit_test(test_enter),
		cmocka_unit_test(test_enter_hostile), cmocka_unit_test(test_enter_terminal),
		cmocka_unit_test(test_completion),    cmocka_unit_test(test_ssh_config),
		cmocka_unit_test(test_explain),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getuid() != 0) {
		/* A configuration has to belong to root. */
		puts("1..1\nok 1 - sshbay against a played provisiond # SKIP needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
