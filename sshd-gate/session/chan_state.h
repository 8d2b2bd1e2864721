/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of one channel and of one listening socket.  Filled and read by chan.c, spawn.c, forward.c and pump.c; owned by the
 * struct session that lists it (session.h).
 */
#pragma once
#include "proto/init.h"
#include <stdbool.h>
#include <stdint.h>

struct ssh_channel_struct;
struct ssh_message_struct;

enum chan_kind { CHAN_SESSION, CHAN_DIAL, CHAN_REMOTE };
enum chan_state {
	CHAN_IDLE,    /* open, nothing asked for yet */
	CHAN_WAITING, /* asked; ws-init's answer is not here yet */
	CHAN_RUNNING, /* fds are there */
	CHAN_CLOSING, /* our CLOSE is sent, the client's is awaited */
};

/* Bytes that could not be written on yet. */
struct rest {
	uint8_t *data; /* owned */
	uint32_t off, len;
};

/* One direction workspace -> client. */
struct out {
	int fd;        /* owned; -1 when at its end or not there */
	bool ready;    /* poll saw something to read */
	bool quiet;    /* poll was asked and saw nothing */
	bool bulk;     /* the pipe was enlarged */
	uint32_t vain; /* times in a row that poll promised something and nothing was there */
	uint64_t bytes;
	struct rest rest;
};

struct chan {
	uint32_t id; /* ours, never reused on a connection; also the spawn id towards ws-init */
	enum chan_kind kind;
	enum chan_state state;
	struct ssh_channel_struct *ssh;
	struct ssh_message_struct *open_msg; /* DIAL: the unanswered open request, owned */
	void *callbacks;                     /* struct ssh_channel_callbacks_struct, owned */

	struct init_spawn *ask;    /* SESSION: what was requested so far; freed when sent */
	char *original;            /* SESSION: what a forced command takes the place of, owned */
	struct init_address *dial; /* DIAL: as above */
	bool sent;                 /* the request is with ws-init */
	uint64_t jump_us; /* DIAL: provisiond was asked first and answers until then, 0 = not */
	char *target;     /* forwards: "host:port" or a path, for provisiond; owned, NULL = none */
	uint32_t what;    /* enum gate_channel_kind */
	bool pty, announced, terminal_text;
	bool hush;        /* no greeting */
	uint32_t display; /* SESSION: id of its X11 display among the listening sockets, 0 = none */

	struct out out, err;
	int in;           /* owned; a duplicate of out.fd for a terminal or socket */
	bool in_blocked;  /* full at the last try: poll for room */
	bool in_dead;     /* nobody reads: discard */
	uint32_t in_vain; /* as out.vain */
	bool have_data;   /* libssh holds bytes for us */
	bool eof_seen;    /* the client sent EOF */
	bool in_bulk;
	uint64_t in_bytes, raised_at; /* window raised when in_bytes was this */
	struct rest in_rest;
	uint64_t active_us; /* last small exchange, for the choice of chunk */
	uint64_t hold_us;   /* nothing is read from its outputs before, 0 = may be */
	uint32_t window_top,
		window_extra; /* the client's window at its widest; allowed beyond half of it */

	bool exited, exit_sent, eof_sent, why_asked;
	uint32_t status, signal, core;
	uint64_t exited_us, why_until_us;
	uint64_t drained_us;      /* its output ended, 0 = not yet */
	uint64_t moved, moved_us; /* bytes in all directions, and when they last changed (idle.c) */

	bool remote_closed;
	bool unwanted; /* the client reads no more output (eow@openssh.com) */
	bool eow_sent; /* and neither does the program its input */
};

/* A socket that listens inside, and leads to the client (remote.h). */
struct listen {
	int fd;           /* owned, -1 = free row or not answered yet */
	uint32_t id;      /* towards ws-init, 0 = free */
	uint32_t kind;    /* enum gate_channel_kind: LISTEN, AGENT, X11 */
	uint32_t port;    /* LISTEN: the port; X11: the display */
	uint32_t address; /* LISTEN: enum init_address_kind */
	char host[256];   /* LISTEN: as the client named it; AGENT, X11: the path of the file */
	struct ssh_message_struct *msg; /* LISTEN: the unanswered request, owned */
	struct init_address *ask;
	bool sent, announced;
	bool single;     /* X11: for one connection */
	uint32_t screen; /* X11: of the display, as the client has it */
};
