/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of the "gate" conversation: what a session process and provisiond may say to each other, and when.
 */
#include "proto/gate.h"
#include "proto/table.h"

#define AUTH GATE_PHASE_AUTH
#define OPEN GATE_PHASE_OPEN

static const struct msg_field welcome[] = {
	BYTES(gate_welcome, host_key, 32),
	U32(gate_welcome, auth_tries, 0, 0),
	U32(gate_welcome, max_sessions, 0, 0),
	U32(gate_welcome, grace_s, 0, 0),
	U32(gate_welcome, alive_interval_s, 0, 0),
	U32(gate_welcome, alive_count, 0, 0),
	U32(gate_welcome, rekey_mb, 0, 0),
	U32(gate_welcome, rekey_s, 0, 0),
	U32(gate_welcome, max_forwards, 0, 0),
	U32(gate_welcome, idle_s, 0, 0),
	U32(gate_welcome, unused_s, 0, 0),
	U32(gate_welcome, max_answers, 0, 0),
	STR(gate_welcome, methods, 0),
	STR(gate_welcome, kex, 0),
	STR(gate_welcome, ciphers, 0),
	STR(gate_welcome, macs, 0),
	STR(gate_welcome, accept_env, 0),
	STR(gate_welcome, banner, 0),
};
static const struct msg_field sign[] = { BYTES(gate_sign, hash, 20) };
static const struct msg_field signed_[] = { BYTES(gate_signed, sig, 64) };
static const struct msg_field probe[] = {
	STR(gate_key, login, 0),
	STR(gate_key, alg, 1),
	BYTES(gate_key, key, 1),
	NO_BYTES(gate_key, sig),
};
static const struct msg_field verify[] = {
	STR(gate_key, login, 0),
	STR(gate_key, alg, 1),
	BYTES(gate_key, key, 1),
	BYTES(gate_key, sig, 1),
};
static const struct msg_field verdict[] = {
	U32(gate_verdict, ok, 0, 1),   U32(gate_verdict, partial, 0, 1),
	U32(gate_verdict, drop, 0, 1), STR(gate_verdict, methods, 0),
	STR(gate_verdict, reason, 0),
};
static const struct msg_field attach[] = { U32(gate_attach, progress, 0, 1) };
static const struct msg_field progress[] = {
	STR(gate_progress, step, 0),
	STR(gate_progress, detail, 0),
	U64(gate_progress, us),
};
static const struct msg_field attached[] = {
	STR(gate_attached, workspace, 1),  STR(gate_attached, user, 1), STR(gate_attached, motd, 0),
	U32(gate_attached, created, 0, 1), U64(gate_attached, took_us),
};
static const struct msg_field refused[] = { STR(gate_refused, text, 0) };
static const struct msg_field chan[] = {
	U32(gate_channel, id, 0, 0),
	U32(gate_channel, kind, 0, GATE_CHAN_X11),
	U32(gate_channel, event, 0, GATE_CHAN_DENIED),
	U32(gate_channel, status, 0, 0),
	STR(gate_channel, what, 0),
};
static const struct msg_field because[] = { STR(gate_because, text, 0) };
static const struct msg_field permit[] = {
	U32(gate_permit, flags, 0, GATE_MAY_ALL),
	STR(gate_permit, command, 0),
	BYTES(gate_permit, environment, 0),
	BYTES(gate_permit, open, 0),
	BYTES(gate_permit, listen, 0),
};
static const struct msg_field password[] = { STR(gate_password, login, 0),
					     STR(gate_password, password, 0) };
static const struct msg_field interactive[] = { STR(gate_interactive, login, 0) };
static const struct msg_field prompt[] = {
	STR(gate_prompt, name, 0),
	STR(gate_prompt, instruction, 0),
	U32(gate_prompt, n, 0, GATE_PROMPTS_MAX),
	U32(gate_prompt, echo, 0, 0),
	STR(gate_prompt, prompts[0], 0),
	STR(gate_prompt, prompts[1], 0),
	STR(gate_prompt, prompts[2], 0),
	STR(gate_prompt, prompts[3], 0),
	STR(gate_prompt, prompts[4], 0),
	STR(gate_prompt, prompts[5], 0),
	STR(gate_prompt, prompts[6], 0),
	STR(gate_prompt, prompts[7], 0),
};
static const struct msg_field answers[] = {
	U32(gate_answers, n, 0, GATE_PROMPTS_MAX), STR(gate_answers, answers[0], 0),
	STR(gate_answers, answers[1], 0),          STR(gate_answers, answers[2], 0),
	STR(gate_answers, answers[3], 0),          STR(gate_answers, answers[4], 0),
	STR(gate_answers, answers[5], 0),          STR(gate_answers, answers[6], 0),
	STR(gate_answers, answers[7], 0),
};
static const struct msg_field jump[] = {
	U32(gate_jump, id, 0, 0),
	U32(gate_jump, port, 1, 65535),
	STR(gate_jump, host, 1),
};
static const struct msg_field jumped[] = {
	U32(gate_jumped, id, 0, 0),
	U32(gate_jumped, result, 0, GATE_JUMP_INSIDE),
	STR(gate_jumped, text, 0),
};
static const struct msg_field leave[] = { STR(gate_leave, text, 0) };
static const struct msg_field notice[] = { STR(gate_notice, text, 1) };
static const struct msg_field violation[] = { STR(gate_violation, text, 1) };

