/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a session says about its channels: the table behind `sshbay sessions`, and lines in the audit log.  All of it is
 * the session's word and nothing depends on it.  Command lines are neither kept nor logged, whatever a session sends.
 */
#include "gate_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "base/clk.h"

static bool is_forward(uint32_t kind)
{
	return kind >= GATE_CHAN_DIAL;
}

static void summarize(struct session_info *info)
{
	bool have[SESSIONS_KINDS] = { false };
	size_t used = 0;

	info->channels = 0;
	info->kinds[0] = 0;
	for (const struct session_channel *ch = info->open; ch; ch = ch->next) {
		info->channels++;
		have[ch->kind] = true;
	}
	for (uint32_t k = 0; k < SESSIONS_KINDS; k++)
		if (have[k])
			used += (size_t)snprintf(info->kinds + used, sizeof(info->kinds) - used,
						 "%s%s", used ? " " : "", sessions_kind(k));
}

/* The place of this id in the list, or its end. */
static struct session_channel **place(struct session_info *info, uint32_t id)
{
	struct session_channel **at = &info->open;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void opened(struct session_info *info, const struct gate_channel *n)
{
	struct session_channel **at = place(info, n->id), *ch = *at;
	const char *what = is_forward(n->kind) ? n->what : "";
	size_t len = strlen(what);

	/* Said again after a restart of provisiond; or more than the table holds, which are not shown. */
	if (ch || info->channels >= GATE_CHANNELS_MAX)
		return;
	ch = calloc(1, sizeof(*ch) + len + 1);
	if (!ch)
		return;
	ch->id = n->id;
	ch->kind = n->kind;
	ch->since = clk_wall_s();
	memcpy(ch->what, what, len);
	*at = ch;
}

static void closed(struct session_info *info, uint32_t id)
{
	struct session_channel **at = place(info, id), *ch = *at;

	if (!ch)
		return;
	*at = ch->next;
	free(ch);
}

static void log_channel(struct gate_conn *c, const struct gate_channel *n, const char *what)
{
	static const char *const forward[] = { "chan.forward.close", "chan.forward.open",
					       "chan.forward.deny" };
	static const char *const plain[] = { "chan.close", "chan.open", "chan.deny" };
	struct audit_field more[4];
	struct gate_event ev = {
		.name = (is_forward(n->kind) ? forward : plain)[n->event],
		.result = n->event == GATE_CHAN_DENIED ? "refused" : "ok",
		.more = more,
	};

	more[ev.nmore++] = (struct audit_field)AUDIT_NUM("chan", n->id);
	more[ev.nmore++] = (struct audit_field)AUDIT_TEXT("kind", sessions_kind(n->kind));
	if (what[0])
		more[ev.nmore++] = (struct audit_field)AUDIT_TEXT("target", what);
	if (n->event == GATE_CHAN_CLOSED && !is_forward(n->kind))
		more[ev.nmore++] = (struct audit_field)AUDIT_NUM("status", n->status);
	gate_audit_event(c, &ev);
}

int gate_channel_notice(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_channel *n = m->body;
	struct session_info *info = &c->saved.info;
	const struct session_channel *known = *place(info, n->id);
	char what[sizeof(n->what)] = "";

	/* The end of a forward is told without its target; the table knows it. */
	if (is_forward(n->kind))
		(void)str_copy(what, sizeof(what), !n->what[0] && known ? known->what : n->what);
	log_channel(c, n, what);
	if (n->event == GATE_CHAN_OPENED)
		opened(info, n);
	else if (n->event == GATE_CHAN_CLOSED)
		closed(info, n->id);
	summarize(info);
	return 0;
}

void gate_channel_forget(struct gate_conn *c)
{
	while (c->saved.info.open)
		closed(&c->saved.info, c->saved.info.open->id);
	summarize(&c->saved.info);
}
