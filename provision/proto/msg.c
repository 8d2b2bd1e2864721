/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table codec: bytes to struct and back, and the dispatch of what was received.  Pure: no system call, no
 * allocation.  msg_decode is the first thing that reads what an unprivileged or hostile process wrote.
 */
#include "proto/msg.h"

#include <endian.h>
#include <string.h>

#include "base/ip.h"

#define HEADER 8

/* A MSG_BYTES field begins with its length (MSG_BLOB). */
#define BLOB_DATA 4

struct writer {
	uint8_t *p;
	size_t left;
};
struct reader {
	const uint8_t *p;
	size_t left;
};

/* "SB", the first letter of the conversation and its version: a message of another conversation is refused at once. */
static uint32_t magic(const struct msg_proto *p)
{
	return UINT32_C(0x5342) | (uint32_t)(uint8_t)p->name[0] << 16 | (p->version & 0xff) << 24;
}

const struct msg_row *msg_row_of(const struct msg_proto *p, uint32_t type)
{
	for (uint32_t i = 0; i < p->nrows; i++)
		if (p->rows[i].type == type)
			return &p->rows[i];
	return NULL;
}

static bool put(struct writer *w, const void *bytes, size_t n)
{
	if (n > w->left)
		return false;
	if (n)
		memcpy(w->p, bytes, n);
	w->p += n;
	w->left -= n;
	return true;
}

static bool put_u32(struct writer *w, uint32_t v)
{
	v = htole32(v);
	return put(w, &v, sizeof(v));
}

static bool put_u64(struct writer *w, uint64_t v)
{
	v = htole64(v);
	return put(w, &v, sizeof(v));
}

static bool get(struct reader *r, void *bytes, size_t n)
{
	if (n > r->left)
		return false;
	if (n)
		memcpy(bytes, r->p, n);
	r->p += n;
	r->left -= n;
	return true;
}

static bool get_u32(struct reader *r, uint32_t *v)
{
	if (!get(r, v, sizeof(*v)))
		return false;
	*v = le32toh(*v);
	return true;
}

static bool get_u64(struct reader *r, uint64_t *v)
{
	if (!get(r, v, sizeof(*v)))
		return false;
	*v = le64toh(*v);
	return true;
}

static bool u32_in_range(const struct msg_field *f, uint32_t v)
{
	return v >= f->min && (f->max == 0 || v <= f->max);
}

static int put_ipport(struct writer *w, const void *at)
{
	uint8_t addr[16] = { 0 };
	struct ipport ip;
	uint32_t family;

	memcpy(&ip, at, sizeof(ip));
	family = ip.addr.family == AF_INET ? 4 : ip.addr.family == AF_INET6 ? 6 : 0;
	if (family == 0 && ip.addr.family != 0)
		return -EINVAL;
	if (family)
		memcpy(addr, ip.addr.b, family == 4 ? 4 : 16);
	if (!put_u32(w, family) || !put_u32(w, ip.port) || !put(w, addr, sizeof(addr)))
		return -EMSGSIZE;
	return 0;
}

static int put_block(struct writer *w, const struct msg_field *f, const void *data, size_t n)
{
	if (n < f->min)
		return -EINVAL;
	return put_u32(w, (uint32_t)n) && put(w, data, n) ? 0 : -EMSGSIZE;
}

static int encode_field(struct writer *w, const struct msg_field *f, const uint8_t *at)
{
	uint32_t v32;
	uint64_t v64;

	switch (f->kind) {
	case MSG_U32:
		memcpy(&v32, at, sizeof(v32));
		if (!u32_in_range(f, v32))
			return -EINVAL;
		return put_u32(w, v32) ? 0 : -EMSGSIZE;
	case MSG_U64:
		memcpy(&v64, at, sizeof(v64));
		return put_u64(w, v64) ? 0 : -EMSGSIZE;
	case MSG_STR:
		v64 = strnlen((const char *)at, f->max);
		return v64 == f->max ? -EMSGSIZE : put_block(w, f, at, v64);
	case MSG_BYTES:
		memcpy(&v32, at, sizeof(v32));
		return v32 > f->max ? -EMSGSIZE : put_block(w, f, at + BLOB_DATA, v32);
	case MSG_IPPORT:
		return put_ipport(w, at);
	}
	return -EINVAL;
}

ssize_t msg_encode(const struct msg_proto *p, uint32_t type, const void *body, void *buf,
		   size_t cap, struct err *e)
{
	const struct msg_row *row = msg_row_of(p, type);
	struct writer w = { buf, cap };

	if (!row)
		return err_set(e, EPROTO, "encode '%s' message: unknown type %u", p->name, type);
	if (!put_u32(&w, magic(p)) || !put_u32(&w, type))
		return err_set(e, EMSGSIZE, "encode '%s': buffer too small", row->name);
	for (uint32_t i = 0; i < row->nfields; i++) {
		const struct msg_field *f = &row->fields[i];
		int r = encode_field(&w, f, (const uint8_t *)body + f->offset);

		if (r < 0)
			return err_set(e, -r, "encode '%s': %s %s", row->name, f->name,
				       r == -EMSGSIZE ? "is too long" : "is out of range");
	}
	return (ssize_t)(cap - w.left);
}

