/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The codec and the dispatch, over every row of every conversation: what is valid comes back bit for bit, what is cut,
 * too long or out of range is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "msg_fill.h"

static uint8_t body[MSG_BODY_MAX], back[MSG_BODY_MAX], wire[MSG_BYTES_MAX + 64],
	again[MSG_BYTES_MAX];

typedef void (*row_fn)(const struct msg_proto *p, const struct msg_row *row);

static void each_row(row_fn fn)
{
	for (size_t i = 0; i < MSG_NPROTOS; i++)
		for (uint32_t r = 0; r < msg_protos[i]->nrows; r++)
			fn(msg_protos[i], &msg_protos[i]->rows[r]);
}

static int decode(const struct msg_proto *p, const void *buf, size_t len, struct err *e)
{
	struct msg m = { .body = back, .bodycap = sizeof(back) };

	return msg_decode(p, buf, len, &m, e);
}

static void round_trip(const struct msg_proto *p, const struct msg_row *row)
{
	static const enum msg_fill how[] = { FILL_LEAST, FILL_SOME, FILL_SOME, FILL_SOME,
					     FILL_MOST };
	struct msg got = { .body = back, .bodycap = sizeof(back) };
	struct err e;

	for (uint32_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		ssize_t n, m;

		msg_fill_row(row, body, how[i], i * 31 + row->type);
		n = msg_encode(p, row->type, body, wire, MSG_BYTES_MAX, &e);
		if (n < 0)
			fail_msg("%s %s: %s", p->name, row->name, e.text);
		memset(back, 0xa5, sizeof(back));
		if (msg_decode(p, wire, (size_t)n, &got, &e) < 0)
			fail_msg("%s %s: %s", p->name, row->name, e.text);
		assert_int_equal(got.type, row->type);
		assert_ptr_equal(got.row, row);
		assert_memory_equal(body, back, row->size);
		/* What decodes encodes to the same bytes. */
		m = msg_encode(p, got.type, back, again, sizeof(again), &e);
		assert_int_equal(n, m);
		assert_memory_equal(wire, again, (size_t)n);
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	each_row(round_trip);
}

/* The buffer ends where the message is said to end, so that AddressSanitizer sees a read past it. */
static void cut(const struct msg_proto *p, const struct msg_row *row)
{
	struct err e;
	ssize_t n;

	msg_fill_row(row, body, FILL_SOME, row->type);
	n = msg_encode(p, row->type, body, wire, MSG_BYTES_MAX, &e);
	assert_true(n >= 8);
	for (size_t len = 0; len < (size_t)n; len++) {
		uint8_t *exact = malloc(len ? len : 1);

		assert_non_null(exact);
		memcpy(exact, wire, len);
		if (decode(p, exact, len, &e) != -EBADMSG)
			fail_msg("%s %s: %zu of %zd bytes were accepted", p->name, row->name, len,
				 n);
		free(exact);
	}
	for (size_t more = 1; more < 64; more++) {
		memset(wire + n, 0, more);
		assert_int_equal(decode(p, wire, (size_t)n + more, &e), -EBADMSG);
	}
	assert_int_equal(decode(p, wire, (size_t)n, &e), 0);
}

static void test_cut(void **state)
{
	(void)state;
	each_row(cut);
}

static void put_u32(uint8_t *at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static void refused(const struct msg_proto *p, const struct msg_row *row, const struct msg_field *f,
		    size_t n, const char *what)
{
	struct err e;

	memset(back, 0xa5, sizeof(back));
	if (decode(p, wire, n, &e) != -EBADMSG)
		fail_msg("%s %s: %s %s was accepted", p->name, row->name, f->name, what);
	if (strncmp(e.text, "decode '", 8) != 0 || !strstr(e.text, row->name))
		fail_msg("%s: bad message '%s'", row->name, e.text);
	/* Nothing of a refused message is left in the struct. */
	for (uint32_t i = 0; i < row->size; i++)
		assert_int_equal(back[i], 0);
}

/* Well-formed but for one byte more than the field may have. */
static void one_more(const struct msg_proto *p, const struct msg_row *row,
		     const struct msg_field *f, size_t at, size_t n)
{
	uint32_t len = get_u32(wire + at), most = f->kind == MSG_STR ? f->max - 1 : f->max;
	size_t tail = n - at - 4 - len;

	memcpy(again, wire, n);
	put_u32(wire + at, most + 1);
	memset(wire + at + 4, 'x', most + 1);
	memcpy(wire + at + 4 + most + 1, again + n - tail, tail);
	refused(p, row, f, at + 4 + most + 1 + tail, "one byte above its maximum");
	memcpy(wire, again, n);
}

static void bad_block(const struct msg_proto *p, const struct msg_row *row,
		      const struct msg_field *f, size_t at, size_t n)
{
	uint32_t len = get_u32(wire + at), most = f->kind == MSG_STR ? f->max - 1 : f->max;
	static const uint32_t huge[] = { 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff };

	one_more(p, row, f, at, n);
	put_u32(wire + at, most + 1);
	refused(p, row, f, n, "above its maximum");
	for (int i = 0; i < 4; i++) {
		put_u32(wire + at, huge[i]);
		refused(p, row, f, n, "with a huge length");
	}
	if (f->min) {
		put_u32(wire + at, f->min - 1);
		refused(p, row, f, n, "below its minimum");
	}
	put_u32(wire + at, len);
	if (f->kind == MSG_STR && len) {
		for (uint32_t i = 0; i<len; i += len> 1 ? len - 1 : 1) {
			uint8_t old = wire[at + 4 + i];

			wire[at + 4 + i] = 0;
			refused(p, row, f, n, "with NUL inside");
			wire[at + 4 + i] = old;
		}
	}
}

static void bad_u32(const struct msg_proto *p, const struct msg_row *row, const struct msg_field *f,
		    size_t at, size_t n)
{
	uint32_t v = get_u32(wire + at);

	if (f->max) {
		put_u32(wire + at, f->max + 1);
		refused(p, row, f, n, "above its maximum");
		put_u32(wire + at, UINT32_MAX);
		refused(p, row, f, n, "far above its maximum");
	}
	if (f->min) {
		put_u32(wire + at, f->min - 1);
		refused(p, row, f, n, "below its minimum");
	}
	put_u32(wire + at, v);
}

static void bad_ipport(const struct msg_proto *p, const struct msg_row *row,
		       const struct msg_field *f, size_t at, size_t n)
{
	uint8_t good[24];

	memcpy(good, wire + at, sizeof(good));
	put_u32(wire + at, 5);
	refused(p, row, f, n, "of an unknown family");
	put_u32(wire + at, 2);
	refused(p, row, f, n, "of an unknown family");
	put_u32(wire + at, 4);
	wire[at + 12] = 1;
	refused(p, row, f, n, "with bytes after IPv4");
	memcpy(wire + at, good, sizeof(good));
	put_u32(wire + at + 4, 65536);
	refused(p, row, f, n, "with a port above 65535");
	memcpy(wire + at, good, sizeof(good));
	memset(wire + at, 0, 24);
	put_u32(wire + at + 4, 1);
	refused(p, row, f, n, "without address and with port");
	memcpy(wire + at, good, sizeof(good));
}

static void bad_fields(const struct msg_proto *p, const struct msg_row *row)
{
	struct err e;
	size_t at = 8;
	ssize_t n;

	msg_fill_row(row, body, FILL_SOME, 5);
	n = msg_encode(p, row->type, body, wire, MSG_BYTES_MAX, &e);
	assert_true(n >= 8);
	for (uint32_t i = 0; i < row->nfields; i++) {
		const struct msg_field *f = &row->fields[i];

		if (f->kind == MSG_U32)
			bad_u32(p, row, f, at, (size_t)n);
		else if (f->kind == MSG_IPPORT)
			bad_ipport(p, row, f, at, (size_t)n);
		else if (f->kind != MSG_U64)
			bad_block(p, row, f, at, (size_t)n);
		at += f->kind == MSG_U32      ? 4
		      : f->kind == MSG_U64    ? 8
		      : f->kind == MSG_IPPORT ? 24
					      : 4 + get_u32(wire + at);
	}
	assert_int_equal(at, (size_t)n);
}

static void test_bad_fields(void **state)
{
	(void)state;
	each_row(bad_fields);
}

/* A sender that breaks the rules of its own table hears so, and the buffer's end holds. */
static void bad_encode(const struct msg_proto *p, const struct msg_row *row)
{
	struct err e;
	ssize_t n;

	msg_fill_row(row, body, FILL_SOME, 9);
	n = msg_encode(p, row->type, body, wire, MSG_BYTES_MAX, &e);
	assert_true(n >= 8);
	for (size_t cap = 0; cap < (size_t)n; cap++) {
		memset(again, 0x5a, (size_t)n + 1);
		assert_int_equal(msg_encode(p, row->type, body, again, cap, &e), -EMSGSIZE);
		assert_int_equal(again[cap], 0x5a);
	}
	for (uint32_t i = 0; i < row->nfields; i++) {
		const struct msg_field *f = &row->fields[i];
		uint8_t *at = body + f->offset;

		msg_fill_row(row, body, FILL_SOME, 9);
		if (f->kind == MSG_STR)
			memset(at, 'x', f->max);
		else if (f->kind == MSG_BYTES || (f->kind == MSG_U32 && f->max))
			memcpy(at, &(uint32_t){ f->max + 1 }, 4);
		else
			continue;
		if (msg_encode(p, row->type, body, wire, MSG_BYTES_MAX, &e) >= 0)
			fail_msg("%s: %s was encoded", row->name, f->name);
	}
}

static void test_bad_encode(void **state)
{
	(void)state;
	each_row(bad_encode);
}

static void test_header(void **state)
{
	struct msg got = { 0 };
	struct err e;
	ssize_t n;

	(void)state;
	memset(body, 0, sizeof(body));
	n = msg_encode(&gate_proto, GATE_WHY, NULL, wire, sizeof(wire), &e);
	assert_int_equal(n, 8);
	assert_int_equal(msg_decode(&gate_proto, wire, 8, &got, &e), 0);
	assert_int_equal(decode(&init_proto, wire, 8, &e), -EPROTO);
	for (unsigned int bit = 0; bit < 32; bit++) {
		wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(decode(&gate_proto, wire, 8, &e), -EPROTO);
		wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	put_u32(wire + 4, 0);
	assert_int_equal(decode(&gate_proto, wire, 8, &e), -EPROTO);
	put_u32(wire + 4, 9999);
	assert_int_equal(decode(&gate_proto, wire, 8, &e), -EPROTO);
	assert_int_equal(msg_encode(&gate_proto, 9999, body, wire, sizeof(wire), &e), -EPROTO);
	/* A body that the receiver has no room for. */
	msg_fill_row(&gate_proto.rows[0], body, FILL_SOME, 1);
	n = msg_encode(&gate_proto, GATE_WELCOME, body, wire, sizeof(wire), &e);
	assert_true(n > 0);
	got = (struct msg){ .body = back, .bodycap = sizeof(struct gate_welcome) - 1 };
	assert_int_equal(msg_decode(&gate_proto, wire, (size_t)n, &got, &e), -EBADMSG);
	got.bodycap++;
	assert_int_equal(msg_decode(&gate_proto, wire, (size_t)n, &got, &e), 0);
}

/* No row is twice in a table, and the names of conversations differ where the wire tells them apart. */
static void test_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < MSG_NPROTOS; i++) {
		const struct msg_proto *p = msg_protos[i];

		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(p->name[0], msg_protos[k]->name[0]);
		for (uint32_t r = 0; r < p->nrows; r++) {
			const struct msg_row *row = &p->rows[r];

			assert_non_null(row->help);
			assert_true(strlen(row->help) > 0 && row->phases);
			assert_true(row->size <= MSG_BODY_MAX);
			for (uint32_t k = 0; k < r; k++)
				assert_int_not_equal(row->type, p->rows[k].type);
		}
	}
}

struct seen {
	uint32_t calls, type;
	int ret;
};

static int handler(void *ctx, struct msg *m, struct err *e)
{
	struct seen *s = ctx;

	s->calls++;
	s->type = m->type;
	return s->ret < 0 ? err_set(e, -s->ret, "handle: failed") : 0;
}

static int dispatch(struct msg_state *st, uint32_t type, struct seen *s, int fd)
{
	static const struct msg_route routes[] = { { INIT_BIND, handler },
						   { INIT_SPAWN, handler },
						   { INIT_SETUP, handler },
						   { INIT_POWER, handler },
						   { 9998, handler } };
	static const struct msg_table table = { &init_proto, routes,
						sizeof(routes) / sizeof(routes[0]) };
	struct msg m = { .type = type, .nfds = fd >= 0, .fds = { fd } };
	struct err e;

	return msg_dispatch(&table, st, s, &m, &e);
}

static void test_dispatch(void **state)
{
	struct msg_state st = { .phase = INIT_PHASE_NEW };
	struct seen s = { 0 };
	int fd;

	(void)state;
	assert_int_equal(dispatch(&st, INIT_SPAWN, &s, -1), -EPROTO);
	assert_int_equal(dispatch(&st, INIT_POWER, &s, -1), -EPROTO);
	assert_int_equal(s.calls, 0);
	assert_int_equal(dispatch(&st, INIT_BIND, &s, -1), 0);
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.type, INIT_BIND);
	assert_int_equal(dispatch(&st, INIT_BIND, &s, -1), -EPROTO);
	st.phase = INIT_PHASE_USER;
	assert_int_equal(dispatch(&st, INIT_BIND, &s, -1), -EPROTO);
	assert_int_equal(dispatch(&st, INIT_SPAWN, &s, -1), 0);
	assert_int_equal(dispatch(&st, INIT_SPAWN, &s, -1), 0);
	assert_int_equal(dispatch(&st, INIT_SETUP, &s, -1), -EPROTO);
	assert_int_equal(dispatch(&st, INIT_DIAL, &s, -1), -EPROTO);  /* no route here */
	assert_int_equal(dispatch(&st, INIT_BOUND, &s, -1), -EPROTO); /* an answer, no route */
	assert_int_equal(dispatch(&st, 9998, &s, -1), -EPROTO);       /* a route, no row */
	st.phase = INIT_PHASE_CONTROL;
	s.ret = -EACCES;
	assert_int_equal(dispatch(&st, INIT_SETUP, &s, -1), -EACCES);
	s.ret = 0;
	assert_int_equal(dispatch(&st, INIT_SETUP, &s, -1),
			 -EPROTO); /* once, even when it failed */
	assert_int_equal(dispatch(&st, INIT_POWER, &s, -1), 0);
	assert_int_equal(s.calls, 5);
	/* Descriptors that nobody took do not stay open, refused or not. */
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dispatch(&st, INIT_POWER, &s, fd), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dispatch(&st, INIT_SPAWN, &s, fd), -EPROTO);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	/* A state that was never set up allows nothing. */
	memset(&st, 0, sizeof(st));
	assert_int_equal(dispatch(&st, INIT_BIND, &s, -1), -EPROTO);
}

