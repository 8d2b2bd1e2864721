/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "init": a session (or provisiond, or `sshbay enter`) <-> ws-init.  ws-init listens on run/ws/NAME/init.sock by an
 * inherited descriptor; provisiond connects, sends INIT_BIND first, and may then hand the socket to a session.
 * Every answer is tenant-controlled: length, range and fd-type checked by the receiver, never trusted.
 *
 * Phases: NEW accepts only BIND; USER everything a login may do; CONTROL what provisiond may do.
 */
#pragma once
#include "base/str.h"
#include "proto/msg.h"
#include "proto/x11.h"

enum init_phase { INIT_PHASE_NEW = 1, INIT_PHASE_USER = 2, INIT_PHASE_CONTROL = 4 };

#define INIT_COMMAND_MAX (128 * 1024)
#define INIT_ENV_MAX     (48 * 1024) /* NAME=value NUL NAME=value NUL ... */
#define INIT_TEXT_MAX    256
#define INIT_PATH_MAX    1024

enum init_type {
	INIT_BIND = 2,
	INIT_BOUND = 3,
	INIT_SPAWN = 4,
	INIT_SPAWNED = 5,
	INIT_EXITED = 7,
	INIT_SIGNAL = 8,
	INIT_DIAL = 10,
	INIT_DIALED = 11,
	INIT_LISTEN = 12,
	INIT_LISTENING = 13,
	INIT_SETUP = 14,
	INIT_READY = 15,
	INIT_POWER = 16,
	INIT_FAILED = 17,
	INIT_RELEASE = 18,
};

/* Empty user = a CONTROL connection. The unix user is created (home, shell, sudo when `sudo`) if it does not exist. */
struct init_bind {
	char user[STR_NAME_MAX];
	uint32_t sudo;
};
struct init_bound {
	uint32_t uid, gid;
	char home[INIT_PATH_MAX];
	char shell[INIT_PATH_MAX];
};
enum init_spawn_kind { INIT_SHELL, INIT_EXEC, INIT_SUBSYSTEM };
enum init_spawn_flag { INIT_PTY = 1, INIT_RC = 2 }; /* RC: ~/.ssh/rc may run before */
struct init_spawn {
	uint32_t id;   /* chosen by the asker, unique among its living spawns */
	uint32_t kind; /* enum init_spawn_kind */
	uint32_t flags;
	char term[64];
	char x11[X11_TEXT_MAX]; /* "protocol hexcookie" for the input of rc; empty = none */
	uint32_t cols, rows, xpixel, ypixel;
	MSG_BLOB(1024) modes; /* RFC 4254 section 8; may be empty */
	MSG_BLOB(INIT_ENV_MAX) env;
	MSG_BLOB(INIT_COMMAND_MAX) command; /* SUBSYSTEM: "sftp"; no NUL inside */
};
/* fds: PTY: 1, the master.  Pipes: 3, write end of stdin, read ends of stdout and stderr. */
struct init_spawned {
	uint32_t id;
	uint32_t pid;  /* inside the workspace */
	uint32_t hush; /* a shell on a terminal: ~/.hushlogin is there */
};
struct init_exited {
	uint32_t id;
	uint32_t status; /* exit status, when signal is 0 */
	uint32_t signal;
	uint32_t core;
};
struct init_signal {
	uint32_t id;
	uint32_t signal; /* Linux number 1..31; to the process group of the spawn */
};
/*
 * AGENT and X11 are for INIT_LISTEN alone, and live until INIT_RELEASE or as long as the connection that asked: then
 * ws-init removes their files.  AGENT: a unix socket in a directory of the user's own.  X11: a free display from 10 on, on
 * the loopback, and an authority file with the cookie.  A connection may have INIT_AGENTS and INIT_DISPLAYS of them.
 * The files of UNIX go the same way.
 */
#define INIT_AGENTS   1
#define INIT_DISPLAYS 4
enum init_address_kind { INIT_TCP, INIT_UNIX, INIT_AGENT, INIT_X11 };
struct init_address { /* INIT_DIAL and INIT_LISTEN */
	uint32_t id;
	uint32_t kind;            /* enum init_address_kind */
	uint32_t port;            /* TCP, INIT_LISTEN: 0 = any */
	char host[INIT_PATH_MAX]; /* name, literal, path; X11: "protocol hexcookie" */
};
struct init_opened { /* INIT_DIALED and INIT_LISTENING; fd: the socket */
	uint32_t id;
	uint32_t port;  /* TCP: the port; X11: the display number */
	char path[256]; /* AGENT: the socket's path; X11: the authority file's */
};
/* An AGENT or X11 that is not needed any more; its files go away. Unknown ids are ignored. */
struct init_release {
	uint32_t id;
};
/* Once, by the creating worker, before anybody may log in. */
struct init_setup {
	char hostname[STR_NAME_MAX];
	char resolv_conf[1024]; /* empty: leave the file alone */
};
enum init_power_kind { INIT_STOP };
struct init_power {
	uint32_t kind;
	uint32_t timeout_s; /* SIGTERM to all, SIGKILL after this */
};
struct init_failed {
	uint32_t id;   /* of the request, 0 for BIND and SETUP */
	uint32_t code; /* errno */
	char text[INIT_TEXT_MAX];
};

extern const struct msg_proto init_proto;
