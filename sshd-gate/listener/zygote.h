/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listener's side of the session zygote: start it, ask it for sessions, restart it with back-off when it dies, and
 * retire it when a session died by a signal, so that no address-space layout is probed twice (ARCHITECTURE.md).
 */
#pragma once
#include "base/err.h"
#include "proto/ctl.h"
#include <stdbool.h>
#include <sys/types.h>

#define ZYGOTE_OLD_MAX 8

struct zygote {
	const char *program; /* sshd-gate-session; not owned */
	int program_fd;      /* O_PATH, what is executed; not owned */
	bool debug;
	int null; /* /dev/null, for its fds 0 and 1; not owned */
	int sock; /* -1: none */
	pid_t pid;
	bool ready;    /* sandboxed, self-test passed */
	bool retiring; /* no new work; closed when nothing is unanswered */
	uint64_t
		deadline_us; /* READY (or the last answer of a retiring one) has to be there by then */
	uint64_t retry_us; /* do not start another before this */
	uint32_t failures; /* in a row, since the last READY */
	struct {
		pid_t pid;
		uint64_t kill_us;
	} old[ZYGOTE_OLD_MAX]; /* on their way out; pid 0 = free */
};

/* `answer` gets every ZYGOTE_SPAWNED. */
typedef void (*zygote_answer_fn)(void *ctx, const struct zygote_spawned *s);

void zygote_init(struct zygote *z, const char *program, int program_fd, int null, bool debug);
/* exec it. On failure retry_us is set. */
int zygote_start(struct zygote *z, uint64_t now_us, struct err *e);
/* May zygote_spawn be called? */
bool zygote_usable(const struct zygote *z);
/* Ask for a session; the fds are not consumed. */
int zygote_spawn(struct zygote *z, const struct zygote_spawn *req, int conn, int gate,
		 struct err *e);
/* The socket is readable. 0, or -errno: the zygote is gone and closed (zygote_close), `e` says why. */
int zygote_read(struct zygote *z, uint64_t now_us, zygote_answer_fn answer, void *ctx,
		struct err *e);
/* Give this one up: close the socket, let it exit. What it has not answered is lost. */
void zygote_close(struct zygote *z, uint64_t now_us);
/* No new work for this one. */
void zygote_retire(struct zygote *z, uint64_t now_us);
/* Close one that retires and owes no answer, or that was not ready in time (-ETIMEDOUT). */
int zygote_check(struct zygote *z, uint64_t now_us, uint32_t pending, struct err *e);
/* Reap old ones and kill those that linger. */
void zygote_reap(struct zygote *z, uint64_t now_us);
/* Next moment at which something has to be done; UINT64_MAX = none. */
uint64_t zygote_deadline(const struct zygote *z);
