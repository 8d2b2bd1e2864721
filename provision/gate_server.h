/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * provisiond's side of the "gate" conversation: one object per SSH connection, from CTL_CONN to the end of its session
 * process.  Decides who is authenticated, signs exchange hashes, attaches to workspaces.  Main process of provisiond;
 * treats every message as hostile: a session that breaks a rule loses its own connection, nothing else.
 */
#pragma once
#include "auth.h"
#include "proto/ctl.h"
#include "workspace.h"
#include <systemd/sd-event.h>

struct gate_server;

/* How a connection tells the listener that owns it. `owner` is what gate_server_add was given, never NULL here. */
typedef void (*gate_state_fn)(void *owner, const uint8_t id[CTL_ID_LEN], enum ctl_state_kind kind);

/* How a jump reaches the listener; `fd` stays the caller's. */
typedef int (*gate_jump_fn)(void *owner, const struct ctl_jump *j, int fd, struct err *e);

/* The registry and the host key are not owned and must outlive the object. */
int gate_server_new(sd_event *loop, struct registry *reg, struct hostkey *hostkey,
		    gate_state_fn state, struct gate_server **out, struct err *e);
/* Jumps are refused without it. */
void gate_server_on_jump(struct gate_server *g, gate_jump_fn jump);
/* Drops every connection object; session processes see nothing, as after a crash (their listener keeps a duplicate). */
void gate_server_free(struct gate_server *g);
/* Read again what was taken from files (banner). Living connections keep the limits they were welcomed with. */
void gate_server_reload(struct gate_server *g);

/*
 * Take over a connection: consumes `fd` in every case. With c->resumed the identity comes from run/sessions; one that
 * is not known there is dropped (CTL_DROP). A known id (the listener reconnected) only changes its owner.
 */
int gate_server_add(struct gate_server *g, const struct ctl_conn *c, int fd, void *owner,
		    struct err *e);
/* The listener saw the session process end. */
void gate_server_closed(struct gate_server *g, const struct ctl_closed *c);
/*
 * Tell the connections of this user or workspace, or the one whose id begins so, to leave; those that do not are killed.
 * How many, -ENOENT or -EEXIST (several begin like that).
 */
int gate_server_kick(struct gate_server *g, const char *who, const char *message, struct err *e);
/* The listener `owner` is gone; its connections live on without one. */
void gate_server_disown(struct gate_server *g, const void *owner);
