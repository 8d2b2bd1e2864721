/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of the "gate" conversation (gate.h) with which a session serves a login: what it starts with, host
 * signatures, the questions about a login and the verdict, and what the login may do.
 */
#pragma once
#include "base/str.h"
#include "proto/msg.h"

#define GATE_LOGIN_MAX   256  /* SSH user name as sent, with NUL */
#define GATE_KEY_MAX     8192 /* public key or certificate blob, RFC 4253 6.6 */
#define GATE_SIG_MAX     2048 /* signature blob */
#define GATE_TEXT_MAX    512
#define GATE_SECRET_MAX  1024 /* a password or an answer, with NUL */
#define GATE_PROMPTS_MAX 8

/* What the session needs to serve; limits come from the configuration. */
struct gate_welcome {
	MSG_BLOB(64) host_key;                  /* ed25519 public key, 32 raw bytes */
	uint32_t auth_tries;                    /* max_auth_tries */
	uint32_t max_sessions;                  /* per connection */
	uint32_t grace_s;                       /* the session's own copy of login_grace */
	uint32_t alive_interval_s, alive_count; /* keepalives; 0 = off */
	uint32_t rekey_mb,
		rekey_s; /* server-side rekey by volume and by time; 0 = library default, never */
	uint32_t max_forwards; /* forwarded connections at once */
	uint32_t idle_s,
		unused_s; /* channels without traffic; connections without channels; 0 = no limit */
	uint32_t max_answers; /* rounds of questions a keyboard-interactive login may take */
	char methods[128];    /* what may begin a login: "publickey,password" */
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
	uint32_t ok;                /* 1: acceptable (PROBE) or authenticated */
	uint32_t partial;           /* 1: this method is done, `methods` must follow */
	uint32_t drop;              /* 1: disconnect now */
	char methods[128];          /* partial, or not ok: what can continue; empty = as welcomed */
	char reason[GATE_TEXT_MAX]; /* safe to show to the client; empty = nothing */
};

/* One try. Overwrite the struct after use. */
struct gate_password {
	char login[GATE_LOGIN_MAX];
	char password[GATE_SECRET_MAX];
};
/* keyboard-interactive (RFC 4256): begin. Answered by GATE_PROMPT or GATE_VERDICT. */
struct gate_interactive {
	char login[GATE_LOGIN_MAX];
};
struct gate_prompt { /* n = 0 is allowed: the client answers with nothing */
	char name[128], instruction[1024];
	uint32_t n, echo; /* echo: bit i set: what is typed may be shown */
	char prompts[GATE_PROMPTS_MAX][256];
};
/* Answered by GATE_PROMPT or GATE_VERDICT. Overwrite after use. */
struct gate_answers {
	uint32_t n;
	char answers[GATE_PROMPTS_MAX][GATE_SECRET_MAX];
};

enum gate_permit_flag {
	GATE_MAY_PTY = 1,
	GATE_MAY_FORWARD = 2, /* -L, -D, -R, unix sockets included */
	GATE_MAY_AGENT = 4,
	GATE_MAY_X11 = 8,
	GATE_MAY_RC = 16, /* ~/.ssh/rc */
	GATE_MAY_ALL = 31
};
/*
 * What the login may do: the configuration, narrowed by the options of its key or certificate. The session enforces it.
 * Lists are strings one after another, each with its NUL; empty: no restriction.
 */
struct gate_permit {
	uint32_t flags;              /* enum gate_permit_flag */
	char command[8192];          /* runs instead of what is asked for; empty = none */
	MSG_BLOB(16384) environment; /* "NAME=value" */
	MSG_BLOB(8192)
	open, listen; /* "host:port", "host:*": where -L and -D may go, -R may listen */
};
