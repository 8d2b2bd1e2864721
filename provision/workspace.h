/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry of workspaces in provisiond's main process: records in memory, allocation (slots, addresses, NICs), one
 * operation at a time per workspace, its workers, its watchers, recovery at start.  Every operation ends in exactly one
 * call of the waiter's `done`.
 */
#pragma once
#include "record.h"
#include "settings.h"
#include <stdbool.h>
#include <systemd/sd-event.h>

struct registry;
struct workspace;

enum workspace_op {
	WORKSPACE_CREATE,
	WORKSPACE_START,
	WORKSPACE_STOP,
	WORKSPACE_DESTROY,
	WORKSPACE_ATTACH /* move the NIC into a running one */
};
struct workspace_request {
	enum workspace_op op;
	bool purge;             /* DESTROY: the files, the id range and the record too */
	unsigned int timeout_s; /* STOP, DESTROY: grace of the processes inside; 0 = settings */
};

/* Someone who waits for an operation. `progress` may be NULL. After `done` the waiter is forgotten. */
struct waiter {
	void (*progress)(struct waiter *w, const char *step, const char *detail, uint64_t us,
			 int up);
	void (*done)(struct waiter *w, struct workspace *ws, int ret, const struct err *e);
	void *ctx;
	struct waiter *next;
	struct workspace *ws;
};

/* Open state and run directories, load records, adopt what lives, queue recovery of what does not. */
int registry_new(sd_event *loop, struct settings *settings, struct registry **out, struct err *e);
void registry_free(struct registry *r);
/* Descriptors for the workers, -1 = none. All borrowed for the life of the registry. */
struct registry_files {
	int init;   /* ws-init's image */
	int filter; /* seccomp programs (filter_build) */
	int locks
		[2]; /* workers keep them, so that a killed provisiond's locks last until they are gone */
};
/* Begin to work: settle what recovery found, start `autostart` workspaces. */
void registry_start(struct registry *r, const struct registry_files *files);
/* Start no more workers (the daemon is about to end); how many still run. */
void registry_drain(struct registry *r);
unsigned int registry_busy(const struct registry *r);
/* Bring the host's network in line with the settings, in a worker; failures are logged. */
void registry_refresh_host(struct registry *r);
/* Swap in a new configuration (reload). The registry does not own settings. */
void registry_set_settings(struct registry *r, struct settings *settings);
const struct settings *registry_settings(const struct registry *r);

/* Show a line to the sessions of a workspace. How many there were. */
typedef unsigned int (*registry_notice_fn)(void *ctx, const struct workspace *ws, const char *line);
/* Who does that; NULL: nobody. */
void registry_on_notice(struct registry *r, registry_notice_fn fn, void *ctx);

/* Choose for a login: by dialled pool address, by "user+workspace", or the user's default. NULL spec means refused. */
int workspace_choose(struct registry *r, const char *user, const char *wanted,
		     const struct ip *dialled, char name[STR_NAME_MAX], struct err *e);
enum workspace_rule {
	WORKSPACE_BY_ADDRESS, /* the one that has the dialled address */
	WORKSPACE_BY_NAME,    /* "user+workspace" */
	WORKSPACE_BY_DEFAULT, /* named like the user */
	WORKSPACE_BY_ONLY     /* the only configured one that lists the user */
};
struct workspace_choice {
	char name[STR_NAME_MAX]; /* also when it is refused, if it came so far */
	enum workspace_rule rule;
	const char *section,
		*key; /* of the configuration: what refused; "workspace": of that one. NULL: nothing */
};
/* workspace_choose(), with its reasons. */
int workspace_decide(struct registry *r, const char *user, const char *wanted,
		     const struct ip *dialled, struct workspace_choice *out, struct err *e);
struct workspace *workspace_find(struct registry *r, const char *name);
struct workspace *workspace_find_ip(struct registry *r, const struct ip *ip);
/* Never NULL; only its name means something while !workspace_exists (configured, not created). */
const struct record *workspace_record(const struct workspace *ws);
bool workspace_exists(const struct workspace *ws);
const char *workspace_name(const struct workspace *ws);
const char *workspace_state(const struct workspace *ws); /* record_state_text(), or "damaged" */
uint64_t workspace_leased(const struct workspace *ws);   /* NIC since, seconds since the epoch */
uint64_t workspace_leased_gpu(const struct workspace *ws);
/* Iterate: NULL starts; returns NULL at the end. Ordered by name. Includes configured, not yet created ones. */
struct workspace *workspace_next(struct registry *r, struct workspace *after);
void workspace_spec(struct registry *r, const struct workspace *ws, struct spec *out);

/*
 * Bring workspace `name` into the running state, creating or starting it as needed; joins an operation under way.
 * WORKSPACE_STOP and DESTROY queue behind one. `w` (caller-owned, alive until done or waiter_cancel) gets the result;
 * it may be called before this returns.
 */
void workspace_run(struct registry *r, const char *name, struct waiter *w);
void workspace_operate(struct registry *r, const char *name, const struct workspace_request *req,
		       struct waiter *w);
void waiter_cancel(struct waiter *w);

/*
 * A connected init socket bound to `user` (BIND sent, BOUND not awaited); empty user = control. fd or -errno; -EAGAIN: ws-init
 * has not taken those who came before yet.
 */
int workspace_connect(struct registry *r, struct workspace *ws, const char *user, struct err *e);
unsigned int workspace_sessions(const struct workspace *ws);
void workspace_count_session(struct workspace *ws, int delta);
