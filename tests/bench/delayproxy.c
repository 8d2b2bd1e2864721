/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TCP relay that delivers every byte DELAY ms after it came, both ways: a long link where the kernel has no netem.
 * usage: delayproxy LISTEN_PORT TARGET_PORT DELAY_MS     (loopback only; serves one connection after the other, forks)
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK  (64 * 1024)
#define CHUNKS 1024 /* 64 MiB in flight at most per direction */

struct chunk {
	uint64_t due;
	size_t len, off;
	char data[CHUNK];
};
struct lane {
	int from, to, eof;
	unsigned int head, tail;
	struct chunk *ring;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void take(struct lane *l, uint64_t delay)
{
	struct chunk *c = &l->ring[l->head % CHUNKS];
	ssize_t n = recv(l->from, c->data, CHUNK, MSG_DONTWAIT);

	if (n == 0)
		l->eof = 1;
	if (n <= 0)
		return;
	c->len = (size_t)n;
	c->off = 0;
	c->due = now_us() + delay;
	l->head++;
}

static void give(struct lane *l)
{
	while (l->tail != l->head && l->ring[l->tail % CHUNKS].due <= now_us()) {
		struct chunk *c = &l->ring[l->tail % CHUNKS];
		ssize_t n =
			send(l->to, c->data + c->off, c->len - c->off, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			return;
		c->off += (size_t)n;
		if (c->off < c->len)
			return;
		l->tail++;
	}
	if (l->eof == 1 && l->tail == l->head) {
		shutdown(l->to, SHUT_WR);
		l->eof = 2;
	}
}

static void relay(int a, int b, uint64_t delay)
{
	struct lane lanes[2] = { { .from = a, .to = b }, { .from = b, .to = a } };
	int i;

	for (i = 0; i < 2; i++)
		lanes[i].ring = malloc(sizeof(struct chunk) * CHUNKS);
	while (lanes[0].eof < 2 || lanes[1].eof < 2) {
		struct pollfd p[2] = { { .fd = a }, { .fd = b } };
		int wait = 1000;

		for (i = 0; i < 2; i++) {
			struct lane *l = &lanes[i];

			if (!l->eof && l->head - l->tail < CHUNKS)
				p[i].events |= POLLIN;
			if (l->tail != l->head) {
				uint64_t due = l->ring[l->tail % CHUNKS].due, now = now_us();

				if (due <= now)
					p[1 - i].events |= POLLOUT;
				else if ((int)((due - now) / 1000) < wait)
					wait = (int)((due - now) / 1000);
			}
		}
		if (poll(p, 2, wait) < 0)
			return;
		for (i = 0; i < 2; i++) {
			if (p[i].revents & (POLLIN | POLLHUP | POLLERR) && !lanes[i].eof)
				take(&lanes[i], delay);
			give(&lanes[i]);
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 4)
		return 2;
	signal(SIGCHLD, SIG_IGN);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	sa.sin_port = htons((uint16_t)atoi(argv[1]));
	if (bind(l, (struct sockaddr *)&sa, sizeof(sa)) || listen(l, 16)) {
		perror("delayproxy");
		return 1;
	}
	for (;;) {
		int a = accept(l, NULL, NULL), b;

		if (a < 0 || fork()) {
			close(a);
			continue;
		}
		b = socket(AF_INET, SOCK_STREAM, 0);
		sa.sin_port = htons((uint16_t)atoi(argv[2]));
		setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(b, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connect(b, (struct sockaddr *)&sa, sizeof(sa)) == 0)
			relay(a, b, (uint64_t)atoi(argv[3]) * 1000);
		_exit(0);
	}
}
