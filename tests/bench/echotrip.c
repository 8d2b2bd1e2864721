/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Round trips to a kernel's ICMP echo, from wherever it is started, for comparing two places: it stays alive and measures when
 * it is told to, so that two of them can take turns of milliseconds on one processor.  Needs CAP_NET_RAW.
 *
 * usage: echotrip CPU ADDRESS     then per line of stdin with a count: one line "MEAN P99", in nanoseconds, where MEAN is
 * that of the middle half.  Ends with stdin.
 */
#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 100000
#define PAYLOAD   56 /* as ping */

static uint32_t took[COUNT_MAX]; /* nanoseconds */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint16_t checksum(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t) ~(sum + (sum >> 16)));
}

static int open_socket(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct icmp_filter filter = { .data = ~(1U << ICMP_ECHOREPLY) };
	struct timeval patience = { .tv_sec = 1 };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	if (fd < 0)
		fail("echotrip: socket");
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("echotrip: connect");
	(void)setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* One round trip in nanoseconds; one that is lost ends the program. */
static uint32_t trip(int fd, uint16_t number)
{
	struct {
		struct icmphdr h;
		uint8_t data[PAYLOAD];
	} out = { .h = { .type = ICMP_ECHO } };
	uint8_t in[256];
	const struct icmphdr *h;
	uint64_t began;
	ssize_t n;

	out.h.un.echo.id = htons((uint16_t)getpid());
	out.h.un.echo.sequence = htons(number);
	out.h.checksum = checksum(&out, sizeof(out));
	began = now_ns();
	if (send(fd, &out, sizeof(out), 0) != sizeof(out))
		fail("echotrip: send");
	do {
		n = recv(fd, in, sizeof(in), 0);
		if (n < 0)
			fail("echotrip: receive");
		h = (const struct icmphdr *)(const void *)(in + (size_t)(in[0] & 15) * 4);
	} while (n < 28 || h->un.echo.id != out.h.un.echo.id ||
		 h->un.echo.sequence != out.h.un.echo.sequence);
	return (uint32_t)(now_ns() - began);
}

static void measure(int fd, unsigned long count)
{
	static uint16_t number;
	uint64_t sum = 0;
	size_t a = count / 4, b = count - count / 4;

	for (unsigned long i = 0; i < count; i++)
		took[i] = trip(fd, number++);
	qsort(took, count, sizeof(took[0]), by_size);
	for (size_t i = a; i < b; i++)
		sum += took[i];
	printf("%.1f %u\n", (double)sum / (double)(b - a), took[count * 99 / 100]);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[32];
	cpu_set_t cpus;
	int fd;

	if (argc != 3) {
		(void)fputs("usage: echotrip CPU ADDRESS\n", stderr);
		return 2;
	}
	CPU_ZERO(&cpus);
	CPU_SET(strtoul(argv[1], NULL, 10), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		fail("echotrip: processor");
	fd = open_socket(argv[2]);
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long count = strtoul(line, NULL, 10);

		if (count < 4 || count > COUNT_MAX)
			return 2;
		measure(fd, count);
	}
	return 0;
}
