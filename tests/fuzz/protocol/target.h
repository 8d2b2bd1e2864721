/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session process under test: a fork of the real zygote, in its sandbox; or, for sanitizers (which its filter forbids),
 * a fork of this process that calls session_run.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct target {
	pid_t pid; /* 0 = ended */
	int conn;  /* the client's end, the caller's to take */
	int prov;  /* provisiond's end, the caller's to take */
	int status;
	uint64_t cpu_us; /* when it has ended */
};

/*
 * `program`: sshd-gate-session, or NULL for sessions in forks of this process, which log details when `verbose`. 0, or -1
 * with a message.
 */
int target_setup(const char *program, bool verbose);
/* 0 or -1. */
int target_start(struct target *t);
/* Has it ended? Fills status and cpu_us. */
bool target_ended(struct target *t);
void target_kill(struct target *t);
/* Of the living process; 0 when it cannot be told. */
unsigned int target_fds(const struct target *t);
/* What they are, to stdout as TAP comments. */
void target_show_fds(const struct target *t);
unsigned long target_peak_kib(const struct target *t);
uint64_t target_cpu_now_us(const struct target *t);
/* Ask for a check by LeakSanitizer; the process ends with TARGET_LEAKS when there are any. */
void target_check_leaks(const struct target *t);
bool target_sanitized(void);
/* What the sessions have logged since the last call, to stdout as TAP comments. */
void target_show_log(void);
void target_drop_log(void);

#define TARGET_ASAN  77 /* exit status: see ASAN_OPTIONS in target.c */
#define TARGET_LEAKS 78
