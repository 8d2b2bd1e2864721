/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One request at a time, answered before the next.  Messages are written and taken apart by libnl; they are received
 * here, since some of this family's answers bear no sequence number.
 */
#include "rdma_netlink.h"

#include <fcntl.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <rdma/rdma_netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"
#include "netns.h"

#define ANSWER_S   20 /* the kernel answers within the request; this is for one that does not */
#define ANSWER_MAX 65536
#define NLDEV(cmd) RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, cmd)

struct rdma_netlink {
	struct nl_sock *sock; /* NULL: `fd` is somebody's who answers */
	int fd;
	int netns; /* its namespace; -1: that of the process */
	uint32_t seq;
};

static int open_here(struct rdma_netlink *n, struct err *e)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	int on = 1, ret;

	nl_socket_disable_auto_ack(n->sock);
	nl_socket_disable_seq_check(n->sock);
	ret = nl_connect(n->sock, NETLINK_RDMA);
	if (ret == -NLE_PROTO_MISMATCH || (ret < 0 && errno == EPROTONOSUPPORT))
		return err_set(e, EPROTONOSUPPORT,
			       "open 'RDMA netlink socket': this kernel has no RDMA (modprobe "
			       "ib_core)");
	if (ret < 0)
		return err_set(e, EIO, "open 'RDMA netlink socket': %s", nl_geterror(ret));
	n->fd = nl_socket_get_fd(n->sock);
	(void)setsockopt(n->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(n->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

int rdma_netlink_open(int netnsfd, struct rdma_netlink **out, struct err *e)
{
	struct rdma_netlink *n = rdma_netlink_over(-1);
	auto_netns int home = -1;
	int ret;

	*out = NULL;
	if (n)
		n->sock = nl_socket_alloc();
	if (!n || !n->sock)
		ret = err_set(e, ENOMEM, "open 'RDMA netlink socket': out of memory");
	else
		ret = netns_visit(netnsfd, &home, e);
	if (ret == 0)
		ret = open_here(n, e);
	if (ret == 0 && netnsfd >= 0) {
		n->netns = fcntl(netnsfd, F_DUPFD_CLOEXEC, 0);
		if (n->netns < 0)
			ret = err_sys(e, "keep 'network namespace'");
	}
	if (ret) {
		rdma_netlink_close(n);
		return ret;
	}
	*out = n;
	return 0;
}

struct rdma_netlink *rdma_netlink_over(int fd)
{
	struct rdma_netlink *n = calloc(1, sizeof(*n));

	if (n) {
		n->fd = fd;
		n->netns = -1;
	}
	return n;
}

void rdma_netlink_close(struct rdma_netlink *n)
{
	if (!n)
		return;
	if (n->sock)
		nl_socket_free(n->sock); /* closes the fd */
	else
		fd_close(&n->fd);
	fd_close(&n->netns);
	free(n);
}

void rdma_netlink_closep(struct rdma_netlink **n)
{
	rdma_netlink_close(*n);
}

/* --- a request and its answers --- */

struct answers {
	const char *what; /* "list RDMA devices" */
	uint32_t type;    /* of the messages for `fn`; 0: an acknowledgement is all */
	void (*fn)(void *ctx, struct nlmsghdr *h);
	void *ctx;
	bool done;
};

/* One message. 0, or the kernel's errno. */
static int take(struct answers *a, struct nlmsghdr *h, struct err *e)
{
	const struct nlmsgerr *answer = nlmsg_data(h);

	if (h->nlmsg_type == NLMSG_ERROR) {
		if (nlmsg_datalen(h) < (int)sizeof(answer->error) || answer->error > 0)
			return err_set(e, EBADMSG, "%s: the answer makes no sense", a->what);
		a->done = true;
		return answer->error ? err_ret(e, answer->error, "%s", a->what) : 0;
	}
	if (h->nlmsg_type == NLMSG_DONE) {
		a->done = true;
		return 0;
	}
	if (a->type && h->nlmsg_type == a->type) {
		a->fn(a->ctx, h);
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			a->done = true;
	}
	return 0;
}

static int receive(struct rdma_netlink *n, struct answers *a, struct err *e)
{
	auto_free char *buf = malloc(ANSWER_MAX);
	struct nlmsghdr *h;
	ssize_t got;
	int left, ret = 0;

	if (!buf)
		return err_set(e, ENOMEM, "%s: out of memory", a->what);
	while (ret == 0 && !a->done) {
		do
			got = recv(n->fd, buf, ANSWER_MAX, MSG_TRUNC);
		while (got < 0 && errno == EINTR);
		if (got < 0 && errno == EAGAIN)
			return err_set(e, ETIMEDOUT, "%s: the kernel does not answer", a->what);
		if (got < 0)
			return err_sys(e, "%s: receive", a->what);
		if (got == 0 || got > ANSWER_MAX)
			return err_set(e, EBADMSG, "%s: an answer of %zd bytes", a->what, got);
		left = (int)got;
		for (h = (struct nlmsghdr *)(void *)buf; ret == 0 && !a->done && nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			if (h->nlmsg_seq == n->seq || h->nlmsg_seq == 0)
				ret = take(a, h, e);
	}
	return ret;
}

/* Send the request (freed) and take what comes back. `bad`: it could not be built. */
static int ask(struct rdma_netlink *n, struct nl_msg *msg, bool bad, struct answers *a,
	       struct err *e)
{
	struct nlmsghdr *h;
	int ret = 0;

	if (!msg || bad) {
		nlmsg_free(msg);
		return err_set(e, ENOMEM, "%s: out of memory", a->what);
	}
	h = nlmsg_hdr(msg);
	h->nlmsg_seq = ++n->seq;
	if (send(n->fd, h, h->nlmsg_len, MSG_NOSIGNAL) < 0)
		ret = err_sys(e, "%s: send", a->what);
	nlmsg_free(msg);
	return ret ? ret : receive(n, a, e);
}

/* --- the mode --- */

static void take_mode(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *attr = nlmsg_find_attr(h, 0, RDMA_NLDEV_SYS_ATTR_NETNS_MODE);

	if (attr && nla_len(attr) == 1)
		*(int *)ctx = nla_get_u8(attr);
}

int rdma_netlink_mode(struct rdma_netlink *n, bool *exclusive, struct err *e)
{
	int shared = -1;
	struct answers a = { .what = "read the mode of RDMA's namespaces",
			     .type = NLDEV(RDMA_NLDEV_CMD_SYS_GET),
			     .fn = take_mode,
			     .ctx = &shared };
	int ret = ask(n, nlmsg_alloc_simple((int)a.type, NLM_F_REQUEST), false, &a, e);

	if (ret)
		return ret;
	if (shared < 0)
		return err_set(e, EOPNOTSUPP, "%s: the kernel tells none (older than 5.2)", a.what);
	*exclusive = shared == 0;
	return 0;
}

int rdma_netlink_set_exclusive(struct rdma_netlink *n, struct err *e)
{
	struct answers a = { .what = "give each RDMA device to one namespace" };
	struct nl_msg *msg =
		nlmsg_alloc_simple(NLDEV(RDMA_NLDEV_CMD_SYS_SET), NLM_F_REQUEST | NLM_F_ACK);

	return ask(n, msg, !msg || nla_put_u8(msg, RDMA_NLDEV_SYS_ATTR_NETNS_MODE, 0) < 0, &a, e);
}

/* --- a device --- */

struct search {
	const char *name;
	uint32_t index;
	bool found;
};

static void match(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *name = nlmsg_find_attr(h, 0, RDMA_NLDEV_ATTR_DEV_NAME),
		      *index = nlmsg_find_attr(h, 0, RDMA_NLDEV_ATTR_DEV_INDEX);
	struct search *s = ctx;

	if (!name || !index || nla_len(index) != 4 || nla_len(name) < 1 ||
	    (size_t)nla_len(name) != strlen(s->name) + 1 ||
	    memcmp(nla_data(name), s->name, strlen(s->name) + 1) != 0)
		return;
	s->index = nla_get_u32(index);
	s->found = true;
}

int rdma_netlink_find(struct rdma_netlink *n, const char *name, uint32_t *index, struct err *e)
{
	struct search s = { .name = name };
	struct answers a = { .what = "list RDMA devices",
			     .type = NLDEV(RDMA_NLDEV_CMD_GET),
			     .fn = match,
			     .ctx = &s };
	int ret = ask(n, nlmsg_alloc_simple((int)a.type, NLM_F_REQUEST | NLM_F_DUMP), false, &a, e);

	if (ret)
		return ret;
	if (!s.found)
		return err_set(e, ENODEV, "find RDMA device '%s': not in this namespace", name);
	*index = s.index;
	return 0;
}

/* Is it the one with this number? */
static void match_index(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *index = nlmsg_find_attr(h, 0, RDMA_NLDEV_ATTR_DEV_INDEX);
	struct search *s = ctx;

	s->found |= index && nla_len(index) == 4 && nla_get_u32(index) == s->index;
}

bool rdma_netlink_has(struct rdma_netlink *n, uint32_t index)
{
	struct search s = { .index = index };
	struct answers a = { .what = "list RDMA devices",
			     .type = NLDEV(RDMA_NLDEV_CMD_GET),
			     .fn = match_index,
			     .ctx = &s };

	return ask(n, nlmsg_alloc_simple((int)a.type, NLM_F_REQUEST | NLM_F_DUMP), false, &a,
		   NULL) == 0 &&
	       s.found;
}

struct count {
	uint32_t ifindex;
	struct rdma_netlink_ports *ports;
};

static void count_port(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *port = nlmsg_find_attr(h, 0, RDMA_NLDEV_ATTR_PORT_INDEX),
		      *netdev = nlmsg_find_attr(h, 0, RDMA_NLDEV_ATTR_NDEV_INDEX);
	struct count *c = ctx;

	if (!port)
		return;
	if (!netdev || nla_len(netdev) != 4)
		c->ports->unknown++;
	else if (nla_get_u32(netdev) == c->ifindex)
		c->ports->own++;
	else
		c->ports->other++;
}

int rdma_netlink_ports(struct rdma_netlink *n, const char *name, uint32_t ifindex,
		       struct rdma_netlink_ports *out, struct err *e)
{
	struct count c = { ifindex, out };
	struct answers a = { .what = "list the ports of an RDMA device",
			     .type = NLDEV(RDMA_NLDEV_CMD_PORT_GET),
			     .fn = count_port,
			     .ctx = &c };
	struct nl_msg *msg;
	uint32_t index = 0;
	int ret = rdma_netlink_find(n, name, &index, e);

	memset(out, 0, sizeof(*out));
	if (ret)
		return ret;
	msg = nlmsg_alloc_simple((int)a.type, NLM_F_REQUEST | NLM_F_DUMP);
	return ask(n, msg, !msg || nla_put_u32(msg, RDMA_NLDEV_ATTR_DEV_INDEX, index) < 0, &a, e);
}

/*
 * The device must be in the namespace of the process that asks, whichever the socket's is (rdma_dev_change_netns in
 * kernel 6.1), so the thread visits that for the request.
 */
int rdma_netlink_move(struct rdma_netlink *n, const char *name, int netnsfd, uint32_t *index,
		      struct err *e)
{
	struct nl_msg *msg;
	char what[128];
	struct answers a = { .what = what };
	auto_netns int home = -1;
	int ret = fault_point("rdma.move");

	*index = 0;
	if (ret)
		return err_ret(e, ret, "move RDMA device '%s'", name);
	(void)str_format(what, sizeof(what), "move RDMA device '%.64s'", name);
	ret = rdma_netlink_find(n, name, index, e);
	if (ret == 0)
		ret = netns_visit(n->netns, &home, e);
	if (ret)
		return ret;
	msg = nlmsg_alloc_simple(NLDEV(RDMA_NLDEV_CMD_SET), NLM_F_REQUEST | NLM_F_ACK);
	return ask(n, msg,
		   !msg || nla_put_u32(msg, RDMA_NLDEV_ATTR_DEV_INDEX, *index) < 0 ||
			   nla_put_u32(msg, RDMA_NLDEV_NET_NS_FD, (uint32_t)netnsfd) < 0,
		   &a, e);
}
