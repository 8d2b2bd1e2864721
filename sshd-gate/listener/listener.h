/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the listener process holds: one struct, in main.c, that its parts work on. */
#pragma once
#include "children.h"
#include "penalty.h"
#include "proto/ctl.h"
#include "proto/msg.h"
#include "refuse.h"
#include "zygote.h"
#include <limits.h>

/* The conversation with provisiond. */
struct control {
	char path[PATH_MAX]; /* run/gate.sock */
	int sock;            /* -1: not connected */
	bool started;        /* CTL_SETTINGS came on this connection */
	bool said;           /* its absence is in the log already */
	uint64_t retry_us;   /* connect again then */
	uint64_t backoff_us;
	uint64_t lost_us;  /* since when there is none */
	uint64_t tried_us; /* last attempt to connect */
};

#define ENDED_MAX 256

/* A connection that has ended and is not judged yet. */
struct ended {
	uint8_t id[CTL_ID_LEN];
	struct ipport peer;
	int status; /* as of waitpid(2) */
	bool authenticated, failed, violated, killed, timeout, dropped, announced;
	uint64_t
		until_us; /* a violation may be told of until then, by a session that ended with it */
};

struct listener {
	char program[PATH_MAX]; /* sshd-gate-session */
	int program_fd;         /* O_PATH, of that */
	struct control control;
	struct ctl_settings settings;
	bool confined;          /* first settings came, sandbox is on */
	int socks[MSG_FDS_MAX]; /* listening */
	uint32_t nsocks;
	struct children children;
	struct zygote zygote;
	struct refuse_list refused;
	struct penalty penalty;
	struct ended ended[ENDED_MAX];
	uint32_t nended;
	uint32_t notice_tokens, notice_lost; /* of CTL_PENALTY; how many were left out */
	uint64_t notice_us;
	int signals; /* signalfd */
	int null;    /* /dev/null */
	int reserve; /* given up to answer a client when there are no descriptors left; -1 then */
	uint64_t accept_after_us; /* accept nothing before this */
	uint64_t accept_backoff_us;
	uint64_t accept_log_us; /* no line about a pause before this */
	uint64_t refuse_log_us; /* last line about refusals, and how many there were since */
	uint32_t refuse_count;
	bool stop;
};
