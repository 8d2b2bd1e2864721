/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listener's table of session processes.  A child exists from its admission on: its pid is known only when the
 * zygote answers, and it may be dead by then.  Reaped by pid, one by one, so that no other child's status is taken.
 */
#pragma once
#include "admission.h"
#include "proto/ctl.h"
#include <stdbool.h>
#include <sys/types.h>

#define CHILDREN_MAX 4096

struct child {
	uint32_t serial;
	pid_t pid; /* 0: the zygote has not answered yet */
	uint8_t id[CTL_ID_LEN];
	int conn; /* the connection, until the zygote has answered; then -1 */
	int gate; /* duplicate of provisiond's end of the session's pair */
	struct ipport peer, local;
	uint8_t via[CTL_ID_LEN]; /* jumped: through this connection */
	bool jumped;
	struct ipnet source;
	uint64_t started_us;
	uint64_t deadline_us; /* SIGKILL then; 0 = never */
	bool authenticated;
	bool announced; /* this provisiond knows it */
	bool dropped;   /* provisiond wants it gone */
	bool failed;    /* a try to log in failed */
	bool violated;  /* the client broke the protocol */
	bool killed;    /* we sent SIGKILL */
	bool timeout;   /* ... at the end of the grace time */
};

/* Zero-initialised is empty. */
struct children {
	struct child **v; /* in the order of their admission */
	size_t n, cap;
	uint32_t serial; /* last one given */
	uint32_t lost;   /* forked by a zygote that died before it could say so */
};

/* A new child with a fresh serial, conn and gate -1. NULL: no memory, or CHILDREN_MAX reached. */
struct child *children_add(struct children *t);
/* Close its descriptors and forget it. */
void children_remove(struct children *t, struct child *c);
struct child *children_by_serial(const struct children *t, uint32_t serial);
struct child *children_by_id(const struct children *t, const uint8_t id[CTL_ID_LEN]);
/* Children that wait for the zygote's answer. */
uint32_t children_pending(const struct children *t);
/* Fill startups, from_source and all for a connection from `source`. */
void children_load(const struct children *t, const struct ipnet *source,
		   struct admission_load *load);
/* Earliest deadline, UINT64_MAX when there is none. */
uint64_t children_deadline(const struct children *t);
/* SIGKILL those whose deadline has passed; unauthenticated ones are marked timeout. Returns how many. */
unsigned int children_expire(struct children *t, uint64_t now_us);
/*
 * The zygote says that `c` is process `pid`. False when that is no child of ours: then nothing is changed (a listener
 * must never signal a process that is not its own).
 */
bool children_adopt(struct child *c, pid_t pid);
/*
 * Call ended() for every child whose process is gone, with its wait status, and remove it. ended() must not add or
 * remove children.
 */
void children_reap(struct children *t, void (*ended)(void *ctx, const struct child *c, int status),
		   void *ctx);
void children_free(struct children *t);
