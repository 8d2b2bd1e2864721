/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of the "admin" conversation (admin.h) about who gets where: what a login leads to and why, and which
 * names, addresses and host keys a user's clients need.
 */
#pragma once
#include "base/str.h"
#include "proto/msg.h"

struct admin_explain { /* what would become of this login? */
	uint32_t tag;
	char login[256];  /* as a client sends it: "user", "user+workspace" */
	char address[64]; /* dialled; empty: the gate's own */
	char from[64];    /* the client's address; empty: not asked for */
};
/* One answer. Where it comes from: a key of the configuration, or a line of a file; empty and 0 when it has no place. */
struct admin_fact {
	uint32_t tag;
	char name[32], value[512];
	char file[512], section[64], key[32];
	uint32_t line;
};
/* HOSTS (user; name empty): the gate first, then every workspace that the user may enter. */
enum admin_route { ADMIN_ROUTE_DIRECT, ADMIN_ROUTE_JUMP, ADMIN_ROUTE_LOGIN };
struct admin_host {
	uint32_t tag;
	char name[STR_NAME_MAX];        /* empty: the gate */
	char address[64], address6[64]; /* empty: none, or not known yet */
	uint32_t port;
	uint32_t route;       /* enum admin_route; LOGIN: only by user+workspace at the gate */
	char public_key[160]; /* host key that it shows, as in a .pub file without comment */
	char sshfp[72];       /* its SHA-256 in hex, for DNS (RFC 4255) */
};
