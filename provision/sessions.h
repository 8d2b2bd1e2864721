/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The authenticated SSH connections of this provisiond: a list for `sshbay sessions`, and one small file each in
 * run/sessions/ID, from which a restarted provisiond resumes a connection that lived on.  The file holds only what
 * provisiond itself had verified.  Main process of provisiond only.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

#define SESSIONS_ID_LEN   16 /* connection id, raw bytes (CTL_ID_LEN) */
#define SESSIONS_HASH_MAX 64 /* SSH session id */
#define SESSIONS_KEY_MAX  8192
#define SESSIONS_KEYS_MAX 8 /* METHODS_CHAIN_MAX */

/* enum gate_channel_kind, as sessions.c names it. */
#define SESSIONS_KINDS 7

/* An open channel. */
struct session_channel {
	struct session_channel *next;
	uint32_t id, kind; /* the session's number for it; enum gate_channel_kind */
	uint64_t since;    /* seconds since the epoch */
	char what[];       /* forwards: "host:port" or a path, as the session says; not escaped */
};

/* One connection as `sshbay sessions` shows it. Owned by the connection object; listed while it is added. */
struct session_info {
	char id[2 * SESSIONS_ID_LEN + 1]; /* connection id, hex */
	char user[STR_NAME_MAX];
	char workspace[STR_NAME_MAX]; /* empty until attached */
	char peer[64], local[64];     /* "address:port" */
	char fingerprint[64];         /* of the key that logged in */
	uint64_t since;               /* of the login, seconds since the epoch */
	uint32_t pid;                 /* of the session process, 0 = not known */
	char method[64];              /* how it logged in: "publickey"; "": by the fingerprint */
	uint32_t channels;            /* open now */
	struct session_channel *open; /* these, oldest first; owned by the connection */
	char kinds[128];              /* "shell exec sftp", each once, in the order of the enum */
	struct session_info *next;    /* list of sessions.c */
};

/* "shell", "exec", "sftp", "dial", "listen", "agent", "x11". */
const char *sessions_kind(uint32_t kind);
/* "publickey", "publickey,keyboard-interactive", "password". */
const char *sessions_method(const struct session_info *s);
/* Call fn for every authenticated connection, oldest first. fn must not add or remove any. */
void sessions_each(void (*fn)(void *ctx, const struct session_info *s), void *ctx);
void sessions_add(struct session_info *s);
void sessions_remove(struct session_info *s);
/* Authenticated connections of `user`. */
unsigned int sessions_count(const char *user);

/* What the file keeps beyond session_info. */
struct session_saved {
	struct session_info info;    /* id, user, workspace, peer, local, fingerprint, since, pid */
	char login[256];             /* SSH user name as sent */
	char host_key[STR_NAME_MAX]; /* the workspace whose host key it shows; empty: the gate's */
	uint8_t hash[SESSIONS_HASH_MAX]; /* SSH session id */
	uint32_t hash_len;
	uint64_t pid_start;       /* proc_start_time() of pid */
	struct session_key *keys; /* that logged in, oldest first, to ask again after a reload */
};

/* One of a chain's keys. */
struct session_key {
	struct session_key *next;
	char alg[64];    /* of its signature */
	bool by_command; /* listed only by what [auth] keys_command printed */
	uint32_t len;
	uint8_t blob[];
};
/* A copy of `key` (its next aside) as the last one. -ENOMEM, -E2BIG, -EMSGSIZE: no more than SESSIONS_KEYS_MAX of
 * SESSIONS_KEY_MAX bytes. */
int sessions_add_key(struct session_saved *s, const struct session_key *key, const uint8_t *blob);
void sessions_free_keys(struct session_saved *s);

/* Open (make 0700) the directory run/sessions. fd or -errno. */
int sessions_open_dir(const char *run, struct err *e);
int sessions_save(int dirfd, const struct session_saved *s, struct err *e);
/* Overwrites s. -ENOENT when there is none, -EBADMSG when the file is not one of ours. */
int sessions_load(int dirfd, const char *id, struct session_saved *s, struct err *e);
/* A file that is not there is success. */
int sessions_forget(int dirfd, const char *id, struct err *e);
/* Remove the files of processes that are gone; returns how many, or -errno. */
int sessions_sweep(int dirfd, struct err *e);