static const struct msg_row rows[] = {
	{ ANSWER(GATE_WELCOME, gate_welcome, welcome, 0, 0, ANY_PHASE,
		 "first message to a session: what it serves with"),
	  .once = true },
	{ ASK(GATE_SIGN, gate_sign, sign, 0, 0, AUTH | OPEN,
	      "sign this exchange hash with the host key") },
	{ ANSWER(GATE_SIGNED, gate_signed, signed_, 0, 0, ANY_PHASE, "the signature") },
	{ ASK(GATE_PROBE, gate_key, probe, 0, 0, AUTH,
	      "would this key be accepted for this login?") },
	{ ASK(GATE_VERIFY, gate_key, verify, 0, 0, AUTH,
	      "verify this signature and authenticate the login") },
	{ ANSWER(GATE_VERDICT, gate_verdict, verdict, 0, 0, ANY_PHASE,
		 "answer to every question about the login") },
	{ ASK(GATE_ATTACH, gate_attach, attach, 0, 0, OPEN,
	      "start or join the login's workspace and connect to it") },
	{ ANSWER(GATE_PROGRESS, gate_progress, progress, 0, 0, ANY_PHASE,
		 "one finished step of a creation") },
	{ ANSWER(GATE_ATTACHED, gate_attached, attached, 1, 1, ANY_PHASE,
		 "fd: a ws-init socket bound to the unix user") },
	{ ANSWER(GATE_REFUSED, gate_refused, refused, 0, 0, ANY_PHASE,
		 "the attach failed; the reason in words") },
	{ ASK(GATE_CHANNEL, gate_channel, chan, 0, 0, OPEN,
	      "notice: a channel was opened, closed or denied (no answer)") },
	{ ASK_EMPTY(GATE_WHY, OPEN, "was a process of ours killed for memory?") },
	{ ANSWER(GATE_BECAUSE, gate_because, because, 0, 0, ANY_PHASE,
		 "answer to GATE_WHY; empty: no explanation") },
	{ ASK(GATE_VIOLATION, gate_violation, violation, 0, 0, AUTH,
	      "notice: the client broke the protocol before its login (no answer)") },
	{ ANSWER_EMPTY(GATE_RESUMED, ANY_PHASE,
		       "a new provisiond has taken over: ask again what was unanswered") },
	{ ANSWER(GATE_PERMIT, gate_permit, permit, 0, 0, ANY_PHASE,
		 "what the login may do; just before the verdict that authenticates") },
	{ ASK(GATE_PASSWORD, gate_password, password, 0, 0, AUTH, "authenticate by password") },
	{ ASK(GATE_INTERACTIVE, gate_interactive, interactive, 0, 0, AUTH,
	      "begin keyboard-interactive (RFC 4256)") },
	{ ANSWER(GATE_PROMPT, gate_prompt, prompt, 0, 0, ANY_PHASE, "questions to the user") },
	{ ASK(GATE_ANSWERS, gate_answers, answers, 0, 0, AUTH, "the user's answers") },
	{ ASK(GATE_JUMP, gate_jump, jump, 0, 0, OPEN,
	      "connect to port 22 of this host, if it is a workspace") },
	{ ANSWER(GATE_JUMPED, gate_jumped, jumped, 0, 1, ANY_PHASE,
		 "fd: a stream to the gate, when connected") },
	{ ANSWER(GATE_NOTICE, gate_notice, notice, 0, 0, ANY_PHASE,
		 "a line for the user's terminal, if there is one") },
	{ ANSWER(GATE_LEAVE, gate_leave, leave, 0, 0, ANY_PHASE,
		 "end the connection with these words to the client") },
};
CHECK_ROWS(rows);

const struct msg_proto gate_proto = {
	.name = "gate",
	.version = 1,
	.rows = rows,
	.nrows = NROWS(rows),
	.phases = "auth open",
};
