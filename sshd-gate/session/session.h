/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of one SSH connection in its session process, shared by the files of this directory.  There is exactly one
 * `struct session` per process.  Everything runs in one thread, from the loop in loop.c; libssh's callbacks only set
 * flags.
 */
#pragma once
#include "base/ip.h"
#include "chan_state.h"
#include "outbox.h"
#include "proto/gate.h"
#include <stdbool.h>
#include <stdint.h>

struct ssh_session_struct;
struct ssh_message_struct;

#define SESSION_CHANNELS_MAX                                                                       \
	192 /* channels of every kind, those that wait for the client's CLOSE included */
#define SESSION_DIALS_MAX    64 /* forwarded connections among them */
#define SESSION_PORTS_MAX    16 /* -R ports */
#define SESSION_DISPLAYS_MAX 4  /* X11 displays */
#define SESSION_LISTENS_MAX  (SESSION_PORTS_MAX + SESSION_DISPLAYS_MAX + 1) /* and the agent */
#define SESSION_AUTH_PACKETS_MAX                                                                   \
	256 /* packets a client may send between the key exchange and its login */

enum session_stage { STAGE_KEX, STAGE_AUTH, STAGE_OPEN };
enum session_attach { ATTACH_NONE, ATTACH_ASKED, ATTACH_BINDING, ATTACH_READY };

struct session {
	int linger; /* duplicate of the connection: TCP options, and reading off after a disconnect */
	int prov;   /* conversation with provisiond, -1 after its end */
	int init;   /* conversation with ws-init, -1 before the attach */
	struct outbox to_prov, to_init; /* what has to wait for room in these two */
	struct ipport peer, local;
	struct gate_welcome welcome;

	struct ssh_session_struct *ssh;
	void *counters; /* transport.c's */
	enum session_stage stage;
	bool ending, violated;   /* violated: because the client broke the protocol */
	bool farewell;           /* the client is to be told the reason */
	char why[GATE_TEXT_MAX]; /* reason of the end */
	uint64_t deadline_us;    /* end of the grace time, 0 = none */
	uint64_t heard_us;       /* last byte from the client */
	uint64_t alive_us;       /* next keepalive */
	uint32_t alive_missed;
	uint64_t used_us;      /* when there last was a channel, listening socket or request */
	uint64_t packets_seen; /* of the transport, when messages were last drained */

	char login[GATE_LOGIN_MAX];
	bool login_set, banner_sent;
	bool auth_begun;                     /* the client asked for ssh-userauth */
	struct ssh_message_struct *auth_msg; /* waits for a verdict, owned */
	struct ssh_message_struct
		*auth_spare;       /* an answered one, kept to send a failure that libssh forgot */
	struct gate_key *auth_key; /* the question behind auth_msg */
	uint32_t auth_type;        /* GATE_PROBE and the like, 0 = nothing asked */
	uint32_t auth_methods;     /* SSH_AUTH_METHOD_* that can be tried now */
	uint32_t auth_refused;     /* requests that provisiond never heard of */
	bool prompted;             /* the client owes answers, so many: */
	uint32_t prompts;
	uint64_t asked_us;        /* when provisiond was asked */
	uint64_t ask_until_us;    /* provisiond must have answered by then */
	struct gate_verdict late; /* a refusal, held back until late_us; 0 = none */
	uint64_t late_us;
	uint64_t auth_packets, auth_bytes; /* of the transport, as last seen */
	uint64_t mute_us;                  /* when to answer for libssh, 0 = nothing owed */

	bool permitted;             /* GATE_PERMIT came */
	uint32_t may;               /* its flags */
	struct gate_permit *permit; /* the rest of it, NULL when there is no more; owned */

	enum session_attach attach;
	bool attach_progress, progress_shown, motd_due;
	char progress_ip[64];
	uint64_t attach_until_us;
	struct gate_attached attached;
	struct msg_queue
		*deferred; /* messages of provisiond that came while a signature was awaited */

	bool agent_wanted; /* the client asked for it, ws-init was not asked yet */
	uint32_t next_id;
	uint32_t nchans;
	struct chan *chans[SESSION_CHANNELS_MAX];
	bool stirred; /* the client closed a channel, or its output, since chan_settle began */
	struct global_queue *globals;
	struct listen listens[SESSION_LISTENS_MAX];
	uint32_t round;            /* where the pump starts */
	bool no_more_sessions;     /* the client wants to be held to that */
	struct refusals *refusals; /* refusal.c's, NULL before the first */
	bool channel_ran;          /* the first one is running: delayed ACKs may rule again */
	bool write_pending;        /* libssh could not send everything yet */
};

/* The connection is over; the first reason stays. Safe to call from libssh callbacks. */
void session_end(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Serve one connection to its end. Owns both fds. The process exits with the returned status. */
int session_run(int conn, int prov, const struct ipport *peer, const struct ipport *local);
