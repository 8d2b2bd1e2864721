/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See admin_sessions.h. */
#include "admin_sessions.h"

#include <string.h>

#include "proto/admin.h"
#include "sessions.h"

struct request {
	struct admin_client *client;
	const char *workspace;
	uint32_t tag;
};

static void send_channels(const struct request *r, const struct session_info *s)
{
	for (const struct session_channel *ch = s->open; ch; ch = ch->next) {
		struct admin_channel row = { .tag = r->tag, .id = ch->id, .since = ch->since };

		str_copy(row.session, sizeof(row.session), s->id);
		str_copy(row.kind, sizeof(row.kind), sessions_kind(ch->kind));
		str_copy(row.what, sizeof(row.what), ch->what);
		admin_client_send(r->client, ADMIN_CHANNEL, &row, sizeof(row), -1);
	}
}

static void send_session(void *ctx, const struct session_info *s)
{
	const struct request *r = ctx;
	struct admin_session row = {
		.tag = r->tag, .since = s->since, .pid = s->pid, .channels = s->channels
	};

	if (r->workspace[0] && strcmp(r->workspace, s->workspace))
		return;
	str_copy(row.id, sizeof(row.id), s->id);
	str_copy(row.user, sizeof(row.user), s->user);
	str_copy(row.workspace, sizeof(row.workspace), s->workspace);
	str_copy(row.peer, sizeof(row.peer), s->peer);
	str_copy(row.local, sizeof(row.local), s->local);
	str_copy(row.fingerprint, sizeof(row.fingerprint), s->fingerprint);
	str_copy(row.method, sizeof(row.method), sessions_method(s));
	str_copy(row.kinds, sizeof(row.kinds), s->kinds);
	admin_client_send(r->client, ADMIN_SESSION, &row, sizeof(row), -1);
	send_channels(r, s);
}

void admin_sessions_send(struct admin_client *c, uint32_t tag, const char *workspace)
{
	struct request r = { c, workspace, tag };

	sessions_each(send_session, &r);
}
