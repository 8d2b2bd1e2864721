/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "pam": provisiond <-> sshbay-pam, the child in which one keyboard-interactive login talks with PAM.  Its result is
 * the only word of it that decides anything; a child that ends without one has failed.
 */
#pragma once
#include "base/ip.h"
#include "base/str.h"
#include "proto/gate_login.h"

enum asker_type {
	ASKER_BEGIN = 2,
	ASKER_PROMPT = 3,  /* struct gate_prompt */
	ASKER_ANSWERS = 4, /* struct gate_answers */
	ASKER_RESULT = 5,
};

struct asker_begin {
	char service[STR_NAME_MAX];
	char user[STR_NAME_MAX];
	char peer[64]; /* PAM_RHOST: a literal address */
};
struct asker_result {
	uint32_t ok;
	char text[256]; /* for the administrator */
};

extern const struct msg_proto asker_proto;
