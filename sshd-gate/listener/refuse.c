/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Refusals.  Runs in the listener, which never reads from a connection: what the client sent stays in the kernel until
 * the connection is gone.
 */
#include "refuse.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

/* The send buffer of a fresh connection always has room for it; when not, the client gets nothing. */
static void say(int fd, enum disconnect_reason reason, const char *text)
{
	uint8_t buf[DISCONNECT_BYTES_MAX];
	size_t n = disconnect_packet(reason, text, buf);

	(void)send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
}

void refuse_brief(int fd, enum disconnect_reason reason, const char *text)
{
	say(fd, reason, text);
	fd_close(&fd);
}

static void drop(struct refuse_list *l, unsigned int i)
{
	fd_close(&l->v[i].fd);
	l->n--;
	memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(l->v[0]));
}

void refuse_send(struct refuse_list *l, int fd, enum disconnect_reason reason, const char *text,
		 uint64_t now_us)
{
	say(fd, reason, text);
	if (l->n == REFUSE_MAX)
		drop(l, 0);
	l->v[l->n].fd = fd;
	l->v[l->n].until_us = now_us + REFUSE_LINGER_US;
	l->n++;
}

unsigned int refuse_pollfds(const struct refuse_list *l, struct pollfd *p)
{
	for (unsigned int i = 0; i < l->n; i++)
		p[i] = (struct pollfd){ .fd = l->v[i].fd, .events = POLLRDHUP };
	return l->n;
}

void refuse_expire(struct refuse_list *l, const struct pollfd *p, unsigned int np, uint64_t now_us)
{
	/* Backwards, so that the indices of p stay right. Refusals made after the poll lie behind np. */
	for (unsigned int i = l->n; i-- > 0;) {
		int hung_up = p && i < np && p[i].fd == l->v[i].fd && p[i].revents;

		if (hung_up || now_us >= l->v[i].until_us)
			drop(l, i);
	}
}

uint64_t refuse_deadline(const struct refuse_list *l)
{
	return l->n ? l->v[0].until_us : UINT64_MAX;
}
