/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the configuration says about the network-facing side: [gate], [auth], [penalties]. Part of settings.h. */
#pragma once
#include "base/ip.h"
#include "base/str.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_LISTEN_MAX 16
#define SETTINGS_EXEMPT_MAX 16

enum settings_jump { SETTINGS_JUMP_OWN, SETTINGS_JUMP_ANY, SETTINGS_JUMP_NO };

struct settings_gate {
	struct ipport listen[SETTINGS_LISTEN_MAX];
	uint32_t nlisten;
	char user[STR_NAME_MAX]; /* as written: a user name, or a number */
	uint32_t uid, gid;       /* resolved from `user` */
	char host_key[PATH_MAX];
	char authorized_keys[PATH_MAX]; /* %u = user */
	bool create_on_login;           /* create = first-login */
	uint32_t login_grace;           /* seconds */
	uint32_t startups_begin, startups_rate, startups_full;
	uint32_t per_source, source_v4_len, source_v6_len;
	uint32_t max_sessions, max_auth_tries;
	uint32_t alive_interval, alive_count, rekey_mb;
	char kex[512], ciphers[512], macs[512];
	char accept_env[512];
	char banner[PATH_MAX];                             /* file, "" none */
	uint32_t transparent_port;                         /* local port of the tproxy socket */
	uint32_t rekey_time, idle_timeout, unused_timeout; /* seconds, 0 = never */
	uint32_t max_forwards, jump;                       /* jump: enum settings_jump */
	bool forwarding, agent_forwarding, x11_forwarding;
	bool own_host_keys, revoke_sessions;
	char motd[PATH_MAX]; /* file, "" none */
};

struct settings_auth {
	char methods[128]; /* "publickey,password publickey,keyboard-interactive" */
	char keys_command[PATH_MAX], keys_user[STR_NAME_MAX];                 /* "" none */
	char ca_keys[PATH_MAX], principals[PATH_MAX], revoked_keys[PATH_MAX]; /* files, "" none */
	char pam_service[STR_NAME_MAX];
	uint32_t answer_time; /* seconds for the keys command and for PAM's modules */
};

struct settings_penalties {
	bool enable;
	uint32_t authfail, noauth, grace, crash, refused; /* seconds */
	uint32_t min, max, sources;
	struct ipnet exempt[SETTINGS_EXEMPT_MAX];
	uint32_t nexempt;
};