/* The phases of the contract, row by row. */
static void test_phases(void **state)
{
	static const struct {
		const struct msg_proto *p;
		uint32_t type, phases;
		bool once;
	} rows[] = {
		{ &gate_proto, GATE_SIGN, 3, false },      { &gate_proto, GATE_PROBE, 1, false },
		{ &gate_proto, GATE_VERIFY, 1, false },    { &gate_proto, GATE_ATTACH, 2, false },
		{ &gate_proto, GATE_CHANNEL, 2, false },   { &gate_proto, GATE_WHY, 2, false },
		{ &gate_proto, GATE_VIOLATION, 1, false }, { &init_proto, INIT_BIND, 1, true },
		{ &init_proto, INIT_SPAWN, 2, false },     { &init_proto, INIT_SIGNAL, 2, false },
		{ &init_proto, INIT_DIAL, 2, false },      { &init_proto, INIT_LISTEN, 2, false },
		{ &init_proto, INIT_SETUP, 4, true },      { &init_proto, INIT_POWER, 4, false },
		{ &ctl_proto, CTL_START, 1, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct msg_row *row = NULL;

		for (uint32_t r = 0; r < rows[i].p->nrows; r++)
			if (rows[i].p->rows[r].type == rows[i].type)
				row = &rows[i].p->rows[r];
		assert_non_null(row);
		assert_int_equal(row->phases, rows[i].phases);
		assert_int_equal(row->once, rows[i].once);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad_fields), cmocka_unit_test(test_bad_encode),
		cmocka_unit_test(test_header),     cmocka_unit_test(test_tables),
		cmocka_unit_test(test_dispatch),   cmocka_unit_test(test_phases),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