static const char *get_ipport(struct reader *r, uint8_t *at)
{
	static const uint8_t zero[16];
	struct ipport ip = { 0 };
	uint32_t family, port;
	uint8_t addr[16];
	size_t used;

	if (!get_u32(r, &family) || !get_u32(r, &port) || !get(r, addr, sizeof(addr)))
		return "is cut short";
	if ((family != 0 && family != 4 && family != 6) || port > 65535)
		return "is out of range";
	used = family == 4 ? 4 : family == 6 ? 16 : 0;
	/* One value, one encoding: bytes that mean nothing must be zero. */
	if (memcmp(addr + used, zero, 16 - used) != 0 || (family == 0 && port != 0))
		return "is out of range";
	ip.addr.family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : 0;
	memcpy(ip.addr.b, addr, used);
	ip.port = (uint16_t)port;
	memcpy(at, &ip, sizeof(ip));
	return NULL;
}

static const char *get_block(struct reader *r, const struct msg_field *f, uint8_t *at)
{
	uint32_t n, max = f->kind == MSG_STR ? f->max - 1 : f->max;

	if (!get_u32(r, &n))
		return "is cut short";
	if (n > max)
		return "is too long";
	if (n < f->min)
		return "is too short";
	if (n > r->left)
		return "is cut short";
	if (f->kind == MSG_STR) {
		if (memchr(r->p, '\0', n))
			return "has a NUL inside";
		at[n] = '\0';
	} else {
		memcpy(at, &n, sizeof(n));
		at += BLOB_DATA;
	}
	(void)get(r, at, n);
	return NULL;
}

/* NULL, or what is wrong with the field. */
static const char *decode_field(struct reader *r, const struct msg_field *f, uint8_t *at)
{
	uint32_t v32;
	uint64_t v64;

	switch (f->kind) {
	case MSG_U32:
		if (!get_u32(r, &v32))
			return "is cut short";
		if (!u32_in_range(f, v32))
			return "is out of range";
		memcpy(at, &v32, sizeof(v32));
		return NULL;
	case MSG_U64:
		if (!get_u64(r, &v64))
			return "is cut short";
		memcpy(at, &v64, sizeof(v64));
		return NULL;
	case MSG_STR:
	case MSG_BYTES:
		return get_block(r, f, at);
	case MSG_IPPORT:
		return get_ipport(r, at);
	}
	return "has no known kind";
}

static int decode_body(const struct msg_row *row, struct reader *r, uint8_t *body, struct err *e)
{
	for (uint32_t i = 0; i < row->nfields; i++) {
		const struct msg_field *f = &row->fields[i];
		const char *wrong = decode_field(r, f, body + f->offset);

		if (wrong)
			return err_set(e, EBADMSG, "decode '%s': %s %s", row->name, f->name, wrong);
	}
	if (r->left)
		return err_set(e, EBADMSG, "decode '%s': %zu bytes too many", row->name, r->left);
	return 0;
}

int msg_decode(const struct msg_proto *p, const void *buf, size_t len, struct msg *m, struct err *e)
{
	struct reader r = { buf, len };
	const struct msg_row *row;
	uint32_t head;
	int ret;

	if (!get_u32(&r, &head) || !get_u32(&r, &m->type))
		return err_set(e, EBADMSG, "decode '%s' message: shorter than its header", p->name);
	if (head != magic(p))
		return err_set(e, EPROTO, "decode '%s' message: other conversation or version",
			       p->name);
	m->row = row = msg_row_of(p, m->type);
	if (!row)
		return err_set(e, EPROTO, "decode '%s' message: unknown type %u", p->name, m->type);
	if (row->size > m->bodycap)
		return err_set(e, EBADMSG, "decode '%s': larger than the receiver expects",
			       row->name);
	if (row->size)
		memset(m->body, 0, row->size);
	ret = decode_body(row, &r, m->body, e);
	/* Nobody shall act on half a message by mistake. */
	if (ret < 0 && row->size)
		memset(m->body, 0, row->size);
	return ret;
}

static const struct msg_route *find_route(const struct msg_table *t, uint32_t type)
{
	for (size_t i = 0; i < t->nroutes; i++)
		if (t->routes[i].type == type)
			return &t->routes[i];
	return NULL;
}

int msg_dispatch(const struct msg_table *t, struct msg_state *st, void *ctx, struct msg *m,
		 struct err *e)
{
	const struct msg_row *row = msg_row_of(t->proto, m->type);
	const struct msg_route *route = find_route(t, m->type);
	uint64_t bit;
	int r;

	if (!row || !route || !(row->phases & st->phase)) {
		msg_close_fds(m);
		return err_set(e, EPROTO, "receive '%s': not allowed %s",
			       row ? row->name : "unknown", route ? "in this phase" : "here");
	}
	bit = UINT64_C(1) << (row - t->proto->rows);
	if (row->once && (st->seen & bit)) {
		msg_close_fds(m);
		return err_set(e, EPROTO, "receive '%s': allowed once only", row->name);
	}
	st->seen |= bit;
	r = route->handler(ctx, m, e);
	msg_close_fds(m);
	return r;
}
