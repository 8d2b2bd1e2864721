/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See peers.h. */
#include "peers.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

/* Large enough for every message struct of both conversations. */
static union {
	struct init_spawn spawn;
	struct gate_key key;
	struct gate_permit permit;
	struct gate_answers answers;
	uint8_t bytes[256 * 1024];
} body;

static void add_end(struct peers *p, int fd, bool pair)
{
	size_t i = 0;

	while (i < PEERS_ENDS && p->ends[i].fd >= 0)
		i++;
	if (i == PEERS_ENDS || fd < 0) {
		fd_close(&fd);
		return;
	}
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	p->ends[i] = (struct peers_end){ fd, pair };
}

/* --- sending --- */
/* Bytes that msg_send would refuse. */
static void send_bytes(int sock, const void *bytes, size_t len, const int *fds, uint32_t n)
{
	union {
		char room[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec io = { (void *)bytes, len };
	struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c;

		h.msg_control = control.room;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	(void)sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say(int sock, const struct msg_proto *proto, const struct msg_out *out)
{
	struct err e = { 0 };

	if (sock >= 0)
		(void)msg_send_fds(sock, proto, out, &e);
}

static void tell_session(struct peers *p, uint32_t type, const void *what)
{
	say(p->prov, &gate_proto, &(struct msg_out){ type, what, NULL, 0 });
}

static void from_inside(struct peers *p, uint32_t type, const void *what)
{
	say(p->init, &init_proto, &(struct msg_out){ type, what, NULL, 0 });
}

/* --- hostile answers --- */
static int odd_fd(struct peers *p)
{
	static const char *const paths[] = { "/dev/null", "/dev/zero", "/", "/proc/self/mem",
					     "/dev/full" };
	int sv[2];

	switch (rng_below(&p->rng, 8)) {
	case 0:
		return memfd_create("odd", MFD_CLOEXEC);
	case 1:
		return epoll_create1(EPOLL_CLOEXEC);
	case 2: /* a socket that never was connected */
		return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case 3:
		return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case 4: /* the write end where a read end should be */
		if (pipe2(sv, O_CLOEXEC) < 0)
			return -1;
		add_end(p, sv[0], false);
		return sv[1];
	case 5:
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
			return -1;
		add_end(p, sv[0], true);
		return sv[1];
	default:
		return open(paths[rng_below(&p->rng, sizeof(paths) / sizeof(*paths))],
			    O_RDONLY | O_CLOEXEC);
	}
}

static uint32_t some_id(struct peers *p)
{
	if (p->nids && !rng_once(&p->rng, 4))
		return p->ids[rng_below(&p->rng, p->nids < 64 ? p->nids : 64)];
	return rng_odd(&p->rng);
}

/* A message of any kind with fields drawn by its table. */
static void fill(struct peers *p, const struct msg_row *row)
{
	memset(&body, 0, row->size);
	for (uint32_t i = 0; i < row->nfields; i++) {
		const struct msg_field *f = &row->fields[i];
		uint8_t *at = body.bytes + f->offset;
		uint32_t n =
			f->max ? rng_below(&p->rng,
					   f->max > 2000 && !rng_once(&p->rng, 8) ? 64 : f->max)
			       : 0;
		uint32_t v = f->max ? rng_below(&p->rng, (size_t)f->max + 1) : some_id(p);

		if (f->kind == MSG_U32) {
			memcpy(at, &v, sizeof(v));
		} else if (f->kind == MSG_STR) {
			rng_fill(&p->rng, at, n);
			for (uint32_t k = 0; k < n; k++)
				at[k] |= 1;
		} else if (f->kind == MSG_BYTES) {
			memcpy(at, &n, sizeof(n));
			rng_fill(&p->rng, at + 4, n);
		}
	}
}

static void odd_message(struct peers *p, int sock, const struct msg_proto *proto)
{
	static uint8_t bytes[MSG_BYTES_MAX];
	const struct msg_row *row = &proto->rows[rng_below(&p->rng, proto->nrows)];
	uint32_t nfds = rng_once(&p->rng, 4) ? rng_below(&p->rng, 8) : row->fds_max;
	int fds[MSG_FDS_MAX];
	struct err e = { 0 };
	ssize_t n;

	fill(p, row);
	n = msg_encode(proto, row->type, &body, bytes, sizeof(bytes), &e);
	if (n < 8)
		return;
	for (uint32_t k = rng_below(&p->rng, 3); k; k--)
		bytes[rng_below(&p->rng, (size_t)n)] = (uint8_t)rng_next(&p->rng);
	if (rng_once(&p->rng, 6))
		n = rng_below(&p->rng, (size_t)n + 1);
	for (uint32_t i = 0; i < nfds; i++) {
		fds[i] = odd_fd(p);
		if (fds[i] < 0)
			nfds = i;
	}
	send_bytes(sock, bytes, (size_t)n, fds, nfds);
	for (uint32_t i = 0; i < nfds; i++)
		fd_close(&fds[i]);
}

/* --- provisiond --- */
static void attach(struct peers *p)
{
	struct gate_attached a = {
		.workspace = "alice", .user = "alice", .created = 1, .took_us = 1200
	};
	const struct init_bound b = { .home = "/home/alice", .shell = "/bin/sh" };
	struct err e;
	int sv[2];

	if (rng_once(&p->rng, 12)) {
		const struct gate_refused r = { "start 'alice': no memory (limits)" };

		tell_session(p, GATE_REFUSED, &r);
		return;
	}
	if (msg_pair(sv, &e) < 0)
		return;
	fd_close(&p->init);
	p->init = sv[0];
	(void)fcntl(p->init, F_SETFL, O_NONBLOCK);
	p->attached++;
	say(p->prov, &gate_proto, &(struct msg_out){ GATE_ATTACHED, &a, &sv[1], 1 });
	close(sv[1]);
	from_inside(p, INIT_BOUND, &b);
}

static void verdict(struct peers *p, uint32_t asked)
{
	struct gate_verdict v = { .ok = !rng_once(&p->rng, 8) };

	struct gate_permit may = { .flags = GATE_MAY_ALL };

	if (!v.ok && rng_once(&p->rng, 4))
		v.drop = 1;
	if (rng_once(&p->rng, 6))
		may.flags = rng_below(&p->rng, GATE_MAY_ALL + 1);
	if (v.ok && asked != GATE_PROBE)
		tell_session(p, GATE_PERMIT, &may);
	tell_session(p, GATE_VERDICT, &v);
}

static void gate_message(struct peers *p, const struct msg *m)
{
	struct gate_signed s = { .sig.len = 64 };
	const struct gate_because because = { "" };
	struct gate_prompt prompt = { .n = 1, .prompts = { "Code: " } };
	struct gate_jumped jumped = { .text = "refused" };

	switch (m->type) {
	case GATE_SIGN: /* the client believes every signature */
		tell_session(p, GATE_SIGNED, &s);
		break;
	case GATE_PROBE:
	case GATE_VERIFY:
	case GATE_PASSWORD:
	case GATE_ANSWERS:
		verdict(p, m->type);
		break;
	case GATE_INTERACTIVE:
		tell_session(p, GATE_PROMPT, &prompt);
		break;
	case GATE_JUMP:
		jumped.id = ((const struct gate_jump *)m->body)->id;
		tell_session(p, GATE_JUMPED, &jumped);
		break;
	case GATE_ATTACH:
		attach(p);
		break;
	case GATE_WHY:
		tell_session(p, GATE_BECAUSE, &because);
		break;
	}
}

/* --- ws-init --- */
static void spawned(struct peers *p, const struct init_spawn *q)
{
	const struct init_spawned a = { .id = q->id, .pid = 7 };
	int fds[3] = { -1, -1, -1 }, n = q->flags & INIT_PTY ? 1 : 3, other[2];

	if (n == 1) {
		if (openpty(&fds[0], &other[0], NULL, NULL, NULL) == 0)
			add_end(p, other[0], true);
	} else {
		for (int i = 0; i < 3; i++)
			if (pipe2(other, O_CLOEXEC) == 0) {
				fds[i] = other[i == 0];
				add_end(p, other[i != 0], false);
			}
	}
	if (p->hostile_init)
		for (int i = 0; i < n; i++)
			if (rng_once(&p->rng, 4)) {
				fd_close(&fds[i]);
				fds[i] = odd_fd(p);
			}
	if (fds[0] >= 0 && (n == 1 || (fds[1] >= 0 && fds[2] >= 0)))
		say(p->init, &init_proto, &(struct msg_out){ INIT_SPAWNED, &a, fds, (uint32_t)n });
	for (int i = 0; i < 3; i++)
		fd_close(&fds[i]);
}

static int listening_socket(struct peers *p)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(any);

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&any, len) < 0 || listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *)&any, &len) < 0) {
		fd_close(&fd);
		return -1;
	}
	for (uint32_t k = rng_below(&p->rng, 3); k; k--) { /* somebody comes */
		int in = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		(void)connect(in, (struct sockaddr *)&any, len);
		add_end(p, in, true);
	}
	return fd;
}

