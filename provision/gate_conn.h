/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One SSH connection in provisiond, shared by the files that serve it: gate_server.c (life and messages), gate_open.c (its
 * beginning), gate_audit.c, gate_auth.c (host signatures, who is authenticated) with gate_key.c, gate_password.c and gate_interactive.c,
 * gate_attach.c (workspace), gate_channel.c (what it does), gate_leave.c and gate_revoke.c (its end on request, and when it
 * is not permitted any more).
 */
#pragma once
#include "base/log.h"
#include "gate_audit.h"
#include "gate_auth.h"
#include "gate_job.h"
#include "gate_server.h"
#include "hostkeys.h"
#include "methods.h"
#include "motd.h"
#include "proto/gate.h"
#include "sessions.h"

#define GATE_CHANNELS_MAX 256 /* listed of one connection */

struct gate_server {
	sd_event *loop;
	struct registry *reg;
	struct hostkey *hostkey;   /* the gate's own, borrowed */
	struct hostkeys *hostkeys; /* the workspaces' */
	gate_state_fn state;
	gate_jump_fn jump; /* may be NULL */
	int sessionsfd;    /* run/sessions */
	char banner[1024];
	char motd[MOTD_FILE_MAX + 1];
	struct gate_conn *conns;
	unsigned int nconns;
	sd_event_source *revoke; /* gate_revoke.c, NULL = never needed */
	struct gate_jobs jobs;
};

struct gate_key_try;
struct gate_password_try;

struct gate_conn {
	struct gate_server *g;
	struct gate_conn *next;
	uint8_t id[CTL_ID_LEN];
	void *owner; /* listener that can be told, or NULL */
	int fd;      /* -1: the session has ended */
	sd_event_source *io, *timer;
	struct msg_state st;        /* phase */
	struct session_saved saved; /* what is known; info is listed when phase is OPEN */
	struct ipport peer, local;
	char via[2 * CTL_ID_LEN + 1]; /* the connection that it came through (ssh -J), or empty */
	struct hostkey
		*key; /* what this connection shows from its first exchange to its last, owned */
	char wanted[STR_NAME_MAX]; /* workspace of "user+workspace" */
	uint64_t opened_us;
	bool login_fixed;  /* the first login name of the connection is known */
	bool login_valid;  /* ... and names a user */
	bool recheck;      /* is to be asked about again (gate_revoke.c) */
	bool doomed;       /* was told to leave: nothing more is answered */
	bool sender_known; /* saved.info.pid is who speaks */
	bool attaching, attached, want_progress, headline, created;
	uint32_t signs, auth_messages, tries, attaches;
	struct methods methods;           /* what the login needs, and has */
	const char *method;               /* that is being tried, or NULL */
	char fingerprint[64];             /* of the key that is being tried */
	char by[192];                     /* who or what vouches for the key, for the audit log */
	char used[METHODS_CHAIN_MAX][64]; /* fingerprints of the chain's keys */
	uint32_t nused;
	struct gate_permit *permit;   /* what the chain's keys allow, NULL: no key yet; owned */
	struct gate_job job;          /* decides about what is being tried */
	struct gate_key_try *key_try; /* owned by gate_key.c */
	struct gate_password_try *password; /* owned by gate_password.c */
	bool prompted;                      /* the user is asked `prompts` questions */
	uint32_t prompts, rounds;
	struct waiter waiter;
	uint64_t attach_us;        /* when the attach began */
	sd_event_source *again;    /* tries ws-init's full queue again, until: */
	uint64_t connect_until_us; /* 0 = it was not full */
	uint64_t oom_seen, oom_us; /* kills explained already; when the last one was */
	bool oom_known;            /* oom_seen is valid */
	uint32_t audit_tokens, audit_lost;
	uint64_t audit_us;
	uint32_t turn_messages; /* handled since turn_us */
	uint64_t turn_us;
	bool throttled; /* not read from until the timer says so */
};

/* gate_server.c */
int gate_server_send(struct gate_conn *c, uint32_t type, const void *body, int fd, struct err *e);
void gate_server_tell(struct gate_conn *c, enum ctl_state_kind kind);
/* The session was told to leave; end the connection when it does not. */
void gate_server_doom(struct gate_conn *c);
void gate_server_store(struct gate_conn *c);

/* gate_open.c: a new connection, answered by GATE_WELCOME; one that is known from run/sessions, by GATE_RESUMED. */
int gate_open_first(struct gate_conn *c, struct err *e);
int gate_open_again(struct gate_conn *c, struct err *e);

/* gate_attach.c */
int gate_attach_begin(void *ctx, struct msg *m, struct err *e);
int gate_attach_why(void *ctx, struct msg *m, struct err *e);
/* A connection that had attached before provisiond was restarted. */
void gate_attach_restore(struct gate_conn *c);
/* Stop waiting for the workspace; nobody is answered. */
void gate_attach_cancel(struct gate_conn *c);
void gate_attach_end(struct gate_conn *c);

/* gate_channel.c */
int gate_channel_notice(void *ctx, struct msg *m, struct err *e);
void gate_channel_forget(struct gate_conn *c);

/* gate_leave.c: end an authenticated connection; its client is told `text`, the audit log `event` and `text`. */
void gate_leave(struct gate_conn *c, const char *event, const char *text);
/* registry_notice_fn: to every connection that is in the workspace. */
unsigned int gate_notice(void *ctx, const struct workspace *ws, const char *line);

/* gate_revoke.c */
/* Keep a key that authenticated this connection; `by` as of auth_key_accept. Before the connection is stored. */
int gate_revoke_remember(struct gate_conn *c, const struct gate_key *k, const char *by);
/* With [gate] revoke_sessions: look at this living connection again, soon; NULL: at all. */
void gate_revoke_begin(struct gate_server *g, struct gate_conn *only);
