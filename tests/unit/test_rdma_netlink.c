/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RDMA's netlink: the messages that are sent, and answers of the kernel's, of which some make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rdma_netlink.h"

static struct err e;
static struct rdma_netlink *nl;
static int kernel;

static int setup_netlink(void **state)
{
	int ends[2];

	memset(&e, 0, sizeof(e));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	kernel = ends[1];
	nl = rdma_netlink_over(ends[0]);
	return nl ? 0 : -1;
}

static int teardown_netlink(void **state)
{
	rdma_netlink_close(nl);
	return kernel < 0 ? 0 : close(kernel);
}

static struct {
	_Alignas(4) char b[4096];
	size_t n;
} out;

static struct nlmsghdr *begin(uint16_t type, uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *h = (void *)(out.b + out.n);

	*h = (struct nlmsghdr){ NLMSG_HDRLEN, type, flags, seq, 1 };
	out.n += NLMSG_HDRLEN;
	return h;
}

static void attr(struct nlmsghdr *h, uint16_t type, const void *data, uint16_t len)
{
	struct nlattr a = { (uint16_t)(NLA_HDRLEN + len), type };

	memset(out.b + out.n, 0, NLA_ALIGN(a.nla_len));
	memcpy(out.b + out.n, &a, sizeof(a));
	memcpy(out.b + out.n + NLA_HDRLEN, data, len);
	out.n += NLA_ALIGN(a.nla_len);
	h->nlmsg_len += NLA_ALIGN(a.nla_len);
}

static void flush(void)
{
	assert_int_equal(send(kernel, out.b, out.n, 0), out.n);
	out.n = 0;
}

static void put_device(uint32_t seq, uint32_t index, const char *name)
{
	struct nlmsghdr *h =
		begin(RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_GET), NLM_F_MULTI, seq);
	uint64_t caps = 0x1234;

	attr(h, RDMA_NLDEV_ATTR_DEV_INDEX, &index, 4);
	attr(h, RDMA_NLDEV_ATTR_DEV_NAME, name, (uint16_t)(strlen(name) + 1));
	attr(h, RDMA_NLDEV_ATTR_CAP_FLAGS, &caps, 8);
}

static void put_ack(uint32_t seq, int error)
{
	struct nlmsghdr *h = begin(NLMSG_ERROR, NLM_F_CAPPED, seq), of = { .nlmsg_seq = seq };

	memcpy(out.b + out.n, &error, 4);
	memcpy(out.b + out.n + 4, &of, sizeof(of));
	out.n += 4 + sizeof(of);
	h->nlmsg_len += 4 + (uint32_t)sizeof(of);
	flush();
}

static void put_done(uint32_t seq)
{
	int zero = 0;
	struct nlmsghdr *h = begin(NLMSG_DONE, NLM_F_MULTI, seq);

	memcpy(out.b + out.n, &zero, 4);
	out.n += 4;
	h->nlmsg_len += 4;
	flush();
}

static void put_mode(uint32_t seq, uint8_t shared)
{
	attr(begin(RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_SYS_GET), 0, seq),
	     RDMA_NLDEV_SYS_ATTR_NETNS_MODE, &shared, 1);
	flush();
}

/* The request that we made: its type, and the value of a u32 attribute (~0: it has none). */
static uint16_t asked(uint16_t *flags, uint16_t type, uint32_t *value)
{
	_Alignas(4) char b[512];
	ssize_t n = recv(kernel, b, sizeof(b), MSG_DONTWAIT);
	struct nlmsghdr *h = (void *)b;

	assert_true(n >= NLMSG_HDRLEN && h->nlmsg_len == (size_t)n);
	*flags = h->nlmsg_flags;
	*value = ~0U;
	for (ssize_t at = NLMSG_HDRLEN; at + NLA_HDRLEN <= n;) {
		struct nlattr a;

		memcpy(&a, b + at, sizeof(a));
		if (a.nla_type == type)
			memcpy(value, b + at + NLA_HDRLEN, a.nla_len - NLA_HDRLEN < 4 ? 1 : 4);
		at += NLA_ALIGN(a.nla_len);
	}
	return h->nlmsg_type;
}

