/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One connection of the admin socket and its bounded send queue. admin_server.c owns and frees it. */
#pragma once
#include "proto/admin.h"
#include <systemd/sd-event.h>

struct queued;
struct operation;
struct admin_recovery;
struct admin_server;

struct admin_client {
	struct admin_client *next;
	struct admin_server *server;
	int fd;
	sd_event_source *io,
		*reaper; /* reaper: enabled once when the client has failed; not owned */
	struct msg_state state;
	struct queued *out, **out_end;
	size_t queued;
	struct operation *operations;
	unsigned int noperations;
	struct admin_recovery *recoveries; /* admin_recover.c */
	bool follow, failed;
	uint32_t follow_tag;
	char follow_name[STR_NAME_MAX];
	uint32_t sources_tag; /* admin_sources.c */
	char sources_lift[64];
};

/* Mark as failed and wake the reaper. `why` (may be NULL) goes to the log. */
void admin_client_fail(struct admin_client *c, const char *why);
/* Send, or queue what does not fit into the socket; `fd` (-1: none) is not taken over. */
void admin_client_send(struct admin_client *c, uint32_t type, const void *body, size_t size,
		       int fd);
void admin_client_done(struct admin_client *c, uint32_t tag, const char *text);
void admin_client_failed(struct admin_client *c, uint32_t tag, int code, const char *text);
/* The socket takes data again. */
void admin_client_flush(struct admin_client *c);
/* Close the connection and drop what is queued. */
void admin_client_close(struct admin_client *c);
