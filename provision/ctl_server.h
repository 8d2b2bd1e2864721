/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * provisiond's side of the "ctl" conversation with the listener, over run/gate.sock (owned by the gate's uid, 0600;
 * SO_PEERCRED checked: that uid or root).  Opens the listening sockets of the gate and keeps them open, so that a
 * restarted listener loses no waiting connection; takes them back from a living listener after its own restart.
 */
#pragma once
#include "auth.h"
#include "ctl_look.h"
#include "workspace.h"
#include <systemd/sd-event.h>

struct ctl_server;

/* Listens at once; the TCP sockets are opened when the first listener asks. Owns neither registry nor host key. */
int ctl_server_new(sd_event *loop, struct registry *reg, struct hostkey *hostkey,
		   struct ctl_server **out, struct err *e);
/*
 * After registry_set_settings: open the listening sockets again when addresses changed, and tell the listeners. On
 * failure the old sockets stay in use.
 */
int ctl_server_reload(struct ctl_server *c, struct err *e);
/* gate_server_kick. */
int ctl_server_kick(struct ctl_server *c, const char *who, const char *message, struct err *e);
/*
 * ctl_look_ask of the listener. Without one: -ENOTCONN. `fn` NULL: nobody waits for what `who` asked (any more), 0; safe
 * with `c` NULL.
 */
int ctl_server_look(struct ctl_server *c, const char *lift, ctl_look_fn fn, void *who,
		    struct err *e);
void ctl_server_free(struct ctl_server *c);
