// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opens the gate's listening sockets.  Runs in provisiond, as root: low ports and IP_TRANSPARENT need it; the listener
 * gets them passed and has neither.
 */
#include "net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define BACKLOG 1024

static int set_options(int fd, int family, bool transparent)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -1;
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
		return -1;
	if (!transparent)
		return 0;
	return family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on))
				 : setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
}

static const char *hint(int code)
{
	switch (code) {
	case EADDRINUSE:
		return " (another sshd? see [gate] listen)";
	case EADDRNOTAVAIL:
		return " (no interface has this address)";
	case EACCES:
	case EPERM:
		return " (needs root)";
	default:
		return "";
	}
}

/* A listening socket, or -errno. */
static int open_one(const struct ipport *at, bool transparent, struct err *e)
{
	char text[IP_TEXT_MAX];
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(at, &ss);
	auto_fd int fd = -1;
	int code;

	fd = socket(at->addr.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd >= 0 && set_options(fd, at->addr.family, transparent) == 0 &&
	    bind(fd, (struct sockaddr *)&ss, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd_take(&fd);
	code = errno;
	return err_set(e, code, "listen on '%s': %s%s", ip_port_text(at, text, sizeof(text)),
		       strerrordesc_np(code), hint(code));
}

/*
 * The transparent sockets sit on loopback: tproxy finds them by that address, and nobody outside can connect to the
 * port itself. What they accept has the dialled pool address as its local address.
 */
static struct ipport transparent_at(const struct settings *s, int family)
{
	struct ipport at = { .addr.family = (uint8_t)family,
			     .port = (uint16_t)s->gate.transparent_port };

	if (family == AF_INET6)
		at.addr.b[15] = 1;
	else
		memcpy(at.addr.b, (const uint8_t[4]){ 127, 0, 0, 1 }, 4);
	return at;
}

/* Does `fd` listen at this address already, in the same way? */
static bool listens_at(int fd, const struct ipport *at, bool transparent)
{
	int accepts = 0, is_transparent = 0;
	bool v6 = at->addr.family == AF_INET6;
	socklen_t len = sizeof(accepts), sslen;
	struct sockaddr_storage ss;
	struct ipport here;

	sslen = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &sslen) ||
	    !ip_from_sockaddr((struct sockaddr *)&ss, sslen, &here) ||
	    ss.ss_family != at->addr.family || !ip_equal(&here.addr, &at->addr) ||
	    here.port != at->port)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len) || !accepts)
		return false;
	len = sizeof(is_transparent);
	return getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			  v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &is_transparent, &len) == 0 &&
	       !is_transparent == !transparent;
}

/* A duplicate of the socket among `have` that serves this address, else a new one. */
static int reuse_or_open(const int *have, unsigned int nhave, const struct ipport *at,
			 bool transparent, struct err *e)
{
	for (unsigned int i = 0; i < nhave; i++) {
		int fd;

		if (!listens_at(have[i], at, transparent))
			continue;
		fd = fcntl(have[i], F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(e, "keep a listening socket") : fd;
	}
	return open_one(at, transparent, e);
}

static unsigned int families(const struct settings *s)
{
	return s->network.control_cidr6.addr.family ? 2 : 1;
}

int net_listen(const struct settings *s, const int *have, unsigned int nhave,
	       struct net_listeners *out, struct err *e)
{
	unsigned int n = 0, want = s->gate.nlisten + families(s);
	struct ipport at;
	int fd = 0;

	out->nplain = out->ntransparent = 0;
	while (n < want && fd >= 0) {
		at = n < s->gate.nlisten
			     ? s->gate.listen[n]
			     : transparent_at(s, n == s->gate.nlisten ? AF_INET : AF_INET6);
		fd = reuse_or_open(have, nhave, &at, n >= s->gate.nlisten, e);
		if (fd >= 0)
			out->fds[n++] = fd;
	}
	if (fd < 0) {
		while (n)
			fd_close(&out->fds[--n]);
		return fd;
	}
	out->nplain = s->gate.nlisten;
	out->ntransparent = families(s);
	return 0;
}
