/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Workers: forks of provisiond that run the step table of one workspace and exit.  The pool bounds how many run at
 * once; the rest waits first come, first served.  All in provisiond's main process, on its sd-event loop.
 */
#pragma once
#include "proto/work.h"
#include "record.h"
#include "settings.h"
#include <systemd/sd-event.h>

/* What a purge renames the files of a workspace to before it deletes them. */
#define WORKER_TRASH_PREFIX ".trash-"

enum worker_kind {
	WORKER_UP, /* plan_up; when that fails everything is down again, and `first` removes the files */
	WORKER_DOWN, /* what a stop takes down */
	WORKER_DOWN_ALL,
	WORKER_PURGE,  /* all down, then the files */
	WORKER_HOST,   /* net_host_up: after a reload */
	WORKER_TRASH,  /* finish the deletion of files whose record is gone */
	WORKER_ATTACH, /* plan_attach; when that fails the NIC is home again */
	WORKER_NIC,    /* nic_home_recover, rdma_recover */
	WORKER_GPU,    /* gpu_lease_recover, or of every dirty one */
};

/* Filled by task.begin; the pointers must hold until it returns to the pool (the worker works on its own copy). */
struct worker_order {
	enum worker_kind kind;
	const struct settings *settings;
	const struct spec *spec;
	const struct record *rec; /* NULL: HOST, TRASH, NIC, GPU */
	const char *trash;        /* TRASH: name below state/workspaces */
	const char *device;       /* NIC, GPU: its id; GPU NULL: every dirty one */
	bool force, rdma;         /* NIC; rdma: it is the id of an RDMA device */
	bool first;             /* UP: nothing existed before, so a failure removes the files too */
	unsigned int timeout_s; /* grace for ws-init; 0 = settings */
	int initfd, filterfd;
};

struct worker_result {
	struct err err; /* code 0: done */
	bool clean;     /* a failed UP left nothing behind */
	struct work_done done;
	int pidfd; /* ws-init or -1; closed by the pool unless taken (fd_take) */
};

/* One piece of work for one worker. Caller-owned; alive from worker_submit to `end`, and again if submitted from there. */
struct task {
	struct task *next;
	void *ctx;
	/* A worker is free: say what to do. -errno: `end` is not called, the task is over. */
	int (*begin)(struct task *t, struct worker_order *o, struct err *e);
	void (*refused)(struct task *t, const struct err *e); /* begin or fork failed */
	void (*step)(struct task *t, const struct work_step *s);
	void (*end)(struct task *t, struct worker_result *res);
};

struct worker_pool;

/* SIGCHLD must be blocked in the calling process: the pool reaps all children. */
int worker_pool_new(sd_event *loop, unsigned int limit, struct worker_pool **out, struct err *e);
/* Kills the workers that still run. Their tasks end without a call. */
void worker_pool_free(struct worker_pool *p);
void worker_pool_limit(struct worker_pool *p, unsigned int limit);
/* An fd that workers keep (at most 4): the lock on the run directory, so that it outlives a killed provisiond. */
void worker_pool_keep(struct worker_pool *p, int fd);
/* Told about every reaped child that is no worker. */
void worker_pool_orphans(struct worker_pool *p, void (*fn)(void *ctx, const siginfo_t *si),
			 void *ctx);
unsigned int worker_pool_running(const struct worker_pool *p);
/* Queue the task; `urgent` puts it before the others. `begin` may be called before this returns. */
void worker_submit(struct worker_pool *p, struct task *t, bool urgent);
