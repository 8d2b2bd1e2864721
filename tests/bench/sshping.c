/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A light SSH client for timing: connects, exchanges keys, authenticates with one key, runs `true`, and prints one line of
 * microseconds per login: total kex auth exec.  In-process libssh, so that the figures are the server's latency and not
 * the start of a client program.  TCP_NODELAY is off, as in a stock client's login: a server that delays its ACKs shows.
 *
 * usage: sshping HOST PORT USER KEYFILE COUNT [COMMAND]     USER may hold one %d: the number of the login
 */
#include <libssh/libssh.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

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
	int off = 0;

	if (!s)
		fail("make a session", NULL);
	ssh_options_set(s, SSH_OPTIONS_HOST, host);
	ssh_options_set(s, SSH_OPTIONS_PORT, &port);
	ssh_options_set(s, SSH_OPTIONS_USER, user);
	ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &off);
	ssh_options_set(s, SSH_OPTIONS_KEY_EXCHANGE,
			"curve25519-sha256,curve25519-sha256@libssh.org");
	return s;
}

static int run_command(ssh_session s, const char *command)
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
	ssh_channel_close(c);
	ssh_channel_free(c);
	return status;
}

int main(int argc, char **argv)
{
	const char *command = argc > 6 ? argv[6] : "true";
	char user[64];
	ssh_key key;
	int i, count;

	if (argc < 6) {
		fprintf(stderr, "usage: sshping HOST PORT USER KEYFILE COUNT [COMMAND]\n");
		return 2;
	}
	count = atoi(argv[5]);
	if (ssh_pki_import_privkey_file(argv[4], NULL, NULL, NULL, &key) != SSH_OK)
		fail("read the key", NULL);
	for (i = 0; i < count; i++) {
		uint64_t t0, t1, t2, t3;
		ssh_session s;

		const char *mark = strstr(argv[3], "%d");

		if (mark)
			snprintf(user, sizeof(user), "%.*s%d%s", (int)(mark - argv[3]), argv[3], i,
				 mark + 2);
		else
			snprintf(user, sizeof(user), "%s", argv[3]);
		s = prepare(argv[1], (unsigned int)atoi(argv[2]), user);
		t0 = now_us();
		if (ssh_connect(s) != SSH_OK)
			fail("connect", s);
		t1 = now_us();
		if (ssh_userauth_publickey(s, NULL, key) != SSH_AUTH_SUCCESS)
			fail("authenticate", s);
		t2 = now_us();
		if (run_command(s, command) != 0)
			fail("exit status", s);
		t3 = now_us();
		printf("%lu %lu %lu %lu\n", t3 - t0, t1 - t0, t2 - t1, t3 - t2);
		fflush(stdout);
		ssh_disconnect(s);
		ssh_free(s);
	}
	ssh_key_free(key);
	return 0;
}
