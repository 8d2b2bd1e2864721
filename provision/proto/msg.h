/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between processes over SOCK_SEQPACKET, described by tables.  A conversation is a `struct msg_proto`: one row
 * per message with its struct's fields, so that encoding, decoding, limits and MESSAGES.md come from the same place.
 *
 * msg_send and msg_recv share one static buffer: one thread per process uses them, and no handler of signals does.
 *
 * On the wire: u32 magic+version, u32 type, then the fields in table order, little endian; a string or blob is u32
 * length + bytes.  msg_decode is pure, allocates nothing, and refuses: a short or over-long message, a length above the
 * field's maximum, a string with NUL inside, a value out of range, an unknown type.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MSG_FDS_MAX   20
#define MSG_BYTES_MAX (200 * 1024) /* largest encoded message of any conversation */

/* A blob field of at most N bytes inside a message struct. */
#define MSG_BLOB(N)                                                                                \
	struct {                                                                                   \
		uint32_t len;                                                                      \
		uint8_t data[N];                                                                   \
	}

enum msg_kind { MSG_U32, MSG_U64, MSG_STR, MSG_BYTES, MSG_IPPORT };

struct msg_field {
	const char *name;
	enum msg_kind kind;
	uint32_t offset; /* in the message struct */
	uint32_t
		max; /* MSG_STR: array size with NUL; MSG_BYTES: data size; MSG_U32: largest value (0 = any) */
	uint32_t min; /* MSG_BYTES, MSG_STR: least length; MSG_U32: least value */
};

struct msg_row {
	uint32_t type; /* requests even, answers and notices odd */
	const char *name;
	const char *help; /* one line for MESSAGES.md */
	uint32_t size;    /* sizeof the struct, 0 for an empty message */
	const struct msg_field *fields;
	uint32_t nfields;
	uint8_t fds_min, fds_max;
	uint32_t phases; /* bit set of the conversation's phases in which it may arrive */
	bool once;       /* at most one per connection */
};

struct msg_proto {
	const char *name;
	uint32_t version;
	const struct msg_row *rows;
	uint32_t nrows;
	const char *
		phases; /* names of the phase bits, lowest first, for MESSAGES.md; NULL: one phase */
};

/* A received message. `body` is the caller's buffer; the fds are owned by the caller until taken (set to -1). */
struct msg {
	const struct msg_row *row;
	uint32_t type;
	void *body;
	size_t bodycap; /* room at `body` */
	int fds[MSG_FDS_MAX];
	uint32_t nfds;
	pid_t pid; /* sender by SCM_CREDENTIALS when the socket has SO_PASSCRED, else 0 */
};

/* The row of a type, or NULL. */
const struct msg_row *msg_row_of(const struct msg_proto *p, uint32_t type);
/* Bytes written to buf, or -errno (-EMSGSIZE when cap or a field's maximum is exceeded). */
ssize_t msg_encode(const struct msg_proto *p, uint32_t type, const void *body, void *buf,
		   size_t cap, struct err *e);
/* Decode into m->body, m->bodycap bytes, both set by the caller; sets m->row and m->type. 0, or -EBADMSG / -EPROTO. */
int msg_decode(const struct msg_proto *p, const void *buf, size_t len, struct msg *m,
	       struct err *e);

/* A message to send; the fds stay the caller's. */
struct msg_out {
	uint32_t type;
	const void *body;
	const int *fds;
	uint32_t nfds;
};
/* Never raises SIGPIPE. -EAGAIN on a full non-blocking socket, -EPIPE when the peer is gone. */
int msg_send(int sock, const struct msg_proto *p, uint32_t type, const void *body, struct err *e);
int msg_send_fds(int sock, const struct msg_proto *p, const struct msg_out *out, struct err *e);
/*
 * Receive one message. 1 = got one, 0 = end of stream, -EAGAIN = nothing there, other -errno = broken peer (received
 * fds are closed, fd counts outside the row's range are -EPROTO, MSG_CTRUNC too).  All fds arrive CLOEXEC.
 */
int msg_recv(int sock, const struct msg_proto *p, void *body, size_t bodycap, struct msg *m,
	     struct err *e);
/*
 * The same from a peer that has no descriptors to send: those that it sends all the same are dropped by the kernel and
 * never enter this process (-EPROTO).  Closing a file that the peer serves itself (FUSE) would wait for that peer.
 */
int msg_recv_plain(int sock, const struct msg_proto *p, void *body, size_t bodycap, struct msg *m,
		   struct err *e);
/* Overwrite what sending and receiving left behind in this process: after every message with a secret in it. */
void msg_scrub(void);
/* Close the fds that were not taken. */
void msg_close_fds(struct msg *m);

/*
 * Receiver table.  `state` is kept per connection by the caller, zero-initialised; a handler returns 0 or -errno, and
 * -errno means: drop this peer.  msg_dispatch checks phase and once-ness first (out of phase: -EPROTO), and closes the
 * fds that the handler has not taken.
 */
struct msg_state {
	uint32_t phase; /* one bit */
	uint64_t seen;  /* rows already received, for `once`; row index < 64 */
};
typedef int (*msg_handler)(void *ctx, struct msg *m, struct err *e);
struct msg_route {
	uint32_t type;
	msg_handler handler;
};
struct msg_table {
	const struct msg_proto *proto;
	const struct msg_route *routes;
	size_t nroutes;
};
int msg_dispatch(const struct msg_table *t, struct msg_state *st, void *ctx, struct msg *m,
		 struct err *e);

/* A connected pair, both CLOEXEC, with send and receive buffers large enough for MSG_BYTES_MAX where allowed. */
int msg_pair(int sv[2], struct err *e);
/* Connect to / listen on a pathname socket. msg_connect never blocks on a full backlog (-EAGAIN). fd or -errno. */
int msg_connect(const char *path, struct err *e);
int msg_listen(const char *path, mode_t mode, int backlog, struct err *e);
/* Credentials of the peer that connected (SO_PEERCRED). */
int msg_peer(int sock, pid_t *pid, uid_t *uid, struct err *e);

/* Print the conversation as a MESSAGES.md section to stdout (used by the documentation target). */
void msg_print_markdown(const struct msg_proto *p);
