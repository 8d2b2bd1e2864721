/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker says to ws-init: setup before the first login, and stop.  Runs in workers.  Waits with a limit, watches
 * the process beside the socket, believes no text it is sent.
 */
#include "ns_talk.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/clk.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "ns.h"
#include "proto/init.h"

/* Large enough for every answer to what is asked here; a bigger one is refused by msg_recv. */
union answer {
	struct init_bound bound;
	struct init_failed failed;
};

/* Wait until the socket can be read. -ETIMEDOUT, or -ECHILD when ws-init is gone. */
static int wait_for(const struct plan *p, int sock, uint64_t end, struct err *e)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = sock, .events = POLLIN },
					 { .fd = p->pidfd, .events = POLLIN } };
		uint64_t now = clk_now_us();
		int n = now >= end ? 0 : poll(fds, 2, (int)((end - now + 999) / 1000));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "wait for ws-init");
		if (n == 0)
			return err_set(e, ETIMEDOUT, "wait for ws-init: no answer in time");
		if (fds[0].revents)
			return 0;
		return err_set(e, ECHILD, "wait for ws-init: it has ended");
	}
}

/* Receive until `want` comes; INIT_FAILED is the tenant's refusal. */
static int await(const struct plan *p, int sock, uint32_t want, uint64_t end, struct err *e)
{
	for (;;) {
		char vis[INIT_TEXT_MAX];
		union answer body;
		struct msg m;
		int r = wait_for(p, sock, end, e);

		if (r == 0)
			r = msg_recv_plain(sock, &init_proto, &body, sizeof(body), &m, e);
		if (r == -EAGAIN)
			continue;
		if (r == 0)
			return err_set(e, ECONNRESET, "talk to ws-init: it closed the connection");
		if (r < 0)
			return r;
		msg_close_fds(&m);
		if (m.type == want)
			return 0;
		if (m.type != INIT_FAILED)
			return err_set(e, EPROTO, "talk to ws-init: unexpected message %u", m.type);
		str_vis(body.failed.text, strnlen(body.failed.text, sizeof(body.failed.text)), vis,
			sizeof(vis));
		return err_set(e,
			       body.failed.code && body.failed.code < 4096 ? (int)body.failed.code
									   : EIO,
			       "ws-init says: %s", vis);
	}
}

int ns_talk_open(struct plan *p, unsigned int timeout_s, struct err *e)
{
	uint64_t end = clk_now_us() + (uint64_t)timeout_s * 1000000;
	struct init_bind bind = { 0 };
	auto_fd int sock = ns_connect(p->settings, p->rec->name, e);
	int r = sock < 0 ? sock : fd_nonblock(sock, 1);

	if (sock < 0)
		return sock;
	if (r < 0)
		return err_ret(e, r, "talk to ws-init");
	r = msg_send(sock, &init_proto, INIT_BIND, &bind, e);
	if (r == 0)
		r = await(p, sock, INIT_BOUND, end, e);
	return r < 0 ? r : fd_take(&sock);
}

/* Append "nameserver ADDRESS" for each line of a resolv.conf whose resolver can be reached from a workspace. */
static void host_resolvers(const char *file, char *buf, size_t size)
{
	char text[8192], *save = NULL;
	struct err ignored;
	size_t len;
	int n = 0;

	if (path_read(AT_FDCWD, file, text, sizeof(text), &len, &ignored) < 0)
		return;
	for (char *l = strtok_r(text, "\n", &save); l && n < 3; l = strtok_r(NULL, "\n", &save)) {
		char word[IP_TEXT_MAX];
		struct ip ip;

		if (sscanf(l, "nameserver %63s", word) != 1 || ip_parse(word, &ip, &ignored) < 0)
			continue;
		if (ip.family == AF_INET ? ip.b[0] == 127 : !memcmp(ip.b, &in6addr_loopback, 16))
			continue;
		(void)str_format(buf + strlen(buf), size - strlen(buf), "nameserver %s\n", word);
		n++;
	}
}

void ns_talk_resolv(const struct settings *s, char *buf, size_t size)
{
	char word[IP_TEXT_MAX];

	buf[0] = '\0';
	for (uint32_t i = 0; i < s->network.ndns; i++)
		(void)str_format(buf + strlen(buf), size - strlen(buf), "nameserver %s\n",
				 ip_text(&s->network.dns[i], word, sizeof(word)));
	if (!buf[0])
		host_resolvers("/etc/resolv.conf", buf, size);
	/* systemd-resolved puts a loopback stub there and keeps the real ones here. */
	if (!buf[0])
		host_resolvers("/run/systemd/resolve/resolv.conf", buf, size);
}

int ns_talk_setup(struct plan *p, int sock, unsigned int timeout_s, struct err *e)
{
	uint64_t end = clk_now_us() + (uint64_t)timeout_s * 1000000;
	struct init_setup setup = { 0 };
	int r;

	(void)str_copy(setup.hostname, sizeof(setup.hostname), p->rec->name);
	ns_talk_resolv(p->settings, setup.resolv_conf, sizeof(setup.resolv_conf));
	r = msg_send(sock, &init_proto, INIT_SETUP, &setup, e);
	return r < 0 ? r : await(p, sock, INIT_READY, end, e);
}

int ns_talk_stop(int sock, unsigned int timeout_s, struct err *e)
{
	struct init_power power = { .kind = INIT_STOP, .timeout_s = timeout_s };

	return msg_send(sock, &init_proto, INIT_POWER, &power, e);
}
