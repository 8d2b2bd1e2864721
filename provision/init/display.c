/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See display.h.  Displays begin at 10, as sshd's: those below may be real servers'. */
#include "display.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "private_dir.h"

#define BACKLOG       128
#define DISPLAY_FIRST 10
#define DISPLAY_LAST  1009
#define PORT_FIRST    6000 /* of display 0 */
#define FAMILY_LOCAL  256
#define FAMILY_WILD   65535
#define FILE_NAME     "Xauthority"

struct out {
	uint8_t *data;
	size_t len;
};

static void put_u16(struct out *o, size_t v)
{
	o->data[o->len++] = (uint8_t)(v >> 8);
	o->data[o->len++] = (uint8_t)v;
}

static void put(struct out *o, const void *p, size_t n)
{
	put_u16(o, n);
	memcpy(o->data + o->len, p, n);
	o->len += n;
}

int display_authority(const char *host, uint32_t number, const struct x11_cookie *c,
		      uint8_t data[DISPLAY_AUTHORITY_MAX])
{
	struct out o = { data, 0 };
	size_t protocol = strlen(c->protocol), n = strlen(host);
	char text[16];

	(void)str_format(text, sizeof(text), "%u", number);
	/* Family and four lengths are 10 bytes. */
	if (2 * (10 + strlen(text) + protocol + c->len) + n > DISPLAY_AUTHORITY_MAX)
		return -ENAMETOOLONG;
	for (int wild = 0; wild < 2; wild++) {
		put_u16(&o, wild ? FAMILY_WILD : FAMILY_LOCAL);
		put(&o, host, wild ? 0 : n);
		put(&o, text, strlen(text));
		put(&o, c->protocol, protocol);
		put(&o, c->data, c->len);
	}
	return (int)o.len;
}

static int bind_port(int family, uint16_t port)
{
	auto_fd int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const void *at = family == AF_INET ? (void *)&in : (void *)&in6;
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, at, family == AF_INET ? sizeof(in) : sizeof(in6)) < 0)
		return -errno;
	return fd_take(&fd);
}

/* fd and *number, or -errno. */
static int listen_display(uint32_t *number)
{
	for (uint32_t n = DISPLAY_FIRST; n <= DISPLAY_LAST; n++) {
		uint16_t port = (uint16_t)(PORT_FIRST + n);
		auto_fd int fd = bind_port(AF_INET, port), other = -1;

		if (fd < 0 && fd != -EADDRINUSE)
			return fd;
		if (fd < 0)
			continue;
		/* $DISPLAY names 127.0.0.1; who says localhost all the same shall not meet somebody who was there before. */
		other = bind_port(AF_INET6, port);
		if (other == -EADDRINUSE)
			continue;
		if (listen(fd, BACKLOG) == 0) {
			*number = n;
			return fd_take(&fd);
		}
		if (errno != EADDRINUSE) /* that: another one was bound, and was quicker */
			return -errno;
	}
	return -EADDRINUSE;
}

static int write_file(uint32_t number, const struct x11_cookie *c)
{
	uint8_t bytes[DISPLAY_AUTHORITY_MAX];
	struct utsname u;
	auto_fd int fd = -1;
	int n;

	if (uname(&u) < 0)
		return -errno;
	n = display_authority(u.nodename, number, c, bytes);
	if (n < 0)
		return n;
	fd = openat(AT_FDCWD, FILE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	return fd < 0 ? -errno : fd_write_all(fd, bytes, (size_t)n);
}

int display_listen(struct job_helper *h, int *fd, struct err *e)
{
	const struct init_address *ad = h->request;
	char dir[PRIVATE_DIR_MAX];
	struct x11_cookie c;
	auto_fd int s = -1;
	int r;

	if (x11_parse_text(ad->host, &c) < 0)
		return err_set(e, EINVAL, "forward display: no protocol and cookie");
	s = listen_display(&h->report.port);
	if (s < 0)
		return err_ret(e, s, "forward display: find a free port from %d on",
			       PORT_FIRST + DISPLAY_FIRST);
	r = private_dir_make(dir, e);
	if (r < 0)
		return r;
	(void)str_format(h->report.text, sizeof(h->report.text), "%s/" FILE_NAME, dir);
	r = write_file(h->report.port, &c);
	if (r < 0) {
		private_dir_remove(h->report.text);
		return err_ret(e, r, "write '%s'", h->report.text);
	}
	*fd = fd_take(&s);
	return 0;
}
