/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "gate": one connection's session process <-> provisiond.  The socket is one end of a pair that the listener made; the
 * listener hands the other end to provisiond and keeps a duplicate, so that a restarted provisiond can take over.
 *
 * Phases: AUTH until provisiond itself has verified a signature, OPEN after.  provisiond treats the session as hostile:
 * nothing here names a path, a uid or a workspace that its own records of this connection do not allow.
 */
#pragma once
#include "base/ip.h"
#include "base/str.h"
#include "proto/gate_login.h"
#include "proto/msg.h"

enum gate_phase { GATE_PHASE_AUTH = 1, GATE_PHASE_OPEN = 2 };

enum gate_type {
	GATE_WELCOME = 3, /* provisiond -> session, first message */
	GATE_SIGN = 4,
	GATE_SIGNED = 5,
	GATE_PROBE = 6,
	GATE_VERIFY = 8,
	GATE_VERDICT = 9,
	GATE_ATTACH = 10,
	GATE_PROGRESS = 11,
	GATE_ATTACHED = 13,
	GATE_REFUSED = 15,
	GATE_CHANNEL = 16, /* notice for `sshbay sessions` and the audit log */
	GATE_WHY = 18,
	GATE_BECAUSE = 19,
	GATE_VIOLATION = 20, /* notice: the client broke the protocol before its login */
	GATE_RESUMED = 21,   /* a new provisiond has taken over: ask again what was unanswered */
	GATE_PERMIT = 23,    /* just before the verdict that authenticates */
	GATE_PASSWORD = 24,
	GATE_INTERACTIVE = 26,
	GATE_PROMPT = 27,
	GATE_ANSWERS = 28,
	GATE_JUMP = 30,
	GATE_JUMPED = 31,
	GATE_LEAVE = 33,  /* end the connection: sshbay kick, a revoked key */
	GATE_NOTICE = 35, /* a line for the user's terminal */
};

struct gate_attach {
	uint32_t progress; /* 1: send GATE_PROGRESS (a terminal is waiting) */
};
struct gate_progress { /* DESIGN section 7: one line of the creation report */
	char step[32]; /* the first one is "workspace" with the name as detail */
	char detail[128];
	uint64_t us;
};
/* fd: a connected ws-init socket ("init" conversation), already bound to the login's unix user. */
struct gate_attached {
	char workspace[STR_NAME_MAX];
	char user[STR_NAME_MAX];
	char motd[4096];  /* for terminals only */
	uint32_t created; /* this login created it */
	uint64_t took_us;
};
struct gate_refused {
	char text[GATE_TEXT_MAX]; /* "verb 'object': reason (hint)" */
};
enum gate_channel_kind {
	GATE_CHAN_SHELL,
	GATE_CHAN_EXEC,
	GATE_CHAN_SUBSYSTEM,
	GATE_CHAN_DIAL,
	GATE_CHAN_LISTEN, /* a listening socket (-R), and each connection that came by it */
	GATE_CHAN_AGENT,
	GATE_CHAN_X11
};
enum gate_channel_event { GATE_CHAN_CLOSED, GATE_CHAN_OPENED, GATE_CHAN_DENIED };
struct gate_channel {
	uint32_t id;
	uint32_t kind;   /* enum gate_channel_kind */
	uint32_t event;  /* enum gate_channel_event */
	uint32_t status; /* CLOSED: exit status, or 128 + signal */
	char what[256];  /* forwards: "host:port" or a path; denied: and why; else empty */
};
/* Ask why a process of ours was killed (memory limit). Empty answer: no explanation. */
struct gate_because {
	char text[GATE_TEXT_MAX];
};

/* The last word of a session whose client broke a rule: for the audit log. No answer. */
struct gate_violation {
	char text[GATE_TEXT_MAX];
};

/*
 * A direct-tcpip open to port 22 of an address or of a single name (ProxyJump to a workspace): provisiond knows the pool
 * and the workspaces' names, decides by [gate] jump and hands out a connection to the gate. Answered in any order; `id`
 * is the asker's.
 */
struct gate_jump {
	uint32_t id;
	uint32_t port;
	char host[64];
};
enum gate_jump_result {
	GATE_JUMP_REFUSED,
	GATE_JUMP_CONNECTED,
	GATE_JUMP_INSIDE, /* neither in the pool nor a workspace: to be dialled from inside */
};
struct gate_jumped { /* fd: a stream to the gate, when CONNECTED */
	uint32_t id;
	uint32_t result; /* enum gate_jump_result */
	char text[GATE_TEXT_MAX];
};
struct gate_leave {
	char text[GATE_TEXT_MAX]; /* what the client is told */
};

struct gate_notice {
	char text[GATE_TEXT_MAX];
};

extern const struct msg_proto gate_proto;
