/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Outgoing connections of port forwards. Bounded in time; tries every address of a name in turn. */
#include "dial.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "become.h"
#include "resolve.h"

/* Wait for the end of a non-blocking connect. 0 or -errno. */
static int finish(int fd, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int code = 0;
	socklen_t len = sizeof(code);

	for (;;) {
		uint64_t now = agent_now();
		int r = now < deadline ? poll(&p, 1, (int)(deadline - now)) : 0;

		if (r == 0)
			return -ETIMEDOUT;
		if (r > 0)
			break;
		if (errno != EINTR)
			return -errno;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		return -errno;
	return -code;
}

/* fd or -errno. */
static int connect_ip(const struct ipport *to, uint64_t deadline)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(to, &ss);
	auto_fd int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0, on = 1;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		r = errno == EINPROGRESS ? finish(fd, deadline) : -errno;
	if (r < 0)
		return r;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = fd_nonblock(fd, 0);
	return r < 0 ? r : fd_take(&fd);
}

static int dial_tcp(const struct init_address *ad, int *fd, struct err *e)
{
	uint64_t end;
	struct ip ips[RESOLVE_MAX];
	int n, r = -EHOSTUNREACH;

	if (ad->port == 0)
		return err_set(e, EINVAL, "connect to '%.100s' port 0: no such port", ad->host);
	n = resolve_host(ad->host, ips, e);
	if (n < 0)
		return err_wrap(e, "connect to '%.60s' port %u", ad->host, ad->port);
	end = agent_now() + DIAL_CONNECT_MS;
	for (int i = 0; i < n && agent_now() < end; i++) {
		struct ipport to = { ips[i], (uint16_t)ad->port };
		uint64_t now = agent_now();

		/* A silent address must not eat the time of those behind it. */
		r = connect_ip(&to, now + (end - now) / (uint64_t)(n - i));
		if (r >= 0) {
			*fd = r;
			return 0;
		}
	}
	return err_ret(e, r, "connect to '%.100s' port %u", ad->host, ad->port);
}

/* A unix connect does not wait in the background: a full backlog says EAGAIN at once. */
static int dial_unix(const struct job_helper *h, int *fd, struct err *e)
{
	const struct init_address *ad = h->request;
	auto_fd int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timespec pause = { 0, 20000000L };
	uint64_t end = agent_now() + DIAL_CONNECT_MS;
	int r;

	if (ad->host[0] != '/' && chdir(h->account->home) < 0)
		return err_sys(e, "connect to '%.100s': enter '%.100s'", ad->host,
			       h->account->home);
	if (str_copy(un.sun_path, sizeof(un.sun_path), ad->host) < 0)
		return err_set(e, ENAMETOOLONG, "connect to '%.100s': path too long", ad->host);
	if (s < 0)
		return err_sys(e, "connect to '%.100s'", ad->host);
	while ((r = connect(s, (struct sockaddr *)&un, sizeof(un))) < 0 &&
	       (errno == EAGAIN || errno == EINTR) && agent_now() < end)
		nanosleep(&pause, NULL);
	if (r < 0 || fd_nonblock(s, 0) < 0)
		return err_sys(e, "connect to '%.100s'", ad->host);
	*fd = fd_take(&s);
	return 0;
}

int dial_work(struct job_helper *h, int *fd, struct err *e)
{
	const struct init_address *ad = h->request;
	int r = become_user(h->account, &h->limits, e);

	if (r < 0)
		return r;
	h->report.port = ad->port;
	return ad->kind == INIT_UNIX ? dial_unix(h, fd, e) : dial_tcp(ad, fd, e);
}
