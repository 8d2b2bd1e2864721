/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a worker needs to build, stop or undo one workspace, and the step table that does it (DESIGN section 4).
 * Every `up` and `down` is idempotent; `down` works from the record alone, so that it serves failure, stop, destroy and
 * crash recovery.  Runs in a worker process, never in the daemon's own: libnl aborts on misuse.
 */
#pragma once
#include "base/err.h"
#include "record.h"
#include "settings.h"
#include <stdbool.h>

/* Handles that live from one step to the next inside one worker. -1 = none. Owned by the plan. */
struct given;

struct plan {
	const struct settings *settings;
	const struct spec *spec;
	struct record *rec;   /* worker's copy; results travel back in WORK_DONE */
	char dir[PATH_MAX];   /* run/ws/NAME: user, net (pins), init.sock, lower (transient) */
	char store[PATH_MAX]; /* state/workspaces/NAME: upper, work */
	int initfd;           /* sealed memfd with ws-init */
	int filterfd;         /* memfd with the seccomp programs (filter.h) */
	int userns, netns;    /* namespace fds */
	int rootfd;           /* detached overlay mount, to be the workspace's root */
	int listenfd;         /* listening init.sock */
	int pidfd;            /* of ws-init */
	int report;           /* socket for WORK_* messages, or -1 */
	struct given *given; /* devices and files of the host that it gets (given.h); NULL = none */
	char detail[128];    /* what the running step tells the user, e.g. an address */
};

struct step {
	const char *name; /* lease gpu limits namespaces net nic rdma rootfs init devices ready */
	int (*up)(struct plan *p, struct err *e);
	int (*down)(struct plan *p,
		    struct err *e); /* tries everything; returns the first failure */
	bool keep_on_stop;          /* `stop` leaves it up: a restart is quick and the NIC stays */
	bool guards; /* a failed `down` ends the undo: the namespaces would take the NIC with them */
};

extern const struct step plan_steps[];
extern const unsigned int plan_nsteps;

/* Run all ups in order, reporting each; on failure run the downs of those that began, in reverse, and return -errno. */
int plan_up(struct plan *p, struct err *e);
/* Run downs in reverse: all of them (`all`), or only those that a stop takes down. Goes on after a failure. */
int plan_down(struct plan *p, bool all, struct err *e);
/* Run the step `nic` alone in a running workspace; *clean: a failure left the NIC on the host. */
int plan_attach(struct plan *p, bool *clean, struct err *e);
/* Remove the workspace's files (upper, work). Only after plan_down(all). */
int plan_purge(struct plan *p, struct err *e);
void plan_init(struct plan *p, const struct settings *s, const struct spec *spec,
	       struct record *rec);
void plan_close(struct plan *p);
