// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Carries rtnetlink requests: one libnl socket per network namespace, a batch per commit, answers matched by sequence
 * number.  Runs in worker processes.  The requests themselves are written in netif_msg.c.
 */
#include "netif.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/str.h"
#include "netif_batch.h"
#include "netns.h"

#define BATCH_BYTES    16384 /* below the socket's send buffer */
#define BATCH_REQUESTS 48
#define RECEIVE_BYTES  (256 * 1024)

struct request {
	int tolerate[3]; /* errnos that are fine */
	char what[112];  /* "add route to 172.31.199.1/32 by 'sb-1'" */
};

struct netif {
	struct nl_sock *sock;
	uint32_t seq; /* of the first request in the batch */
	unsigned int count;
	size_t len;
	char *big;         /* an answer that does not fit into buf */
	struct err failed; /* first failure while the batch was put together */
	struct request request[BATCH_REQUESTS];
	_Alignas(NLMSG_ALIGNTO) char buf[BATCH_BYTES];
};

static int open_here(struct netif *n, struct err *e)
{
	int on = 1, ret, fd;

	nl_socket_disable_auto_ack(n->sock);
	ret = nl_connect(n->sock, NETLINK_ROUTE);
	if (ret)
		return err_set(e, EIO, "open 'netlink socket': %s", nl_geterror(ret));
	fd = nl_socket_get_fd(n->sock);
	ret = nl_socket_set_buffer_size(n->sock, RECEIVE_BYTES, 2 * BATCH_BYTES);
	if (ret)
		return err_set(e, EIO, "size 'netlink socket': %s", nl_geterror(ret));
	/* Short answers with the kernel's own explanation; without them errors are only less talkative. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return 0;
}

int netif_open(int netnsfd, struct netif **out, struct err *e)
{
	struct netif *n = calloc(1, sizeof(*n));
	auto_netns int home = -1;
	int ret;

	*out = NULL;
	if (!n)
		return err_set(e, ENOMEM, "open 'netlink socket': out of memory");
	n->seq = 1;
	n->sock = nl_socket_alloc();
	if (!n->sock)
		ret = err_set(e, ENOMEM, "open 'netlink socket': out of memory");
	else
		ret = netns_visit(netnsfd, &home, e);
	if (ret == 0)
		ret = open_here(n, e);
	if (ret) {
		netif_close(n);
		return ret;
	}
	*out = n;
	return 0;
}

void netif_close(struct netif *n)
{
	if (!n)
		return;
	if (n->sock)
		nl_socket_free(n->sock);
	free(n->big);
	free(n);
}

void netif_closep(struct netif **n)
{
	netif_close(*n);
}

/* ---- the batch ---- */

static void reset(struct netif *n)
{
	n->seq += n->count;
	n->count = 0;
	n->len = 0;
}

struct nl_msg *netif_begin(struct netif *n, int type, int flags, const void *header, size_t size)
{
	struct nl_msg *msg;

	if (n->failed.code)
		return NULL;
	msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);
	if (msg && nlmsg_append(msg, (void *)header, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	if (!msg)
		(void)err_set(&n->failed, ENOMEM, "build 'netlink request': out of memory");
	return msg;
}

static int exchange(struct netif *n, struct err *e);

void netif_end(struct netif *n, struct nl_msg *msg, bool bad, const char *fmt, ...)
{
	struct nlmsghdr *h;
	struct request *r;
	va_list ap;

	if (!msg)
		return;
	h = nlmsg_hdr(msg);
	if (n->count == BATCH_REQUESTS || n->len + NLMSG_ALIGN(h->nlmsg_len) > BATCH_BYTES)
		(void)exchange(n, &n->failed);
	r = &n->request[n->count];
	memset(r->tolerate, 0, sizeof(r->tolerate));
	va_start(ap, fmt);
	(void)vsnprintf(r->what, sizeof(r->what), fmt, ap);
	va_end(ap);
	if (bad && !n->failed.code)
		(void)err_set(&n->failed, EMSGSIZE, "%s: the request does not fit", r->what);
	if (!n->failed.code) {
		h->nlmsg_seq = n->seq + n->count;
		h->nlmsg_pid = nl_socket_get_local_port(n->sock);
		memcpy(n->buf + n->len, h, h->nlmsg_len);
		n->len += NLMSG_ALIGN(h->nlmsg_len);
		n->count++;
	}
	nlmsg_free(msg);
}

void netif_tolerate(struct netif *n, int code)
{
	struct request *r;

	if (!n->count)
		return;
	r = &n->request[n->count - 1];
	r->tolerate[!r->tolerate[0] ? 0 : !r->tolerate[1] ? 1 : 2] = code;
}

static const char *kernel_words(struct nlmsghdr *h)
{
	struct nlattr *attr;
	int skip = (int)sizeof(struct nlmsgerr);

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += (int)((struct nlmsgerr *)nlmsg_data(h))->msg.nlmsg_len - NLMSG_HDRLEN;
	attr = nlmsg_find_attr(h, skip, NLMSGERR_ATTR_MSG);
	return attr ? nla_get_string(attr) : NULL;
}

/* One answer: an errno for the request it names. Returns that request's position, or -1 for a message not of ours. */
static int take_answer(struct netif *n, struct nlmsghdr *h, struct err *e)
{
	const struct nlmsgerr *answer = nlmsg_data(h);
	uint32_t at = h->nlmsg_seq - n->seq;
	const struct request *r;
	const char *words;
	int code;

	if (h->nlmsg_type != NLMSG_ERROR || at >= n->count ||
	    nlmsg_datalen(h) < (int)sizeof(*answer))
		return -1;
	code = -answer->error;
	r = &n->request[at];
	if (code == 0 || code == r->tolerate[0] || code == r->tolerate[1] ||
	    code == r->tolerate[2] || (e && e->code))
		return (int)at;
	words = kernel_words(h);
	if (words)
		(void)err_set(e, code, "%s: %s (%s)", r->what, strerrordesc_np(code), words);
	else
		(void)err_ret(e, -code, "%s", r->what);
	return (int)at;
}

static ssize_t receive(struct netif *n, void *buf, size_t size)
{
	ssize_t got;

	do
		got = recv(nl_socket_get_fd(n->sock), buf, size, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

/*
 * rtnetlink carries every request out before send returns. Failures are always answered; success only where NLM_F_ACK
 * asks for it, so one acknowledgement, of the last request, ends the batch.
 */
static int exchange(struct netif *n, struct err *e)
{
	_Alignas(NLMSG_ALIGNTO) char buf[4096];
	struct nlmsghdr *h, *last = NULL;
	struct err mine = { 0 };
	int left, at = -1;

	if (!n->count)
		return 0;
	for (size_t pos = 0; pos < n->len; pos += NLMSG_ALIGN(last->nlmsg_len))
		last = (struct nlmsghdr *)(void *)(n->buf + pos);
	if (last)
		last->nlmsg_flags |= NLM_F_ACK;
	if (send(nl_socket_get_fd(n->sock), n->buf, n->len, 0) < 0) {
		(void)err_sys(&mine, "%s: send", n->request[0].what);
		at = (int)n->count - 1;
	}
	while (at != (int)n->count - 1) {
		left = (int)receive(n, buf, sizeof(buf));
		if (left <= 0) {
			(void)err_sys(&mine, "%s: receive", n->request[n->count - 1].what);
			break;
		}
		for (h = (struct nlmsghdr *)(void *)buf; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			at = take_answer(n, h, &mine);
	}
	reset(n);
	if (mine.code)
		return err_set(e, mine.code, "%s", mine.text);
	return 0;
}

int netif_commit(struct netif *n, struct err *e)
{
	struct err first = n->failed;
	int ret = fault_point("netif.commit");

	if (ret)
		(void)err_ret(&n->failed, ret, "send 'netlink requests'");
	if (n->failed.code) {
		first = n->failed;
		memset(&n->failed, 0, sizeof(n->failed));
		reset(n);
		return err_set(e, first.code, "%s", first.text);
	}
	return exchange(n, e);
}

/* ---- dialogues ---- */

/* The answer about a card with 256 virtual functions is larger than any buffer that is set aside for the usual ones. */
static ssize_t receive_whole(struct netif *n, char **at)
{
	int fd = nl_socket_get_fd(n->sock);
	ssize_t size;

	do
		size = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	while (size < 0 && errno == EINTR);
	if (size < 0)
		return -errno;
	*at = n->buf;
	if ((size_t)size > sizeof(n->buf)) {
		free(n->big);
		n->big = *at = malloc((size_t)size);
		if (!n->big)
			return -ENOMEM;
	}
	size = receive(n, *at, (size_t)size > sizeof(n->buf) ? (size_t)size : sizeof(n->buf));
	return size < 0 ? -errno : size;
}

/* Requests that are answered by something else than an errno are sent alone. */
static int send_alone(struct netif *n, struct nl_msg *msg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	int ret;

	h->nlmsg_seq = n->seq;
	h->nlmsg_pid = nl_socket_get_local_port(n->sock);
	ret = send(nl_socket_get_fd(n->sock), h, h->nlmsg_len, 0) < 0 ? -errno : 0;
	nlmsg_free(msg);
	return ret;
}

int netif_ask(struct netif *n, struct nl_msg *msg, int (*fn)(void *ctx, struct nlmsghdr *h),
	      void *ctx)
{
	struct nlmsghdr *h;
	char *buf = NULL;
	ssize_t left;
	int ret;

	if (!msg)
		return -ENOMEM;
	if (n->count) {
		nlmsg_free(msg);
		return -EBUSY;
	}
	ret = send_alone(n, msg);
	left = ret ? ret : receive_whole(n, &buf);
	h = (struct nlmsghdr *)(void *)buf;
	if (left < 0)
		ret = (int)left;
	else if (!nlmsg_ok(h, (int)left) || h->nlmsg_seq != n->seq)
		ret = -EBADMSG;
	else if (h->nlmsg_type == NLMSG_ERROR)
		ret = ((const struct nlmsgerr *)nlmsg_data(h))->error ?: -EBADMSG;
	else
		ret = fn(ctx, h);
	n->seq++;
	return ret;
}

int netif_walk(struct netif *n, struct nl_msg *msg, void (*fn)(void *ctx, struct nlmsghdr *h),
	       void *ctx, struct err *e)
{
	struct nlmsghdr *h;
	int ret = send_alone(n, msg), left;
	char *buf = NULL;
	bool more = true;

	while (more && ret == 0) {
		left = (int)receive_whole(n, &buf);
		if (left <= 0)
			ret = left < 0 ? left : -EBADMSG;
		for (h = (struct nlmsghdr *)(void *)buf; ret == 0 && more && nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			if (h->nlmsg_seq != n->seq)
				continue;
			more = h->nlmsg_type != NLMSG_DONE;
			if (h->nlmsg_type == NLMSG_ERROR)
				ret = ((const struct nlmsgerr *)nlmsg_data(h))->error;
			else if (more)
				fn(ctx, h);
		}
	}
	n->seq++;
	return ret ? err_ret(e, ret, "list from 'netlink'") : 0;
}

int netif_fd(const struct netif *n)
{
	return nl_socket_get_fd(n->sock);
}