static void opened(struct peers *p, const struct init_address *q, bool listen)
{
	const struct init_failed f = { q->id, ECONNREFUSED, "dial: refused" };
	struct init_opened a = { .id = q->id, .port = q->port ? q->port : 4711 };
	int fd = -1, sv[2];

	if (rng_once(&p->rng, 4)) {
		from_inside(p, INIT_FAILED, &f);
		return;
	}
	p->listens += listen;
	if (p->hostile_init && rng_once(&p->rng, 3)) {
		fd = odd_fd(p);
	} else if (listen) {
		fd = listening_socket(p);
	} else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0) {
		add_end(p, sv[0], true);
		fd = sv[1];
	}
	if (fd >= 0)
		say(p->init, &init_proto,
		    &(struct msg_out){ listen ? INIT_LISTENING : INIT_DIALED, &a, &fd, 1 });
	fd_close(&fd);
}

static void init_message(struct peers *p, const struct msg *m)
{
	const struct init_signal *s = m->body;
	struct init_exited x = { 0 };

	switch (m->type) {
	case INIT_SPAWN:
		p->ids[p->nids++ % 64] = ((const struct init_spawn *)m->body)->id;
		spawned(p, m->body);
		break;
	case INIT_DIAL:
	case INIT_LISTEN:
		p->ids[p->nids++ % 64] = ((const struct init_address *)m->body)->id;
		opened(p, m->body, m->type == INIT_LISTEN);
		break;
	case INIT_SIGNAL:
		x.id = s->id;
		x.signal = s->signal;
		from_inside(p, INIT_EXITED, &x);
		break;
	}
}

