/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Refusals.  Runs in the listener, which never reads from a connection: what the client sent stays in the kernel until
 * the connection is gone.
 */
#include "refuse.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define IDENTIFICATION "SSH-2.0-OpenSSH_compatible_sshbay\r\n"
#define SSH_DISCONNECT 1
#define TEXT_MAX       256
#define BLOCK          8 /* of a packet before keys are exchanged, RFC 4253 section 6 */
#define PADDING_MIN    4

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
	*p++ = (uint8_t)(v >> 24);
	*p++ = (uint8_t)(v >> 16);
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

size_t refuse_packet(enum refuse_reason reason, const char *text, uint8_t out[REFUSE_BYTES_MAX])
{
	size_t n = strnlen(text, TEXT_MAX), ident = strlen(IDENTIFICATION);
	size_t payload = 1 + 4 + 4 + n + 4;
	size_t pad = BLOCK - (4 + 1 + payload) % BLOCK;
	uint8_t *p = out;

	if (pad < PADDING_MIN)
		pad += BLOCK;
	memcpy(p, IDENTIFICATION, ident);
	p = put_u32(p + ident, (uint32_t)(1 + payload + pad));
	*p++ = (uint8_t)pad;
	*p++ = SSH_DISCONNECT;
	p = put_u32(p, reason);
	p = put_u32(p, (uint32_t)n);
	memcpy(p, text, n);
	p = put_u32(p + n, 0); /* language tag */
	memset(p, 0, pad);
	return (size_t)(p - out) + pad;
}

/* The send buffer of a fresh connection always has room for it; when not, the client gets nothing. */
static void say(int fd, enum refuse_reason reason, const char *text)
{
	uint8_t buf[REFUSE_BYTES_MAX];
	size_t n = refuse_packet(reason, text, buf);

	(void)send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
}

void refuse_brief(int fd, enum refuse_reason reason, const char *text)
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

void refuse_send(struct refuse_list *l, int fd, enum refuse_reason reason, const char *text,
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
