/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is authenticated.  Only this file decides it: by which methods a login has completed ([auth] methods), over the
 * session id that provisiond itself signed, within a limited number of tries.  An unknown user costs the same work and
 * gets the same answer as a wrong key or password.
 */
#include "gate_conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "login_name.h"

#define SIGNS_BEFORE_AUTH 4  /* a client may exchange keys again before it logs in; none does */
#define AUTH_MESSAGES_MAX 64 /* requests of one connection, whatever their method */

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
	(void)str_copy(c->saved.login, sizeof(c->saved.login), login);
	c->login_fixed = true;
	c->login_valid = login_name_parse(login, c->saved.info.user, c->wanted);
}

/* What can be tried now goes with every answer. */
static int verdict(struct gate_conn *c, struct gate_verdict *v, const char *reason, struct err *e)
{
	int ret;

	(void)methods_next(&c->methods, v->methods, sizeof(v->methods));
	(void)str_copy(v->reason, sizeof(v->reason), reason);
	ret = gate_server_send(c, GATE_VERDICT, v, -1, e);
	if (ret == 0 && v->drop)
		gate_server_doom(c);
	return ret;
}

static int drop(struct gate_conn *c, const char *reason, struct err *e)
{
	return verdict(c, &(struct gate_verdict){ .drop = 1 }, reason, e);
}

int gate_auth_failed(struct gate_conn *c, const char *why, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);

	gate_audit_limited(c, "auth.fail", "refused", why);
	if (++c->tries < s->gate.max_auth_tries)
		return verdict(c, &(struct gate_verdict){ 0 }, "", e);
	return drop(c, "too many authentication failures", e);
}

int gate_auth_acceptable(struct gate_conn *c, struct err *e)
{
	return verdict(c, &(struct gate_verdict){ .ok = 1 }, "", e);
}

static int accepted(struct gate_conn *c, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);
	struct session_info *info = &c->saved.info;
	struct gate_permit plain;
	char reason[128];
	int ret;

	if (sessions_count(info->user) >= s->limits.connections_per_user) {
		(void)str_format(reason, sizeof(reason),
				 "log in '%s': %u connections are open ([limits] %s)", info->user,
				 s->limits.connections_per_user, "connections_per_user");
		/* Not auth.fail: that would be a penalty for somebody who is who they say. */
		gate_audit_line(c, "auth.limit", "refused", reason);
		return drop(c, reason, e);
	}
	auth_permit(s, &plain);
	ret = gate_server_send(c, GATE_PERMIT, c->permit ? c->permit : &plain, -1, e);
	if (ret < 0)
		return ret;
	c->st.phase = GATE_PHASE_OPEN;
	info->since = clk_wall_s();
	sessions_add(info);
	gate_server_store(c);
	gate_audit_line(c, "auth.ok", "accepted", NULL);
	gate_server_tell(c, CTL_AUTHENTICATED);
	/* The grace time is over. */
	sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	free(c->permit);
	c->permit = NULL;
	return verdict(c, &(struct gate_verdict){ .ok = 1 }, "", e);
}

/* Of one list or another: the first key's, as in sshd. */
static void merge_list(void *to, const void *from, size_t size)
{
	uint32_t len;

	memcpy(&len, to, sizeof(len));
	if (len == 0)
		memcpy(to, from, size);
}

/* A second key of a chain only takes away. 0, or -EPERM: they are tied to different commands. */
static int merge(struct gate_permit *to, const struct gate_permit *from)
{
	if (to->command[0] && from->command[0] && strcmp(to->command, from->command) != 0)
		return -EPERM;
	to->flags &= from->flags;
	if (!to->command[0])
		memcpy(to->command, from->command, sizeof(to->command));
	merge_list(&to->environment, &from->environment, sizeof(to->environment));
	merge_list(&to->open, &from->open, sizeof(to->open));
	merge_list(&to->listen, &from->listen, sizeof(to->listen));
	return 0;
}

static int take_permit(struct gate_conn *c, const struct gate_permit *permit)
{
	if (!permit)
		return 0;
	if (c->permit)
		return merge(c->permit, permit);
	c->permit = malloc(sizeof(*permit));
	if (!c->permit)
		return -ENOMEM;
	*c->permit = *permit;
	return 0;
}

int gate_auth_completed(struct gate_conn *c, const struct gate_permit *permit, struct err *e)
{
	char *chain = c->saved.info.method;
	size_t used = strlen(chain);
	enum method method = METHOD_PUBLICKEY;

	if (take_permit(c, permit) < 0)
		return gate_auth_failed(c, "the keys are tied to different commands", e);
	while (methods_name(method) != c->method)
		method++;
	(void)str_format(chain + used, sizeof(c->saved.info.method) - used, "%s%s", used ? "," : "",
			 c->method);
	if (methods_complete(&c->methods, method))
		return accepted(c, e);
	gate_audit_line(c, "auth.partial", "accepted", NULL);
	return verdict(c, &(struct gate_verdict){ .partial = 1 }, "", e);
}

void gate_auth_gone(struct gate_conn *c, int ret, const struct err *e)
{
	if (ret >= 0)
		return;
	log_warn("connection %s: %s", c->saved.info.id, e->text);
	gate_server_doom(c);
}

void gate_auth_result(struct gate_conn *c, bool ok, const char *why)
{
	struct err e = { 0 };

	gate_auth_gone(c, ok ? gate_auth_completed(c, NULL, &e) : gate_auth_failed(c, why, &e), &e);
}

/* A question is out. Only a user who is being asked may think better of it: that is a failed try. */
static int abandon(struct gate_conn *c, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);

	if (!c->prompted)
		return err_set(e, EPROTO, "authenticate connection '%s': asked before the answer",
			       c->saved.info.id);
	gate_job_end(&c->job);
	c->prompted = false;
	gate_audit_limited(c, "auth.fail", "refused", "abandoned");
	return ++c->tries < s->gate.max_auth_tries ? 1
						   : drop(c, "too many authentication failures", e);
}

int gate_auth_begin(struct gate_conn *c, enum method method, const char *login, struct err *e)
{
	int ret;

	if (c->saved.hash_len == 0)
		return err_set(e, EPROTO, "authenticate connection '%s': no keys were exchanged",
			       c->saved.info.id);
	if ((c->job.active || c->prompted) && (ret = abandon(c, e)) != 1)
		return ret;
	c->fingerprint[0] = '\0';
	c->method = methods_name(method);
	if (!c->login_fixed)
		parse_login(c, login);
	if (strcmp(c->saved.login, login) != 0) {
		gate_audit_line(c, "auth.protocol_violation", "refused", "user name changed");
		return drop(c, "the user name may not change on a connection", e);
	}
	if (++c->auth_messages > AUTH_MESSAGES_MAX) {
		gate_audit_line(c, "auth.fail", "refused", "too many requests");
		return drop(c, "too many authentication requests", e);
	}
	if (!methods_allow(&c->methods, method))
		return gate_auth_failed(c, "not a method that is asked for ([auth] methods)", e);
	return 1;
}

void gate_auth_end(struct gate_conn *c)
{
	gate_job_end(&c->job);
	gate_key_end(c);
	gate_password_end(c);
	c->prompted = false;
	free(c->permit);
	c->permit = NULL;
}

int gate_auth_violation(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	const struct gate_violation *v = m->body;

	gate_audit_line(c, "auth.protocol_violation", "dropped", v->text);
	gate_server_doom(c);
	return 0;
}
