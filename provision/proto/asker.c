/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of the "pam" conversation: provisiond and the child that talks with PAM. */
#include "proto/asker.h"
#include "proto/table.h"

static const struct msg_field begin[] = {
	STR(asker_begin, service, 1),
	STR(asker_begin, user, 1),
	STR(asker_begin, peer, 0),
};
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
static const struct msg_field result[] = {
	U32(asker_result, ok, 0, 1),
	STR(asker_result, text, 0),
};

static const struct msg_row rows[] = {
	{ ASK(ASKER_BEGIN, asker_begin, begin, 0, 0, ANY_PHASE, "authenticate this user"),
	  .once = true },
	{ ANSWER(ASKER_PROMPT, gate_prompt, prompt, 0, 0, ANY_PHASE, "questions to the user") },
	{ ASK(ASKER_ANSWERS, gate_answers, answers, 0, 0, ANY_PHASE, "the user's answers") },
	{ ANSWER(ASKER_RESULT, asker_result, result, 0, 0, ANY_PHASE,
		 "accepted or not, and what the administrator may want to know"),
	  .once = true },
};
CHECK_ROWS(rows);

const struct msg_proto asker_proto = {
	.name = "pam", /* its first letter is what tells conversations apart, and "admin" has the other */
	.version = 1,
	.rows = rows,
	.nrows = NROWS(rows),
};
