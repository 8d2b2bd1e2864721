/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What provisiond says to living connections: a line for their terminals, or, on request (`sshbay kick`), that they end.  A
 * session is asked to leave, so that its client hears why; one that does not is killed by the listener.
 */
#include "gate_conn.h"

#include <string.h>

#define PREFIX_MIN 4 /* of a connection id */

enum match { BY_NAME, BY_ID, BY_NOTHING };

static bool living(const struct gate_conn *c)
{
	return c->fd >= 0 && !c->doomed && c->st.phase == GATE_PHASE_OPEN;
}

static bool matches(const struct gate_conn *c, const char *who, enum match how)
{
	const struct session_info *i = &c->saved.info;

	/* Not attached yet, a connection has no workspace. */
	if (!living(c) || !who[0])
		return false;
	return how == BY_ID ? strncmp(i->id, who, strlen(who)) == 0
			    : strcmp(i->user, who) == 0 || strcmp(i->workspace, who) == 0;
}

static unsigned int count(const struct gate_server *g, const char *who, enum match how)
{
	unsigned int n = 0;

	for (const struct gate_conn *c = g->conns; c; c = c->next)
		n += matches(c, who, how);
	return n;
}

void gate_leave(struct gate_conn *c, const char *event, const char *text)
{
	struct gate_leave l = { 0 };
	struct err e = { 0 };

	(void)str_copy(l.text, sizeof(l.text), text);
	gate_audit_line(c, event, "dropped", text);
	if (gate_server_send(c, GATE_LEAVE, &l, -1, &e) < 0)
		log_warn("connection %s: %s", c->saved.info.id, e.text);
	gate_server_doom(c);
}

unsigned int gate_notice(void *ctx, const struct workspace *ws, const char *line)
{
	const struct gate_server *g = ctx;
	struct gate_notice n = { 0 };
	struct err e = { 0 };
	unsigned int told = 0;

	(void)str_copy(n.text, sizeof(n.text), line);
	for (struct gate_conn *c = g->conns; c; c = c->next) {
		if (!living(c) || !c->attached ||
		    strcmp(c->saved.info.workspace, workspace_name(ws)) != 0)
			continue;
		if (gate_server_send(c, GATE_NOTICE, &n, -1, &e) < 0)
			log_warn("connection %s: %s", c->saved.info.id, e.text);
		else
			told++;
	}
	return told;
}

int gate_server_kick(struct gate_server *g, const char *who, const char *message, struct err *e)
{
	char vis[4 * 64], text[GATE_TEXT_MAX];
	unsigned int n = count(g, who, BY_NAME);
	enum match how = n ? BY_NAME : BY_ID;
	size_t len = strlen(who);

	if (!n && len >= PREFIX_MIN)
		n = count(g, who, BY_ID);
	str_vis(who, len, vis, sizeof(vis));
	if (!n)
		return err_set(e, ENOENT,
			       "kick '%s': no such user, workspace or connection is there (sshbay "
			       "sessions; at least %d digits of an id)",
			       vis, PREFIX_MIN);
	if (how == BY_ID && n > 1)
		return err_set(e, EEXIST, "kick '%s': %u connections begin like that", vis, n);
	(void)str_format(text, sizeof(text), "ended by the administrator%s%s",
			 message[0] ? ": " : "", message);
	for (struct gate_conn *c = g->conns; c; c = c->next)
		if (matches(c, who, how))
			gate_leave(c, "conn.kick", text);
	return (int)n;
}
