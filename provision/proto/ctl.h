/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "ctl": the listener <-> provisiond, over run/gate.sock.  provisiond checks SO_PEERCRED: the gate's uid or root.
 * Also "zygote": the listener <-> the session zygote, over an inherited pair.
 */
#pragma once
#include "base/ip.h"
#include "proto/ctl_sources.h"
#include "proto/msg.h"

#define CTL_ID_LEN      16 /* connection id, random */
#define CTL_EXEMPT_MAX  16 /* networks without penalties */
#define CTL_EXEMPT_TEXT (CTL_EXEMPT_MAX * IP_TEXT_MAX)

enum ctl_type {
	CTL_START = 2,
	CTL_SETTINGS = 3, /* CTL_SETTINGS is also sent unasked after a reload */
	CTL_CONN = 4,     /* one new (or, after a restart, one living) connection */
	CTL_CLOSED = 6,   /* the session process of a connection is gone */
	CTL_STATE = 7,    /* provisiond -> listener: what became of a connection */
	CTL_JUMP = 13,    /* provisiond -> listener: serve a connection that comes from a session */
	CTL_PENALTY = 8,  /* a source got a penalty: for the audit log */
	CTL_LOOK = 15,    /* provisiond -> listener: which sources are refused; or lift that */
	CTL_SOURCES = 10, /* the answer */
};

/* fds: the listening sockets that the listener holds already (provisiond was restarted), as in CTL_SETTINGS; or none. */
struct ctl_start {
	uint32_t version;
	uint32_t nplain, ntransparent;
};
/* fds: the listening sockets; the first `nplain` are ordinary, the rest IP_TRANSPARENT. */
struct ctl_settings {
	uint32_t uid, gid; /* what the listener becomes when it is root */
	uint32_t nplain, ntransparent;
	uint32_t grace_s;
	uint32_t startups_begin, startups_rate, startups_full; /* max_startups begin:rate:full */
	uint32_t per_source; /* unauthenticated connections per source, 0 = no limit */
	uint32_t source_v4_len, source_v6_len; /* prefix lengths that count as one source */
	/* Penalties, seconds; 0 = none for this. */
	uint32_t penalty_enable;
	uint32_t penalty_authfail_s, penalty_noauth_s, penalty_grace_s, penalty_crash_s,
		penalty_refused_s;
	uint32_t penalty_min_s, penalty_max_s;
	uint32_t penalty_sources;             /* remembered at most */
	char penalty_exempt[CTL_EXEMPT_TEXT]; /* "a/n,b/n" */
};
/* fd: provisiond's end of the session's pair. */
struct ctl_conn {
	MSG_BLOB(CTL_ID_LEN) id;
	struct ipport peer, local;
	uint32_t resumed;         /* 1: handed over again after a restart of provisiond */
	MSG_BLOB(CTL_ID_LEN) via; /* the connection it was made through (CTL_JUMP); empty: none */
};
struct ctl_closed {
	MSG_BLOB(CTL_ID_LEN) id;
	uint32_t signal;  /* 0, or the signal that killed it */
	uint32_t timeout; /* 1: killed by the listener at the end of the grace time */
};
/*
 * A jump (ssh -J) to an address of the pool. fd: one end of a pair, the client's end is with the session of `via`. It is
 * admitted and served like an accepted connection of `peer`, which is where the first client in the chain is.
 */
struct ctl_jump {
	MSG_BLOB(CTL_ID_LEN) via;
	struct ipport peer, local; /* local: the address that is jumped to, port 22 */
};
/*
 * AUTH_FAILED: a try of many, before its answer goes out; VIOLATED: the client broke the protocol. Both say what kind of
 * penalty its end costs when it did not log in.
 */
enum ctl_state_kind { CTL_AUTHENTICATED, CTL_AUTH_FAILED, CTL_DROP, CTL_VIOLATED };
struct ctl_state {
	MSG_BLOB(CTL_ID_LEN) id;
	uint32_t kind; /* enum ctl_state_kind */
};
enum ctl_penalty_kind {
	CTL_PENALTY_AUTHFAIL,
	CTL_PENALTY_NOAUTH,
	CTL_PENALTY_GRACE,
	CTL_PENALTY_CRASH,
	CTL_PENALTY_REFUSED
};
struct ctl_penalty {
	struct ipport peer;  /* the connection that caused it */
	uint32_t kind;       /* enum ctl_penalty_kind */
	uint32_t total_s;    /* what the source has now */
	uint32_t refused;    /* 1: from now on the source is refused */
	uint32_t suppressed; /* notices left out before this one, when there were too many */
	uint32_t sources;    /* refused at this moment */
};

enum zygote_type {
	ZYGOTE_READY = 3, /* self-test passed, sandbox on */
	ZYGOTE_SPAWN = 4, /* fds: connection, session's end of the provision pair */
	ZYGOTE_SPAWNED = 5,
};
struct zygote_spawn {
	uint32_t serial;
	struct ipport peer, local;
};
struct zygote_spawned {
	uint32_t serial;
	uint32_t pid;  /* a child of the listener (CLONE_PARENT); 0 = fork failed */
	uint32_t code; /* errno when pid is 0 */
};

extern const struct msg_proto ctl_proto, zygote_proto;
