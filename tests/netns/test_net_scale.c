// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a workspace's network costs, and that the 200th costs no more than twice the 10th: counted in what is said to the
 * kernel and heard of it, since the time depends on what else this machine does. Prints the times.
 */
#include "net.h"

#include <sys/socket.h>

#include "netns_lib.h"

#define COUNT 200
#define PART  20

static struct settings set;
static struct plan plans[COUNT];
static struct record records[COUNT];
static char dir[64];

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(const uint64_t *us, unsigned int n)
{
	uint64_t copy[COUNT];

	memcpy(copy, us, n * sizeof(us[0]));
	qsort(copy, n, sizeof(copy[0]), by_value);
	return copy[n / 2];
}

static uint64_t heard; /* bytes of netlink, and one per message or try */

static void count(ssize_t n)
{
	heard += n > 0 ? (uint64_t)n + 1 : 1;
}

/* What provision/netif.c calls. */
ssize_t recv(int fd, void *buf, size_t size, int flags)
{
	ssize_t n = recvfrom(fd, buf, size, flags, NULL, NULL);

	count(n);
	return n;
}

ssize_t send(int fd, const void *buf, size_t size, int flags)
{
	ssize_t n = sendto(fd, buf, size, flags, NULL, 0);

	count(n);
	return n;
}

static uint64_t up_heard[COUNT];
static uint64_t up_us[COUNT], ns_us[COUNT], again_us[COUNT], down_us[COUNT];

static void connect_all(void)
{
	struct err e = { 0 };
	uint64_t began;
	int ret = 0;

	for (unsigned int i = 0; i < COUNT && ret == 0; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "ws%u", i);
		make_plan(&plans[i], &set, &records[i], name, i);
		need(ip_nth(&set.network.control_cidr, i + 1, &records[i].control_ip), "address");
		need(!set.network.control_cidr6.addr.family ||
			     ip_nth(&set.network.control_cidr6, i + 1, &records[i].control_ip6),
		     "address6");
		began = clk_now_us();
		plans[i].netns = new_netns();
		ns_us[i] = clk_now_us() - began;
		began = clk_now_us();
		heard = 0;
		ret = net_up(&plans[i], &e);
		up_heard[i] = heard;
		up_us[i] = clk_now_us() - began;
	}
	did(ret, &e, "connect all");
}

static void report(const char *what, const uint64_t *us)
{
	printf("# %-26s first %u: %5lu us   last %u: %5lu us   all: %5lu us\n", what, PART,
	       median(us, PART), PART, median(us + COUNT - PART, PART), median(us, COUNT));
}

static void round_trip(const char *family)
{
	uint64_t first, last, began;
	struct err e = { 0 };
	int ret = 0;

	connect_all();
	report("network namespace", ns_us);
	report("net_up", up_us);
	first = median(up_heard, PART);
	last = median(up_heard + COUNT - PART, PART);
	printf("# net_up, netlink            first %u: %5lu     last %u: %5lu bytes and messages\n",
	       PART, first, PART, last);
	ok(first > 0 && last <= 2 * first, "%s: the last %u cost at most twice the first %u",
	   family, PART, PART);
	for (unsigned int i = 0; i < COUNT && ret == 0; i++) {
		began = clk_now_us();
		ret = net_up(&plans[i], &e);
		again_us[i] = clk_now_us() - began;
	}
	did(ret, &e, "connect all again");
	report("net_up, already there", again_us);
	for (unsigned int i = 0; i < COUNT && ret == 0; i++) {
		began = clk_now_us();
		ret = net_down(&plans[i], &e);
		down_us[i] = clk_now_us() - began;
		close(plans[i].netns);
	}
	did(ret, &e, "take all down");
	report("net_down", down_us);
	ok(sh(-1, "test \"$(ip -o link | wc -l)\" = 1") == 0, "nothing is left");
}

int main(void)
{
	struct err e = { 0 };

	test_host(dir);
	(void)str_format(set.storage.run, sizeof(set.storage.run), "%s", dir);
	need(ip_parse_net("172.31.192.0/20", &set.network.control_cidr, &e) == 0, "cidr");
	set.gate.transparent_port = 2223;
	set.network.nat = true;
	set.network.mark = 0x5b22;
	set.network.table = 2222;
	did(net_host_up(&set, &e), &e, "set up the host's part");
	round_trip("IPv4");
	need(ip_parse_net("fd31:199::/64", &set.network.control_cidr6, &e) == 0, "cidr6");
	did(net_host_up(&set, &e), &e, "add IPv6");
	round_trip("IPv4 and IPv6");
	did(net_host_down(&set, &e), &e, "take down the host's part");
	return test_end(dir);
}
