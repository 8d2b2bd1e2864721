/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the registry, shared by workspace.c, allocate*.c, jobs.c, operate*.c, watch.c, reconcile.c and recover.c only.  Everything
 * here lives in provisiond's main process, which is single-threaded.  A `struct workspace` is never freed before the
 * registry is: sessions may hold a pointer to one whose record is gone.
 */
#pragma once
#include "workspace.h"
#include "worker.h"

enum job_kind { JOB_UP, JOB_STOP, JOB_DESTROY, JOB_CLEAN, JOB_ATTACH };
/* What an up job insists on: a login takes what it finds, CREATE wants it absent, START wants it there. */
enum job_want { WANT_ANY, WANT_ABSENT, WANT_PRESENT };

struct job_request {
	enum job_kind kind;
	enum job_want want;
	bool purge;             /* DESTROY: files and record too */
	unsigned int timeout_s; /* grace of ws-init; 0 = settings */
};

struct job {
	struct job *next;
	struct job_request req;
	bool undo;          /* the up failed half-way: its downs run now */
	bool returning;     /* of an up: what a stop kept goes home first */
	uint64_t began;     /* clk_now_us() when the first worker started */
	struct err failure; /* what the waiters get after an undo */
	struct spec spec;   /* snapshot for the worker */
	struct record kept; /* what a stop kept, when the start has to take it down first */
	struct waiter *waiters;
	struct waiter *cursor; /* next one of a loop over them; moved on by waiter_cancel */
};

struct workspace {
	struct registry *registry;
	char name[STR_NAME_MAX];
	struct record rec; /* as last saved; meaningless without has_record */
	bool has_record;
	bool configured; /* has a file in workspaces.d */
	bool damaged;    /* record unreadable: nothing is done to it, rec.note says why */
	bool dead;       /* RUNNING, but ws-init is gone */
	bool busy;       /* the first job is with the pool, or its waiters are being told */
	struct job *jobs, *ending;
	struct task task;
	int pidfd; /* of ws-init, -1 = none */
	sd_event_source *watch;
	int exit_code, exit_status; /* si_code and si_status of ws-init; code 0 = unknown */
	unsigned int sessions;
	uint64_t leased, leased_gpu;          /* NIC and GPU since; seconds since the epoch */
	char gpu_changed[160];                /* gpu_lease_changed() when it was looked at last, */
	bool gpu_told;                        /* and a session has read it */
	char nic_said[160], bridge_said[160]; /* what is wrong with them and has been told */
};

struct registry {
	sd_event *loop;
	const struct settings *settings;
	struct worker_pool *pool;
	int recordsfd, storefd;      /* state/records, state/workspaces */
	struct registry_files files; /* borrowed */
	char boot_id[37];
	struct workspace **list; /* sorted by name */
	unsigned int nlist, cap;
	uint64_t *reserved; /* id ranges of files without a usable record: their first ids */
	unsigned int nreserved;
	sd_event_source *hosts;           /* one-shot: rewrite the hosts file */
	sd_event_source *reconcile;       /* reconcile.h */
	struct reconcile_gpu *gpus;       /* reconcile_gpu.h */
	struct reconcile_bridge *bridges; /* reconcile_bridge.h */
	registry_notice_fn notice;
	void *notice_ctx;
	struct task host; /* registry_refresh_host */
	bool host_busy, host_again;
	struct trash *trash; /* deletions that recover.c finishes */
};

/* Index of `name` in the list, or of the place where it belongs (*found tells). */
unsigned int registry_position(const struct registry *r, const char *name, bool *found);
/* The workspace struct of this name, made when there is none. NULL: out of memory. */
struct workspace *registry_get(struct registry *r, const char *name);
/* Rewrite the hosts file soon: many removals cost one rewrite. */
void registry_hosts_dirty(struct registry *r);
/* Keep a first id out of allocation: files belong to it, but no record says whose. */
int registry_reserve_ids(struct registry *r, uint64_t id_base);
