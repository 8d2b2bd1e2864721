/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ws-init keeps: its connections, its jobs, its state as PID 1.  One `struct agent`, in main.c, in .bss: a table row
 * costs memory only once it is used.  PID 1 itself resolves no path and blocks on nothing: whatever touches a file or
 * the network happens in a forked helper with a deadline (job.h), so a FIFO, a dead FUSE mount or a full disk in the
 * workspace can hold up one request and never the agent.
 */
#pragma once
#include "become.h"
#include "passwd.h"
#include "private_dir.h"
#include "proto/init.h"

#define AGENT_USER_CONNS 512 /* connections bound to a user, all sessions together */
#define AGENT_SPARE_CONNS                                                                          \
	16 /* beyond those: not bound yet, and CONTROL; provisiond always gets in */
#define AGENT_CONNS           (AGENT_USER_CONNS + AGENT_SPARE_CONNS)
#define AGENT_JOBS            2048 /* living spawns and helpers of all connections */
#define AGENT_SPARE_JOBS      32 /* of these kept for BIND and SETUP, so that an admin always gets in */
#define AGENT_CONN_SPAWNS     256   /* living spawns of one connection (max_sessions is smaller) */
#define AGENT_CONN_HELPERS    64    /* dials and listens under way of one connection */
#define AGENT_BIND_GRACE_MS   10000 /* a new connection says INIT_BIND within this time */
#define AGENT_ACCEPT_PAUSE_MS 100   /* no accept for this long after EMFILE or ENOMEM */
#define AGENT_TRIM_MS         500 /* idle for this long: give the message buffers back to the kernel */
#define AGENT_KNOWN           16 /* users whose BIND is answered from memory */
#define AGENT_NOFILE                                                                               \
	16384 /* soft limit of PID 1's own descriptors; children get the original back */
#define AGENT_STOP_MS    10000 /* SIGTERM from outside: time before SIGKILL */
#define AGENT_STOP_MAX_S 3600  /* longest timeout that INIT_POWER may ask for */

#define AGENT_UNUSED 256                                /* files that wait to be removed */
#define CONN_SERVED  (INIT_AGENTS + INIT_DISPLAYS + 16) /* the rest: unix sockets that listen */

/* An agent or a display of a connection (served.h). */
struct served {
	bool used;
	uint32_t id, kind;        /* of the request */
	struct private_file file; /* path empty until its helper has answered */
};

struct conn {
	bool used;
	bool blocked; /* its socket is full: nothing is read until it drains */
	bool busy;    /* a BIND is under way: nothing is read until it is answered */
	int fd;
	struct msg_state state;
	uint64_t deadline; /* ms; 0 = none (bound) */
	uint32_t nspawns, nhelpers;
	uint32_t sudo; /* of its BIND */
	bool known;    /* `account` is from an earlier BIND */
	struct account account;
	struct served served[CONN_SERVED];
	struct agent *agent;
};

enum job_kind {
	JOB_FREE,
	JOB_BIND,
	JOB_SETUP,
	JOB_SPAWN,
	JOB_DIAL,
	JOB_LISTEN,
	JOB_LOGOUT,
	JOB_REMOVE
};

struct job {
	enum job_kind kind;
	struct conn *conn; /* NULL: nobody waits for it */
	uint32_t id;
	pid_t pid;         /* helper, then the spawned process */
	bool gone;         /* reaped (its pid may be another's now), or not followed any more */
	int sock;          /* the helper's reports; -1 = it has exec'd or finished */
	int fds[3];        /* for the answer, -1 = none */
	uint64_t deadline; /* ms, while `sock` is open */
	bool pty, logged; /* has a terminal; has a utmp record to end (terminal number in `port`) */
	bool answer_due, exit_due; /* to be sent as soon as the connection takes it */
	int wstatus;               /* once reaped */
	uint32_t code, port;       /* the answer: errno (0 = success), port */
	uint64_t dev, ino;         /* LISTEN, UNIX: of the file */
	uint32_t uid;              /* LISTEN: the owner of the file */
	bool serves, hush;         /* LISTEN: an agent or a display; SPAWN: ~/.hushlogin is there */
	char text[INIT_TEXT_MAX];  /* of a failure; LISTEN: the path of the file */
};

/* What a BIND found, in this life of the workspace. A new one replaces the oldest. */
struct known {
	uint32_t sudo;
	struct account account;
};

struct agent {
	int listener, signals, epoll;
	uint64_t accept_at;        /* ms; 0 = accepting */
	uint64_t trim_at;          /* ms; 0 = buffers are clean */
	uint64_t kill_at, exit_at; /* ms, while stopping */
	bool stopping;
	struct become_limits limits; /* what children get */
	uint32_t nusers, nconns;     /* connections bound to a user; rows of conns ever used */
	uint32_t njobs, jobs_top;    /* living jobs; rows of jobs ever used */
	uint32_t nknown;             /* rows of known ever filled; may be more than there are */
	struct known known[AGENT_KNOWN];
	uint32_t nunused;
	uint64_t unused_at; /* ms: when to try again */
	struct private_file unused[AGENT_UNUSED];
	struct conn conns[AGENT_CONNS];
	struct job jobs[AGENT_JOBS];
};

enum agent_source { AGENT_LISTENER = 1, AGENT_SIGNALS, AGENT_CONN, AGENT_JOB };

/* Milliseconds on CLOCK_MONOTONIC. */
uint64_t agent_now(void);
/* Watch fd for `events` under (source, row); events = 0 stops watching. Best effort: EPOLL_CTL never fails on our fds. */
void agent_watch(struct agent *a, int fd, enum agent_source source, uint32_t row, uint32_t events);
/* INIT_POWER and SIGTERM: SIGTERM to all (SIGHUP to terminals first), SIGKILL after `ms`, exit when all are gone. */
void agent_stop(struct agent *a, uint64_t ms);
