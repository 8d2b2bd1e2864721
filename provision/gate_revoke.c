/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * [gate] revoke_sessions: after a reload, every living connection is asked about again: is its key still accepted, may its
 * user still enter its workspace?  The key is kept with the connection, also across a restart of provisiond.  A key file
 * costs a read and a parse, so that a few connections are looked at per turn of the event loop.
 */
#include "gate_conn.h"

#include <string.h>

#include "auth.h"

#define PER_TURN 8
/* What auth_key_accept says of a key that only the output of [auth] keys_command lists. */
#define BY_COMMAND "keys_command"

int gate_revoke_remember(struct gate_conn *c, const struct gate_key *k, const char *by)
{
	struct session_key key = {
		.by_command = strncmp(by, BY_COMMAND, strlen(BY_COMMAND)) == 0,
		.len = k->key.len,
	};

	(void)str_copy(key.alg, sizeof(key.alg), k->alg);
	return sessions_add_key(&c->saved, &key, k->key.data);
}

/*
 * Would the login, made when it was made, be let in by what the files say now? What has expired since ends nothing, so
 * that certificates may live for minutes. What cannot be read decides nothing: it is in the log.
 */
static bool key_accepted(struct gate_conn *c, const struct session_key *k)
{
	const struct session_saved *s = &c->saved;
	const struct auth_query q = {
		.settings = registry_settings(c->g->reg),
		.user = s->info.user,
		.exists = true,
		.alg = k->alg,
		.key = k->blob,
		.len = k->len,
		.peer = &c->peer.addr,
		.now = s->info.since,
	};
	struct auth_grant grant;
	struct err e = { 0 };
	int ret = auth_key_accept(&q, &grant, &e);

	if (ret < 0)
		log_warn("connection %s: %s", s->info.id, e.text);
	/* The command is not run again here: only an explicit revocation ends what it let in. */
	return ret != 0 || (k->by_command && e.code != EKEYREVOKED);
}

/* False: `why` is what the client is told. */
static bool keys_accepted(struct gate_conn *c, char *why, size_t size)
{
	for (const struct session_key *k = c->saved.keys; k; k = k->next) {
		if (key_accepted(c, k))
			continue;
		(void)str_copy(why, size, "key revoked");
		return false;
	}
	return true;
}

static bool workspace_allowed(struct gate_conn *c, char *why, size_t size)
{
	const struct session_info *i = &c->saved.info;
	char name[STR_NAME_MAX];
	struct err e = { 0 };

	if (!c->attached)
		return true;
	if (workspace_choose(c->g->reg, i->user, c->wanted, &c->local.addr, name, &e) == 0 &&
	    strcmp(name, i->workspace) == 0)
		return true;
	(void)str_format(why, size, "user '%s' may not enter workspace '%s' any more", i->user,
			 i->workspace);
	return false;
}

static bool look(struct gate_conn *c)
{
	char why[128];

	if (!c->recheck)
		return false;
	c->recheck = false;
	if (c->fd < 0 || c->doomed || c->st.phase != GATE_PHASE_OPEN)
		return false;
	if (!keys_accepted(c, why, sizeof(why)) || !workspace_allowed(c, why, sizeof(why)))
		gate_leave(c, "conn.revoke", why);
	return true;
}

static int on_turn(sd_event_source *src, void *ctx)
{
	struct gate_server *g = ctx;
	unsigned int n = 0;

	for (struct gate_conn *c = g->conns; c; c = c->next) {
		n += look(c);
		if (n == PER_TURN)
			return sd_event_source_set_enabled(src, SD_EVENT_ONESHOT);
	}
	return 0;
}

void gate_revoke_begin(struct gate_server *g, struct gate_conn *only)
{
	if (!registry_settings(g->reg)->gate.revoke_sessions)
		return;
	for (struct gate_conn *c = only ? only : g->conns; c; c = only ? NULL : c->next)
		c->recheck = true;
	if (!g->revoke && sd_event_add_defer(g->loop, &g->revoke, on_turn, g) < 0) {
		log_error(
			"look at living connections again: out of memory ([gate] revoke_sessions)");
		return;
	}
	(void)sd_event_source_set_enabled(g->revoke, SD_EVENT_ONESHOT);
}
