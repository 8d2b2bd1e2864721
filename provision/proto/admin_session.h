/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of the "admin" conversation (admin.h) about connections: who is in, doing what, and ending them.
 */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct admin_session {
	uint32_t tag;
	char id[33]; /* connection id, hex */
	char user[STR_NAME_MAX], workspace[STR_NAME_MAX];
	char peer[64], local[64], fingerprint[64], method[64];
	uint64_t since;
	uint32_t pid, channels;
	char kinds[128]; /* "shell exec sftp" */
};
struct admin_channel { /* after the ADMIN_SESSION it belongs to */
	uint32_t tag, id;
	char session[33]; /* connection id, hex */
	char kind[16];    /* "shell", "exec", "sftp", "dial", "listen", "agent", "x11" */
	char what[256];   /* forwards: the target as the session named it; hostile text */
	uint64_t since;
};
struct admin_sources { /* which sources of connections are refused for what they did ([penalties]) */
	uint32_t tag;
	char lift[64]; /* empty: none, "all", or a network or address whose penalties end now */
};
struct admin_source {
	uint32_t tag, left_s;
	char source[64];
};
struct admin_kick {
	uint32_t tag;
	char who[64];      /* a user, a workspace, or how a connection id begins */
	char message[256]; /* for the client */
};
