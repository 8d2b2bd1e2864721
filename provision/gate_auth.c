/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is authenticated.  Only this file decides it: over the session id that provisiond itself signed, with a key from
 * the user's authorized_keys, within a limited number of tries.  An unknown user costs the same work and gets the same
 * answer as a wrong key.
 */
#include "gate_conn.h"

#include <string.h>

#include "base/clk.h"

#define SIGNS_BEFORE_AUTH 4  /* a client may exchange keys again before it logs in; none does */
#define AUTH_MESSAGES_MAX 64 /* probes and signatures of one connection */

int gate_auth_sign(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_sign *req = m->body;
	struct gate_signed ans = { 0 };
	int ret;

	if (c->st.phase == GATE_PHASE_AUTH && ++c->signs > SIGNS_BEFORE_AUTH)
		return err_set(e, EPROTO,
			       "sign for connection '%s': too many hashes before authentication",
			       c->saved.info.id);
	ans.sig.len = 64;
	ret = hostkey_sign(c->key, req->hash.data, req->hash.len, ans.sig.data, e);
	if (ret < 0)
		return ret;
	/* RFC 4253 section 7.2: the exchange hash of the first key exchange is the session id, for ever. */
	if (c->saved.hash_len == 0) {
		memcpy(c->saved.hash, req->hash.data, req->hash.len);
		c->saved.hash_len = req->hash.len;
	}
	return gate_server_send(c, GATE_SIGNED, &ans, -1, e);
}

/* "user" or "user+workspace". */
static void parse_login(struct gate_conn *c, const char *login)
{
	const char *plus = strchr(login, '+');
	size_t n = plus ? (size_t)(plus - login) : strlen(login);

	(void)str_copy(c->saved.login, sizeof(c->saved.login), login);
	c->login_fixed = true;
	if (!str_is_name(login, n) || (plus && !str_is_name(plus + 1, strlen(plus + 1))))
		return;
	memcpy(c->saved.info.user, login, n);
	c->saved.info.user[n] = 0;
	if (plus)
		(void)str_copy(c->wanted, sizeof(c->wanted), plus + 1);
	c->login_valid = true;
}

static int verdict(struct gate_conn *c, bool ok, bool drop, const char *reason, struct err *e)
{
	struct gate_verdict v = { .ok = ok, .drop = drop };
	int ret;

	(void)str_copy(v.reason, sizeof(v.reason), reason);
	ret = gate_server_send(c, GATE_VERDICT, &v, -1, e);
	if (ret == 0 && drop) {
		gate_server_tell(c, CTL_AUTH_FAILED);
		gate_server_doom(c);
	}
	return ret;
}

/* A name that is no user's takes the same way through the file system. */
static bool key_accepted(struct gate_conn *c, const struct gate_key *k, struct auth_grant *grant)
{
	const struct auth_query q = {
		.settings = registry_settings(c->g->reg),
		.user = c->saved.info.user,
		.exists = c->login_valid,
		.alg = k->alg,
		.key = k->key.data,
		.len = k->key.len,
		.peer = &c->peer.addr,
		.now = clk_wall_s(),
	};
	struct err e = { 0 };
	int ret = auth_key_accept(&q, grant, &e);

	if (ret != 1 && e.code != ENOKEY)
		log_warn("%s", e.text);
	return ret == 1;
}

static int failed(struct gate_conn *c, const char *why, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);

	gate_server_audit_limited(c, "auth.fail", "refused", why);
	if (++c->tries < s->gate.max_auth_tries)
		return verdict(c, false, false, "", e);
	return verdict(c, false, true, "too many authentication failures", e);
}

static int accepted(struct gate_conn *c, const struct gate_permit *permit, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);
	struct session_info *info = &c->saved.info;
	char reason[128];
	int ret;

	if (sessions_count(info->user) >= s->limits.connections_per_user) {
		(void)str_format(reason, sizeof(reason),
				 "log in '%s': %u connections are open ([limits] %s)", info->user,
				 s->limits.connections_per_user, "connections_per_user");
		gate_server_audit(c, "auth.fail", "refused", reason);
		return verdict(c, false, true, reason, e);
	}
	ret = gate_server_send(c, GATE_PERMIT, permit, -1, e);
	if (ret < 0)
		return ret;
	c->st.phase = GATE_PHASE_OPEN;
	info->since = clk_wall_s();
	sessions_add(info);
	gate_server_store(c);
	gate_server_audit(c, "auth.ok", "accepted", NULL);
	gate_server_tell(c, CTL_AUTHENTICATED);
	/* The grace time is over. */
	sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	return verdict(c, true, false, "", e);
}

/* What both questions have in common. 1 = go on, else what the handler returns. */
static int examine(struct gate_conn *c, const struct gate_key *k, struct err *e)
{
	if (c->saved.hash_len == 0)
		return err_set(e, EPROTO, "authenticate connection '%s': no keys were exchanged",
			       c->saved.info.id);
	if (!c->login_fixed)
		parse_login(c, k->login);
	if (strcmp(c->saved.login, k->login) != 0) {
		gate_server_audit(c, "auth.protocol_violation", "refused", "user name changed");
		return verdict(c, false, true, "the user name may not change on a connection", e);
	}
	if (++c->auth_messages > AUTH_MESSAGES_MAX) {
		gate_server_audit(c, "auth.fail", "refused", "too many requests");
		return verdict(c, false, true, "too many authentication requests", e);
	}
	return verify_fingerprint(k->key.data, k->key.len, c->saved.info.fingerprint, e) < 0
		       ? -e->code
		       : 1;
}

int gate_auth_probe(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_key *k = m->body;
	struct auth_grant grant;
	int ret = examine(c, k, e);

	if (ret <= 0)
		return ret;
	if (!key_accepted(c, k, &grant))
		return failed(c, "key not listed", e);
	return verdict(c, true, false, "", e);
}

int gate_auth_verify(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_key *k = m->body;
	struct verify_request v;
	struct auth_grant grant;
	struct err why = { 0 };
	int ret = examine(c, k, e);
	bool listed;

	if (ret <= 0)
		return ret;
	v = (struct verify_request){
		.session_id = c->saved.hash,
		.session_id_len = c->saved.hash_len,
		.login = c->saved.login,
		.alg = k->alg,
		.key = k->key.data,
		.key_len = k->key.len,
		.sig = k->sig.data,
		.sig_len = k->sig.len,
	};
	/* Both checks in every case: how long it takes tells nothing about which of them failed. */
	listed = key_accepted(c, k, &grant);
	v.no_touch = listed && !grant.touch_required;
	v.verified = listed && grant.verify_required;
	ret = verify_signature(&v, &why);
	if (listed && ret == 0)
		gate_revoke_remember(c, k, grant.by);
	if (listed && ret == 0)
		return accepted(c, &grant.permit, e);
	return failed(c, ret < 0 ? why.text : "key not listed", e);
}

int gate_auth_violation(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_violation *v = m->body;

	gate_server_audit(c, "auth.protocol_violation", "dropped", v->text);
	gate_server_tell(c, CTL_AUTH_FAILED);
	gate_server_doom(c);
	return 0;
}
