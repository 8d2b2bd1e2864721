/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * provisiond's side of the "admin" conversation over run/admin.sock (0600; peers must be uid 0).  Sends never block:
 * each client has a bounded queue, and one that does not read is dropped.  An operation goes on when its client leaves.
 */
#pragma once
#include "auth.h"
#include "ctl_look.h"
#include "workspace.h"
#include <systemd/sd-event.h>

struct admin_server;

/* What the server asks of the daemon. */
struct admin_daemon {
	void *ctx;
	/* Load the configuration again; text gets the outcome in words. 0 or -errno. */
	int (*reload)(void *ctx, char *text, size_t size);
	/* As gate_server_kick. */
	int (*kick)(void *ctx, const char *who, const char *message, struct err *e);
	void (*status)(void *ctx, char *text, size_t size);
	/* As ctl_server_look; with `fn` NULL ctl_server_look_cancel. */
	int (*look)(void *ctx, const char *lift, ctl_look_fn fn, void *who, struct err *e);
	const struct hostkey *hostkey; /* the gate's */
};

/* Listens at once. The registry is not owned. */
int admin_server_new(sd_event *loop, struct registry *reg, const struct admin_daemon *daemon,
		     struct admin_server **out, struct err *e);
void admin_server_free(struct admin_server *a);
