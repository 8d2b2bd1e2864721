/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a connection begins: which host key it shows and what its session is told, for a new one and for one that was
 * there before provisiond was restarted. Main process of provisiond.
 */
#include <string.h>

#include "gate_conn.h"

/* The host key of the workspace whose address was dialled, or the gate's own. */
static int choose_key(struct gate_conn *c, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);
	struct workspace *ws = NULL;

	if (s->gate.own_host_keys && (ip_in_net(&c->local.addr, &s->network.control_cidr) ||
				      ip_in_net(&c->local.addr, &s->network.control_cidr6)))
		ws = workspace_find_ip(c->g->reg, &c->local.addr);
	if (!ws) {
		c->key = hostkey_ref(c->g->hostkey);
		return 0;
	}
	(void)str_copy(c->saved.host_key, sizeof(c->saved.host_key), workspace_name(ws));
	return hostkeys_get(c->g->hostkeys, c->saved.host_key, true, &c->key, e);
}

/* The one it showed before, whatever the configuration says now: clients compare when keys are exchanged again. */
static int keep_key(struct gate_conn *c, struct err *e)
{
	if (c->saved.host_key[0])
		return hostkeys_get(c->g->hostkeys, c->saved.host_key, false, &c->key, e);
	c->key = hostkey_ref(c->g->hostkey);
	return 0;
}

static int welcome(struct gate_conn *c, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);
	struct gate_welcome w = {
		.auth_tries = s->gate.max_auth_tries,
		.max_sessions = s->gate.max_sessions,
		.grace_s = s->gate.login_grace,
		.alive_interval_s = s->gate.alive_interval,
		.alive_count = s->gate.alive_count,
		.rekey_mb = s->gate.rekey_mb,
		.rekey_s = s->gate.rekey_time,
		.max_forwards = s->gate.max_forwards,
		.idle_s = s->gate.idle_timeout,
		.unused_s = s->gate.unused_timeout,
		.max_answers = s->gate.max_auth_tries,
	};

	w.host_key.len = 32;
	memcpy(w.host_key.data, hostkey_public(c->key), 32);
	(void)methods_next(&c->methods, w.methods, sizeof(w.methods));
	(void)str_copy(w.kex, sizeof(w.kex), s->gate.kex);
	(void)str_copy(w.ciphers, sizeof(w.ciphers), s->gate.ciphers);
	(void)str_copy(w.macs, sizeof(w.macs), s->gate.macs);
	(void)str_copy(w.accept_env, sizeof(w.accept_env), s->gate.accept_env);
	(void)str_copy(w.banner, sizeof(w.banner), c->g->banner);
	return gate_server_send(c, GATE_WELCOME, &w, -1, e);
}

/* What was asked before the takeover is asked again after GATE_RESUMED: throw it away. */
static void discard_queue(struct gate_conn *c)
{
	struct gate_key body; /* the largest request */
	struct msg m;

	/* A socket's buffer holds fewer than that. */
	for (int i = 0; i < 4096; i++) {
		int ret = msg_recv_plain(c->fd, &gate_proto, &body, sizeof(body), &m, NULL);

		if (ret > 0)
			msg_close_fds(&m);
		else if (ret == 0 || ret == -EAGAIN)
			return;
	}
}

int gate_open_again(struct gate_conn *c, struct err *e)
{
	char id[sizeof(c->saved.info.id)];
	struct err why = { 0 };

	memcpy(id, c->saved.info.id, sizeof(id));
	if (sessions_load(c->g->sessionsfd, id, &c->saved, &why) < 0) {
		/* It was not logged in: its exchange hash is lost, no signature could ever be verified. */
		(void)str_copy(c->saved.info.id, sizeof(c->saved.info.id), id);
		return err_set(e, ENOENT, "resume connection '%s': not logged in", id);
	}
	if (keep_key(c, e) < 0)
		return -e->code;
	c->login_fixed = c->login_valid = true;
	if (strchr(c->saved.login, '+'))
		(void)str_copy(c->wanted, sizeof(c->wanted), strchr(c->saved.login, '+') + 1);
	c->st.phase = GATE_PHASE_OPEN;
	sessions_add(&c->saved.info);
	gate_attach_restore(c);
	discard_queue(c);
	gate_audit_line(c, "conn.resume", "accepted", NULL);
	gate_server_tell(c, CTL_AUTHENTICATED);
	gate_revoke_begin(c->g, c); /* the configuration may be another one */
	return gate_server_send(c, GATE_RESUMED, NULL, -1, e);
}

int gate_open_first(struct gate_conn *c, struct err *e)
{
	int ret;

	gate_audit_line(c, "conn.open", "accepted", NULL);
	ret = choose_key(c, e);
	return ret == 0 ? welcome(c, e) : ret;
}
