/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the tables of conversations are written.  Only the files that hold one include this.  A row that breaks a rule of
 * the wire (parity of its number, size of its largest message, number of fds) does not compile.
 */
#pragma once
#include "proto/msg.h"
#include <stddef.h>

#define MEMBER(st, f) (((struct st *)0)->f)

/* clang-format off */
/* Fields. `lo` and `hi` as `min` and `max` of struct msg_field; hi 0 = any. */
#define U32(st, f, lo, hi) {#f, MSG_U32, offsetof(struct st, f), (hi), (lo)}
#define U64(st, f) {#f, MSG_U64, offsetof(struct st, f), 0, 0}
#define STR(st, f, lo) {#f, MSG_STR, offsetof(struct st, f), sizeof(MEMBER(st, f)), (lo)}
#define BYTES(st, f, lo) {#f, MSG_BYTES, offsetof(struct st, f), sizeof(MEMBER(st, f).data), (lo)}
/* Must be empty in this message. */
#define NO_BYTES(st, f) {#f, MSG_BYTES, offsetof(struct st, f), 0, 0}
#define IPPORT(st, f) {#f, MSG_IPPORT, offsetof(struct st, f), 0, 0}
/* clang-format on */

/* On the wire: 8 bytes of header, and at most 8 bytes per field more than in the struct. */
#define FITS(st, fs) (sizeof(struct st) + 8 + 8 * sizeof(fs) / sizeof((fs)[0]) <= MSG_BYTES_MAX)
#define CHECKED(value, cond, why)                                                                  \
	((value) + 0 * sizeof(struct {                                                             \
			   _Static_assert(cond, why);                                              \
			   int unused;                                                             \
		   }))

#define ROW_(t, parity, word, st, fs, lo, hi, ph, text)                                            \
	.type = (uint32_t)CHECKED(t, ((t)&1) == (parity), word), .name = #t, .help = (text),       \
	.size = (uint32_t)CHECKED(sizeof(struct st), FITS(st, fs), "larger than MSG_BYTES_MAX"),   \
	.fields = (fs), .nfields = sizeof(fs) / sizeof((fs)[0]),                                   \
	.fds_min = (uint8_t)CHECKED(lo, (lo) <= (hi), "fds_min above fds_max"),                    \
	.fds_max = (uint8_t)CHECKED(hi, (hi) <= MSG_FDS_MAX, "more fds than MSG_FDS_MAX"),         \
	.phases = (ph)

/* A request, and an answer or notice: number, struct, its fields, fds from..to, phases, help. */
#define ASK(t, st, fs, lo, hi, ph, text)    ROW_(t, 0, "requests are even", st, fs, lo, hi, ph, text)
#define ANSWER(t, st, fs, lo, hi, ph, text) ROW_(t, 1, "answers are odd", st, fs, lo, hi, ph, text)
/* The same without a body. */
#define ASK_EMPTY(t, ph, text)                                                                     \
	.type = (uint32_t)CHECKED(t, ((t)&1) == 0, "requests are even"), .name = #t,               \
	.help = (text), .phases = (ph)
#define ANSWER_EMPTY(t, ph, text)                                                                  \
	.type = (uint32_t)CHECKED(t, ((t)&1) == 1, "answers are odd"), .name = #t, .help = (text), \
	.phases = (ph)

#define ANY_PHASE   UINT32_MAX
#define NROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
/* struct msg_state.seen has a bit per row. */
#define CHECK_ROWS(rows) _Static_assert(NROWS(rows) <= 64, "more rows than bits in msg_state.seen")
