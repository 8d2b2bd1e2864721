/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of the listener's two conversations: "ctl" with provisiond, "zygote" with the session zygote.
 */
#include "proto/ctl.h"
#include "proto/table.h"

static const struct msg_field start[] = {
	U32(ctl_start, version, 0, 0),
	U32(ctl_start, nplain, 0, MSG_FDS_MAX),
	U32(ctl_start, ntransparent, 0, MSG_FDS_MAX),
};
static const struct msg_field settings[] = {
	U32(ctl_settings, uid, 0, 0),
	U32(ctl_settings, gid, 0, 0),
	U32(ctl_settings, nplain, 0, MSG_FDS_MAX),
	U32(ctl_settings, ntransparent, 0, MSG_FDS_MAX),
	U32(ctl_settings, grace_s, 0, 0),
	U32(ctl_settings, startups_begin, 0, 0),
	U32(ctl_settings, startups_rate, 0, 0),
	U32(ctl_settings, startups_full, 0, 0),
	U32(ctl_settings, per_source, 0, 0),
	U32(ctl_settings, source_v4_len, 0, 32),
	U32(ctl_settings, source_v6_len, 0, 128),
	U32(ctl_settings, penalty_enable, 0, 1),
	U32(ctl_settings, penalty_authfail_s, 0, 0),
	U32(ctl_settings, penalty_noauth_s, 0, 0),
	U32(ctl_settings, penalty_grace_s, 0, 0),
	U32(ctl_settings, penalty_crash_s, 0, 0),
	U32(ctl_settings, penalty_refused_s, 0, 0),
	U32(ctl_settings, penalty_min_s, 0, 0),
	U32(ctl_settings, penalty_max_s, 0, 0),
	U32(ctl_settings, penalty_sources, 0, 65536),
	STR(ctl_settings, penalty_exempt, 0),
};
static const struct msg_field conn[] = {
	BYTES(ctl_conn, id, CTL_ID_LEN), IPPORT(ctl_conn, peer),  IPPORT(ctl_conn, local),
	U32(ctl_conn, resumed, 0, 1),    BYTES(ctl_conn, via, 0),
};
static const struct msg_field closed[] = {
	BYTES(ctl_closed, id, CTL_ID_LEN),
	U32(ctl_closed, signal, 0, 64),
	U32(ctl_closed, timeout, 0, 1),
};
static const struct msg_field state[] = {
	BYTES(ctl_state, id, CTL_ID_LEN),
	U32(ctl_state, kind, 0, CTL_VIOLATED),
};
static const struct msg_field penalty[] = {
	IPPORT(ctl_penalty, peer),          U32(ctl_penalty, kind, 0, CTL_PENALTY_REFUSED),
	U32(ctl_penalty, total_s, 0, 0),    U32(ctl_penalty, refused, 0, 1),
	U32(ctl_penalty, suppressed, 0, 0), U32(ctl_penalty, sources, 0, 65536),
};

static const struct msg_field look[] = {
	U32(ctl_look, serial, 0, 0),
	STR(ctl_look, lift, 0),
};
static const struct msg_field sources[] = {
	U32(ctl_sources, serial, 0, 0),
	U32(ctl_sources, refused, 0, 65536),
	U32(ctl_sources, lifted, 0, 65536),
	STR(ctl_sources, worst, 0),
};

static const struct msg_field jump[] = {
	BYTES(ctl_jump, via, CTL_ID_LEN),
	IPPORT(ctl_jump, peer),
	IPPORT(ctl_jump, local),
};

static const struct msg_row ctl_rows[] = {
	{ ASK(CTL_START, ctl_start, start, 0, MSG_FDS_MAX, 1,
	      "the listener is here and wants its sockets; fds: those it holds already"),
	  .once = true },
	{ ANSWER(CTL_SETTINGS, ctl_settings, settings, 0, MSG_FDS_MAX, 1,
		 "limits, and fds: the listening sockets, ordinary ones first; also after a "
		 "reload") },
	{ ASK(CTL_CONN, ctl_conn, conn, 1, 1, 1,
	      "a new or resumed connection; fd: provisiond's end of its gate pair") },
	{ ASK(CTL_CLOSED, ctl_closed, closed, 0, 0, 1,
	      "the session process of a connection is gone (no answer)") },
	{ ANSWER(
		CTL_STATE, ctl_state, state, 0, 0, 1,
		"what became of a connection: authenticated, a failed try, drop it, a violation") },
	{ ANSWER(CTL_JUMP, ctl_jump, jump, 1, 1, 1,
		 "serve this connection, which a session asked for; fd: the gate's end") },
	{ ASK(CTL_PENALTY, ctl_penalty, penalty, 0, 0, 1,
	      "notice: a source got a penalty (no answer)") },
	{ ANSWER(CTL_LOOK, ctl_look, look, 0, 0, 1,
		 "which sources are refused now; or lift the penalties of some") },
	{ ASK(CTL_SOURCES, ctl_sources, sources, 0, 0, 1,
	      "the answer: how many, the worst of them (no answer)") },
};
CHECK_ROWS(ctl_rows);

const struct msg_proto ctl_proto = {
	.name = "ctl",
	.version = 1,
	.rows = ctl_rows,
	.nrows = NROWS(ctl_rows),
};

static const struct msg_field spawn[] = {
	U32(zygote_spawn, serial, 0, 0),
	IPPORT(zygote_spawn, peer),
	IPPORT(zygote_spawn, local),
};
static const struct msg_field spawned[] = {
	U32(zygote_spawned, serial, 0, 0),
	U32(zygote_spawned, pid, 0, INT32_MAX),
	U32(zygote_spawned, code, 0, 4095),
};

static const struct msg_row zygote_rows[] = {
	{ ANSWER_EMPTY(ZYGOTE_READY, 1, "self-test passed, sandbox on"), .once = true },
	{ ASK(ZYGOTE_SPAWN, zygote_spawn, spawn, 2, 2, 1,
	      "fork a session; fds: the connection, its gate socket") },
	{ ANSWER(ZYGOTE_SPAWNED, zygote_spawned, spawned, 0, 0, 1,
		 "the session's pid, or why there is none") },
};
CHECK_ROWS(zygote_rows);

const struct msg_proto zygote_proto = {
	.name = "zygote",
	.version = 1,
	.rows = zygote_rows,
	.nrows = NROWS(zygote_rows),
};
