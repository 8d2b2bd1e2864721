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
#include "proto/msg.h"

#define GATE_LOGIN_MAX 256  /* SSH user name as sent, with NUL */
#define GATE_KEY_MAX   8192 /* public key blob, RFC 4253 6.6 */
#define GATE_SIG_MAX   2048 /* signature blob */
#define GATE_TEXT_MAX  512

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
};

/* What the session needs to serve; limits come from the configuration. */
struct gate_welcome {
	MSG_BLOB(64) host_key;                  /* ed25519 public key, 32 raw bytes */
	uint32_t auth_tries;                    /* max_auth_tries */
	uint32_t max_sessions;                  /* per connection */
	uint32_t grace_s;                       /* the session's own copy of login_grace */
	uint32_t alive_interval_s, alive_count; /* keepalives; 0 = off */
	uint32_t rekey_mb; /* server-side rekey by volume; 0 = library default */
	char kex[512], ciphers[512], macs[512]; /* comma lists for libssh */
	char accept_env[512];                   /* space-separated patterns */
	char banner[1024];                      /* shown before authentication; empty = none */
};
struct gate_sign {
	MSG_BLOB(64) hash; /* exchange hash, 20..64 bytes; the first is the session id */
};
struct gate_signed {
	MSG_BLOB(128) sig; /* raw ed25519 signature, 64 bytes */
};
/* PROBE leaves `sig` empty; VERIFY fills it. `alg` is the signature algorithm name of the request. */
struct gate_key {
	char login[GATE_LOGIN_MAX];
	char alg[64];
	MSG_BLOB(GATE_KEY_MAX) key;
	MSG_BLOB(GATE_SIG_MAX) sig;
};
struct gate_verdict {
	uint32_t ok;                /* 1: acceptable (PROBE) or authenticated (VERIFY) */
	uint32_t drop;              /* 1: disconnect now */
	char reason[GATE_TEXT_MAX]; /* safe to show to the client; empty = nothing */
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
	char motd[1024];  /* for terminals only */
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
	GATE_CHAN_LISTEN
};
struct gate_channel {
	uint32_t id;
	uint32_t kind;   /* enum gate_channel_kind */
	uint32_t open;   /* 1 opened, 0 closed */
	uint32_t status; /* closed: exit status, or 128 + signal */
};
/* Ask why a process of ours was killed (memory limit). Empty answer: no explanation. */
struct gate_because {
	char text[GATE_TEXT_MAX];
};

/* The last word of a session whose client broke a rule: for the audit log. No answer. */
struct gate_violation {
	char text[GATE_TEXT_MAX];
};

extern const struct msg_proto gate_proto;
