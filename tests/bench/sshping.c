/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A light SSH client for timing: connects, exchanges keys, authenticates with one key, runs `true`, and prints one line of
 * microseconds per login: total kex auth exec.  In-process libssh, so that the figures are the server's latency and not
 * the start of a client program.  TCP_NODELAY is off, as in a stock client's login: a server that delays its ACKs shows.
 *
 * usage: sshping [-j] HOST PORT USER KEYFILE COUNT [COMMAND]     USER may hold one %d: the number of the login
 * -j: all logins at once, each from a process that was started before; then one line: failed logins, microseconds.
 */
#include <libssh/libssh.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void fail(const char *what, ssh_session s)
{
	fprintf(stderr, "sshping: %s: %s\n", what, s ? ssh_get_error(s) : "failed");
	exit(1);
}

static ssh_session prepare(const char *host, unsigned int port, const char *user)
{
	ssh_session s = ssh_new();
	long patience = 120; /* libssh's own is 10 s, which a storm on a slow machine may take */
	int off = 0;

	if (!s)
		fail("make a session", NULL);
	ssh_options_set(s, SSH_OPTIONS_HOST, host);
	ssh_options_set(s, SSH_OPTIONS_PORT, &port);
	ssh_options_set(s, SSH_OPTIONS_USER, user);
	ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &off);
	ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &patience);
	ssh_options_set(s, SSH_OPTIONS_KEY_EXCHANGE,
			"curve25519-sha256,curve25519-sha256@libssh.org");
	return s;
}

/* Exit with the last words of a command that failed. */
static void failed(ssh_channel c, int status)
{
	char text[256];
	int n = ssh_channel_read(c, text, sizeof(text) - 1, 1);

	text[n > 0 ? n : 0] = 0;
	fprintf(stderr, "sshping: exit status %d: %s\n", status, text);
	exit(1);
}

static void run_command(ssh_session s, const char *command)
{
	ssh_channel c = ssh_channel_new(s);
	char buf[4096];
	int status;

	if (!c || ssh_channel_open_session(c) != SSH_OK ||
	    ssh_channel_request_exec(c, command) != SSH_OK)
		fail("run a command", s);
	while (ssh_channel_read(c, buf, sizeof(buf), 0) > 0)
		;
	status = ssh_channel_get_exit_status(c);
	if (status != 0)
		failed(c, status);
	ssh_channel_close(c);
	ssh_channel_free(c);
}

struct target {
	const char *host, *user, *command;
	unsigned int port;
	ssh_key key;
};

static void login(const struct target *t, int number)
{
	const char *mark = strstr(t->user, "%d");
	uint64_t t0, t1, t2, t3;
	ssh_session s;
	char user[64];

	if (mark)
		snprintf(user, sizeof(user), "%.*s%d%s", (int)(mark - t->user), t->user, number,
			 mark + 2);
	else
		snprintf(user, sizeof(user), "%s", t->user);
	s = prepare(t->host, t->port, user);
	t0 = now_us();
	if (ssh_connect(s) != SSH_OK)
		fail("connect", s);
	t1 = now_us();
	if (ssh_userauth_publickey(s, NULL, t->key) != SSH_AUTH_SUCCESS)
		fail("authenticate", s);
	t2 = now_us();
	run_command(s, t->command);
	t3 = now_us();
	printf("%lu %lu %lu %lu\n", t3 - t0, t1 - t0, t2 - t1, t3 - t2);
	fflush(stdout);
	ssh_disconnect(s);
	ssh_free(s);
}

/* Wait until the write end of the gate is closed, log in, exit. */
static void runner(const struct target *t, int number, const int gate[2])
{
	char c;

	close(gate[1]);
	if (read(gate[0], &c, 1) != 0 || !freopen("/dev/null", "w", stdout))
		_exit(1);
	login(t, number);
	_exit(0);
}

static int all_at_once(const struct target *t, int count)
{
	int gate[2], failed = 0, status;
	uint64_t t0;

	if (pipe(gate) < 0)
		fail("make a pipe", NULL);
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			runner(t, i, gate);
		if (pid < 0)
			fail("fork", NULL);
	}
	usleep(500000); /* let them all get there */
	t0 = now_us();
	close(gate[1]);
	while (wait(&status) > 0)
		failed += status != 0;
	printf("%d %lu\n", failed, now_us() - t0);
	return 0;
}

int main(int argc, char **argv)
{
	int parallel = argc > 1 && strcmp(argv[1], "-j") == 0, count;
	char **a = argv + parallel;
	struct target t = { .command = argc - parallel > 6 ? a[6] : "true" };

	if (argc - parallel < 6) {
		fprintf(stderr, "usage: sshping [-j] HOST PORT USER KEYFILE COUNT [COMMAND]\n");
		return 2;
	}
	t.host = a[1];
	t.port = (unsigned int)atoi(a[2]);
	t.user = a[3];
	count = atoi(a[5]);
	if (ssh_pki_import_privkey_file(a[4], NULL, NULL, NULL, &t.key) != SSH_OK)
		fail("read the key", NULL);
	if (parallel)
		return all_at_once(&t, count);
	for (int i = 0; i < count; i++)
		login(&t, i);
	ssh_key_free(t.key);
	return 0;
}