#define IS(cmd) RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, cmd)

static void test_netlink_mode(void **state)
{
	bool exclusive = true;
	uint16_t flags;
	uint32_t v;

	put_mode(1, 1);
	assert_int_equal(rdma_netlink_mode(nl, &exclusive, &e), 0);
	assert_false(exclusive);
	assert_int_equal(asked(&flags, 0, &v), IS(RDMA_NLDEV_CMD_SYS_GET));
	assert_int_equal(flags, NLM_F_REQUEST);
	put_mode(0, 0); /* some kernels answer this one without a number */
	assert_int_equal(rdma_netlink_mode(nl, &exclusive, &e), 0);
	assert_true(exclusive);
	begin(IS(RDMA_NLDEV_CMD_SYS_GET), 0, 3);
	flush();
	assert_int_equal(rdma_netlink_mode(nl, &exclusive, &e), -EOPNOTSUPP);
	put_ack(4, -EPERM);
	assert_int_equal(rdma_netlink_mode(nl, &exclusive, &e), -EPERM);
}

static void test_netlink_set(void **state)
{
	uint16_t flags;
	uint32_t v;

	put_ack(1, 0);
	assert_int_equal(rdma_netlink_set_exclusive(nl, &e), 0);
	assert_int_equal(asked(&flags, RDMA_NLDEV_SYS_ATTR_NETNS_MODE, &v),
			 IS(RDMA_NLDEV_CMD_SYS_SET));
	assert_int_equal(flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(v & 0xff, 0);
	put_ack(2, -EBUSY);
	assert_int_equal(rdma_netlink_set_exclusive(nl, &e), -EBUSY);
}

static void test_netlink_find(void **state)
{
	uint32_t index = 0, v;
	uint16_t flags;

	put_device(1, 3, "mlx5_10");
	put_device(1, 4, "mlx5_");
	flush();
	put_device(1, 5, "mlx5_1");
	put_device(1, 6, "rxe0");
	flush();
	put_done(1);
	assert_int_equal(rdma_netlink_find(nl, "mlx5_1", &index, &e), 0);
	assert_int_equal(index, 5);
	assert_int_equal(asked(&flags, 0, &v), IS(RDMA_NLDEV_CMD_GET));
	assert_int_equal(flags, NLM_F_REQUEST | NLM_F_DUMP);
	put_done(2);
	assert_int_equal(rdma_netlink_find(nl, "mlx5_1", &index, &e), -ENODEV);
	assert_string_equal(e.text, "find RDMA device 'mlx5_1': not in this namespace");
}

static void test_netlink_move(void **state)
{
	uint32_t index = 0, v;
	uint16_t flags;

	put_device(1, 7, "mlx5_0");
	flush();
	put_done(1);
	put_ack(2, 0);
	assert_int_equal(rdma_netlink_move(nl, "mlx5_0", 42, &index, &e), 0);
	assert_int_equal(index, 7);
	(void)asked(&flags, 0, &v);
	assert_int_equal(asked(&flags, RDMA_NLDEV_NET_NS_FD, &v), IS(RDMA_NLDEV_CMD_SET));
	assert_int_equal(flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(v, 42);
	put_device(3, 7, "mlx5_0");
	flush();
	put_done(3);
	put_ack(4, -EOPNOTSUPP);
	assert_int_equal(rdma_netlink_move(nl, "mlx5_0", 42, &index, &e), -EOPNOTSUPP);
	assert_string_equal(e.text, "move RDMA device 'mlx5_0': Operation not supported");
	(void)asked(&flags, 0, &v);
	(void)asked(&flags, RDMA_NLDEV_ATTR_DEV_INDEX, &v);
	assert_int_equal(v, 7);
	put_done(5);
	assert_int_equal(rdma_netlink_move(nl, "mlx5_0", 42, &index, &e), -ENODEV);
}

static void put_port(uint32_t seq, uint32_t port, const uint32_t *netdev)
{
	struct nlmsghdr *h = begin(IS(RDMA_NLDEV_CMD_PORT_GET), NLM_F_MULTI, seq);

	attr(h, RDMA_NLDEV_ATTR_PORT_INDEX, &port, 4);
	if (netdev)
		attr(h, RDMA_NLDEV_ATTR_NDEV_INDEX, netdev, 4);
}

static void test_netlink_ports(void **state)
{
	const uint32_t own = 1000, other = 3;
	struct rdma_netlink_ports n;
	uint16_t flags;
	uint32_t v;

	put_device(1, 7, "mlx5_0");
	flush();
	put_done(1);
	put_port(2, 1, &own);
	put_port(2, 2, NULL);
	put_port(2, 3, &other);
	flush();
	put_done(2);
	assert_int_equal(rdma_netlink_ports(nl, "mlx5_0", own, &n, &e), 0);
	assert_int_equal(n.own, 1);
	assert_int_equal(n.other, 1);
	assert_int_equal(n.unknown, 1);
	(void)asked(&flags, 0, &v);
	assert_int_equal(asked(&flags, RDMA_NLDEV_ATTR_DEV_INDEX, &v), IS(RDMA_NLDEV_CMD_PORT_GET));
	assert_int_equal(flags, NLM_F_REQUEST | NLM_F_DUMP);
	assert_int_equal(v, 7);
	put_done(3);
	assert_int_equal(rdma_netlink_ports(nl, "mlx5_0", own, &n, &e), -ENODEV);
	put_device(4, 7, "renamed");
	flush();
	put_done(4);
	assert_true(rdma_netlink_has(nl, 7));
	put_device(5, 7, "renamed");
	flush();
	put_done(5);
	assert_false(rdma_netlink_has(nl, 8));
}

/* Cut off, of another request, of wrong lengths, unterminated: an error or nothing, never a crash. */
static void test_netlink_nonsense(void **state)
{
	struct nlmsghdr *h;
	uint32_t index = 0;
	int positive = 5;

	put_device(9, 1, "mlx5_0"); /* of another request */
	flush();
	h = begin(IS(RDMA_NLDEV_CMD_GET), NLM_F_MULTI, 1);
	attr(h, RDMA_NLDEV_ATTR_DEV_INDEX, &index, 2);
	attr(h, RDMA_NLDEV_ATTR_DEV_NAME, "mlx5_0", 7);
	flush();
	h = begin(IS(RDMA_NLDEV_CMD_GET), NLM_F_MULTI, 1);
	attr(h, RDMA_NLDEV_ATTR_DEV_INDEX, &index, 4);
	attr(h, RDMA_NLDEV_ATTR_DEV_NAME, "mlx5_0", 6); /* no NUL */
	flush();
	h = begin(IS(RDMA_NLDEV_CMD_GET), NLM_F_MULTI, 1);
	attr(h, RDMA_NLDEV_ATTR_DEV_INDEX, &index, 4);
	((struct nlattr *)(void *)(out.b + NLMSG_HDRLEN))->nla_len = 4000;
	flush();
	put_done(1);
	assert_int_equal(rdma_netlink_find(nl, "mlx5_0", &index, &e), -ENODEV);
	begin(NLMSG_ERROR, 0, 2);
	flush();
	assert_int_equal(rdma_netlink_find(nl, "mlx5_0", &index, &e), -EBADMSG);
	h = begin(NLMSG_ERROR, 0, 3);
	memcpy(out.b + out.n, &positive, 4);
	memset(out.b + out.n + 4, 0, 16);
	out.n += 20;
	h->nlmsg_len += 20;
	flush();
	assert_int_equal(rdma_netlink_find(nl, "mlx5_0", &index, &e), -EBADMSG);
	assert_int_equal(shutdown(kernel, SHUT_WR), 0);
	assert_int_equal(rdma_netlink_find(nl, "mlx5_0", &index, &e), -EBADMSG);
	close(kernel);
	kernel = -1;
	assert_true(rdma_netlink_set_exclusive(nl, &e) < 0);
}

#define N(fn) cmocka_unit_test_setup_teardown(fn, setup_netlink, teardown_netlink)

int main(void)
{
	const struct CMUnitTest tests[] = {
		N(test_netlink_mode), N(test_netlink_set),   N(test_netlink_find),
		N(test_netlink_move), N(test_netlink_ports), N(test_netlink_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
