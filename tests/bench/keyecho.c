/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keystroke echo through a terminal, round-robin over several servers so that noise falls on all alike: one byte is sent
 * and its echo awaited (remote `stty raw -echo; cat`).  Prints one line per server: label p50 p99 (microseconds).
 * With -b a second channel of each connection downloads without end meanwhile.
 *
 * usage: keyecho [-b] COUNT LABEL HOST PORT USER KEYFILE [LABEL HOST PORT USER KEYFILE]...
 */
#include <libssh/libssh.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TARGETS_MAX 4

struct target {
	const char *label;
	ssh_session session;
	ssh_channel keys, bulk;
	uint64_t *us;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void fail(const char *label, const char *what)
{
	fprintf(stderr, "keyecho: %s: %s failed\n", label, what);
	exit(1);
}

static ssh_channel start(struct target *t, const char *command, int pty)
{
	ssh_channel c = ssh_channel_new(t->session);

	if (!c || ssh_channel_open_session(c) != SSH_OK)
		fail(t->label, "open a channel");
	if (pty && ssh_channel_request_pty(c) != SSH_OK)
		fail(t->label, "get a terminal");
	if (ssh_channel_request_exec(c, command) != SSH_OK)
		fail(t->label, "run the command");
	return c;
}

static void open_target(struct target *t, char **a, int bulk)
{
	unsigned int port = (unsigned int)atoi(a[2]);
	int off = 0, on = 1;
	ssh_key key;
	char byte;

	t->label = a[0];
	t->session = ssh_new();
	ssh_options_set(t->session, SSH_OPTIONS_HOST, a[1]);
	ssh_options_set(t->session, SSH_OPTIONS_PORT, &port);
	ssh_options_set(t->session, SSH_OPTIONS_USER, a[3]);
	ssh_options_set(t->session, SSH_OPTIONS_PROCESS_CONFIG, &off);
	ssh_options_set(t->session, SSH_OPTIONS_NODELAY, &on);
	if (ssh_pki_import_privkey_file(a[4], NULL, NULL, NULL, &key) != SSH_OK)
		fail(t->label, "read the key");
	if (ssh_connect(t->session) != SSH_OK ||
	    ssh_userauth_publickey(t->session, NULL, key) != SSH_AUTH_SUCCESS)
		fail(t->label, "log in");
	t->keys = start(t, "stty raw -echo; printf R; exec cat", 1);
	do {
		if (ssh_channel_read(t->keys, &byte, 1, 0) != 1)
			fail(t->label, "wait for the command");
	} while (byte != 'R');
	if (bulk)
		t->bulk = start(t, "cat /dev/zero", 0);
}

static uint64_t one_key(struct target *t)
{
	static char sink[1 << 20];
	uint64_t begun = now_us();
	char byte = 'k';

	if (ssh_channel_write(t->keys, &byte, 1) != 1)
		fail(t->label, "send a key");
	for (;;) {
		int n = ssh_channel_read_nonblocking(t->keys, &byte, 1, 0);

		if (n == 1)
			return now_us() - begun;
		if (n < 0)
			fail(t->label, "read the echo");
		if (t->bulk)
			ssh_channel_read_timeout(t->bulk, sink, sizeof(sink), 0, 1);
		else if (ssh_channel_read_timeout(t->keys, &byte, 1, 0, 1000) == 1)
			return now_us() - begun;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct target targets[TARGETS_MAX] = { 0 };
	int bulk = argc > 1 && strcmp(argv[1], "-b") == 0;
	int n = 0, i, k, count;

	argv += bulk;
	argc -= bulk;
	if (argc < 7 || (argc - 2) % 5) {
		fprintf(stderr, "usage: keyecho [-b] COUNT LABEL HOST PORT USER KEYFILE ...\n");
		return 2;
	}
	count = atoi(argv[1]);
	for (i = 2; i + 4 < argc && n < TARGETS_MAX; i += 5, n++) {
		open_target(&targets[n], argv + i, bulk);
		targets[n].us = calloc((size_t)count, sizeof(uint64_t));
	}
	for (k = -20; k < count; k++)
		for (i = 0; i < n; i++) {
			uint64_t us = one_key(&targets[i]);

			if (k >= 0)
				targets[i].us[k] = us;
		}
	for (i = 0; i < n; i++) {
		qsort(targets[i].us, (size_t)count, sizeof(uint64_t), compare);
		printf("%s %lu %lu\n", targets[i].label, targets[i].us[count / 2],
		       targets[i].us[count * 99 / 100]);
	}
	return 0;
}
