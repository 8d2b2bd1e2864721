/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of the "init" conversation: what ws-init does for a login, and what it does for provisiond.
 */
#include "proto/init.h"
#include "proto/table.h"

#define NEW         INIT_PHASE_NEW
#define USER        INIT_PHASE_USER
#define CONTROL     INIT_PHASE_CONTROL
#define PORT_MAX    65535
#define WINSIZE_MAX 65535 /* struct winsize has unsigned shorts */
#define ERRNO_MAX   4095

static const struct msg_field bind_[] = { STR(init_bind, user, 0), U32(init_bind, sudo, 0, 1) };
static const struct msg_field bound[] = {
	U32(init_bound, uid, 0, 0),
	U32(init_bound, gid, 0, 0),
	STR(init_bound, home, 0),
	STR(init_bound, shell, 0),
};
static const struct msg_field spawn[] = {
	U32(init_spawn, id, 0, 0),
	U32(init_spawn, kind, 0, INIT_SUBSYSTEM),
	U32(init_spawn, flags, 0, INIT_PTY | INIT_RC),
	STR(init_spawn, term, 0),
	STR(init_spawn, x11, 0),
	U32(init_spawn, cols, 0, WINSIZE_MAX),
	U32(init_spawn, rows, 0, WINSIZE_MAX),
	U32(init_spawn, xpixel, 0, WINSIZE_MAX),
	U32(init_spawn, ypixel, 0, WINSIZE_MAX),
	BYTES(init_spawn, modes, 0),
	BYTES(init_spawn, env, 0),
	BYTES(init_spawn, command, 0),
};
static const struct msg_field spawned[] = { U32(init_spawned, id, 0, 0),
					    U32(init_spawned, pid, 0, INT32_MAX),
					    U32(init_spawned, hush, 0, 1) };
static const struct msg_field exited[] = {
	U32(init_exited, id, 0, 0),
	U32(init_exited, status, 0, 255),
	U32(init_exited, signal, 0, 64),
	U32(init_exited, core, 0, 1),
};
static const struct msg_field signal_[] = { U32(init_signal, id, 0, 0),
					    U32(init_signal, signal, 1, 31) };
static const struct msg_field dial[] = {
	U32(init_address, id, 0, 0),
	U32(init_address, kind, 0, INIT_UNIX),
	U32(init_address, port, 0, PORT_MAX),
	STR(init_address, host, 1),
};
static const struct msg_field listen_[] = {
	U32(init_address, id, 0, 0),
	U32(init_address, kind, 0, INIT_X11),
	U32(init_address, port, 0, PORT_MAX),
	STR(init_address, host, 0),
};
static const struct msg_field opened[] = { U32(init_opened, id, 0, 0),
					   U32(init_opened, port, 0, PORT_MAX),
					   STR(init_opened, path, 0) };
static const struct msg_field release[] = { U32(init_release, id, 0, 0) };
static const struct msg_field setup[] = { STR(init_setup, hostname, 1),
					  STR(init_setup, resolv_conf, 0) };
static const struct msg_field power[] = { U32(init_power, kind, 0, 0),
					  U32(init_power, timeout_s, 0, 0) };
static const struct msg_field failed[] = {
	U32(init_failed, id, 0, 0),
	U32(init_failed, code, 0, ERRNO_MAX),
	STR(init_failed, text, 0),
};

static const struct msg_row rows[] = {
	{ ASK(INIT_BIND, init_bind, bind_, 0, 0, NEW,
	      "act as this unix user from now on; empty: control"),
	  .once = true },
	{ ANSWER(INIT_BOUND, init_bound, bound, 0, 0, ANY_PHASE, "the user's ids, home and shell"),
	  .once = true },
	{ ASK(INIT_SPAWN, init_spawn, spawn, 0, 0, USER,
	      "start a shell, a command or a subsystem") },
	{ ANSWER(INIT_SPAWNED, init_spawned, spawned, 1, 3, ANY_PHASE,
		 "fds: the pty master, or stdin (write), stdout and stderr (read)") },
	{ ANSWER(INIT_EXITED, init_exited, exited, 0, 0, ANY_PHASE, "a spawn has ended") },
	{ ASK(INIT_SIGNAL, init_signal, signal_, 0, 0, USER,
	      "signal the process group of a spawn (no answer)") },
	{ ASK(INIT_DIAL, init_address, dial, 0, 0, USER, "connect to an address, from inside") },
	{ ANSWER(INIT_DIALED, init_opened, opened, 1, 1, ANY_PHASE, "fd: the connected socket") },
	{ ASK(INIT_LISTEN, init_address, listen_, 0, 0, USER,
	      "listen on an address, inside; port 0: any") },
	{ ANSWER(INIT_LISTENING, init_opened, opened, 1, 1, ANY_PHASE,
		 "fd: the listening socket; its port") },
	{ ASK(INIT_RELEASE, init_release, release, 0, 0, USER,
	      "an agent or a display is not needed any more (no answer)") },
	{ ASK(INIT_SETUP, init_setup, setup, 0, 0, CONTROL,
	      "first configuration, before anybody logs in"),
	  .once = true },
	{ ANSWER_EMPTY(INIT_READY, ANY_PHASE, "answer to INIT_SETUP"), .once = true },
	{ ASK(INIT_POWER, init_power, power, 0, 0, CONTROL,
	      "stop: SIGTERM to all, SIGKILL after the timeout") },
	{ ANSWER(INIT_FAILED, init_failed, failed, 0, 0, ANY_PHASE,
		 "a request failed; its id, errno and reason") },
};
CHECK_ROWS(rows);

const struct msg_proto init_proto = {
	.name = "init",
	.version = 1,
	.rows = rows,
	.nrows = NROWS(rows),
	.phases = "new user control",
};