/* --- the turn of both --- */
static bool answer(struct peers *p, int *sock, const struct msg_proto *proto)
{
	bool prov = proto == &gate_proto, hostile = prov ? p->hostile_prov : p->hostile_init;
	struct err e = { 0 };
	struct msg m;
	int ret = *sock < 0 ? -EAGAIN : msg_recv(*sock, proto, &body, sizeof(body), &m, &e);

	if (ret == -EAGAIN)
		return false;
	if (ret <= 0) {
		fd_close(sock);
		return true;
	}
	p->questions++;
	/* A provisiond that answers no signature is waited for long: not in every run. */
	if (hostile && rng_once(&p->rng, prov && m.type == GATE_SIGN ? 64 : 6)) {
		odd_message(p, *sock, proto);
	} else if (prov) {
		gate_message(p, &m);
	} else {
		init_message(p, &m);
	}
	msg_close_fds(&m);
	return true;
}

bool peers_answer(struct peers *p)
{
	bool some = false, more = true;

	for (int n = 0; more && n < 256; n++) {
		more = answer(p, &p->prov, &gate_proto);
		more |= answer(p, &p->init, &init_proto);
		some |= more;
	}
	return some;
}

static void stir_end(struct peers *p, struct peers_end *end)
{
	static uint8_t bytes[65536];
	uint32_t n = rng_once(&p->rng, 6) ? sizeof(bytes) : rng_below(&p->rng, 600);

	switch (rng_below(&p->rng, 6)) {
	case 0:
		fd_close(&end->fd);
		return;
	case 1:
		if (end->pair)
			(void)shutdown(end->fd, (int)rng_below(&p->rng, 3));
		return;
	case 2:
	case 3:
		(void)!read(end->fd, bytes, sizeof(bytes));
		return;
	default:
		(void)!write(end->fd, bytes, n);
	}
}

void peers_stir(struct peers *p)
{
	struct init_exited x = { .id = some_id(p), .status = rng_odd(&p->rng) & 255 };

	for (uint32_t k = 1 + rng_below(&p->rng, 4); k; k--) {
		struct peers_end *end = &p->ends[rng_below(&p->rng, PEERS_ENDS / 16)];

		if (end->fd >= 0)
			stir_end(p, end);
	}
	if (rng_once(&p->rng, 12))
		x.signal = rng_below(&p->rng, 70);
	if (p->nids && rng_once(&p->rng, 4))
		from_inside(p, INIT_EXITED, &x);
	if (p->hostile_init && p->init >= 0 && rng_once(&p->rng, 6))
		odd_message(p, p->init, &init_proto);
	if (p->hostile_prov && p->prov >= 0 && rng_once(&p->rng, 12))
		odd_message(p, p->prov, &gate_proto);
}

void peers_quiet(struct peers *p)
{
	for (size_t i = 0; i < PEERS_ENDS; i++)
		fd_close(&p->ends[i].fd);
	for (uint32_t i = 0; i < 64 && i < p->nids; i++) {
		const struct init_exited x = { .id = p->ids[i] };

		from_inside(p, INIT_EXITED, &x);
	}
}

void peers_open(struct peers *p, int prov, uint64_t seed)
{
	struct gate_welcome w = { .auth_tries = 6,
				  .max_sessions = 10,
				  .max_forwards = 64,
				  .grace_s = 30,
				  .methods = "publickey,password,keyboard-interactive",
				  .max_answers = 3,
				  .kex = "curve25519-sha256",
				  .ciphers = "aes128-gcm@openssh.com",
				  .macs = "hmac-sha2-256",
				  .accept_env = "LANG LC_*" };

	*p = (struct peers){ .prov = prov, .init = -1, .rng = { seed } };
	for (size_t i = 0; i < PEERS_ENDS; i++)
		p->ends[i].fd = -1;
	(void)fcntl(prov, F_SETFL, O_NONBLOCK);
	w.host_key.len = 32;
	rng_fill(&p->rng, w.host_key.data, 32);
	if (rng_once(&p->rng, 4))
		(void)snprintf(w.banner, sizeof(w.banner), "hello\n");
	tell_session(p, GATE_WELCOME, &w);
}

void peers_close(struct peers *p)
{
	for (size_t i = 0; i < PEERS_ENDS; i++)
		fd_close(&p->ends[i].fd);
	fd_close(&p->prov);
	fd_close(&p->init);
}
