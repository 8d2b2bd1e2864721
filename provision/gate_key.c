/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Public keys: would one be accepted, and does the signature prove it?  The answer waits for keys_command where there is
 * one; signatures are verified over the session id that provisiond itself signed.
 */
#include "gate_conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/clk.h"
#include "cert.h"
#include "keys.h"
#include "keys_command.h"
#include "wire.h"

/* A request that waits for keys_command. */
struct gate_key_try {
	bool verify;
	struct gate_key key;
	struct keys_command command;
};

/* A name that is no user's takes the same way through the file system. */
static bool key_accepted(struct gate_conn *c, const struct gate_key *k, struct auth_grant *grant)
{
	struct auth_query q = {
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
	int ret;

	if (c->key_try) {
		q.more = c->key_try->command.text;
		q.more_len = c->key_try->command.len;
	}
	ret = auth_key_accept(&q, grant, &e);
	if (ret != 1 && e.code != ENOKEY)
		log_warn("%s", e.text);
	return ret == 1;
}

/* Fingerprint of the key, of the one inside for a certificate. */
static int plain_fingerprint(const struct gate_key *k, char out[64], struct err *e)
{
	struct cert *cert;
	int ret;

	if (!cert_is(k->alg))
		return verify_fingerprint(k->key.data, k->key.len, out, e);
	cert = malloc(sizeof(*cert));
	if (!cert)
		return err_set(e, ENOMEM, "look at a certificate: out of memory");
	ret = cert_parse(k->key.data, k->key.len, cert, NULL) < 0
		      ? verify_fingerprint(k->key.data, k->key.len, out, e)
		      : verify_fingerprint(cert->key, cert->key_len, out, e);
	free(cert);
	return ret;
}

/* A key counts once in a chain, under whatever certificate. */
static bool was_used(const struct gate_conn *c, const char *fingerprint)
{
	for (uint32_t i = 0; i < c->nused; i++)
		if (strcmp(c->used[i], fingerprint) == 0)
			return true;
	return false;
}

static int probed(struct gate_conn *c, const struct gate_key *k, struct err *e)
{
	struct auth_grant grant;
	char fingerprint[64];
	int ret = plain_fingerprint(k, fingerprint, e);

	if (ret < 0)
		return ret;
	if (!key_accepted(c, k, &grant))
		return gate_auth_failed(c, "key not listed", e);
	if (was_used(c, fingerprint))
		return gate_auth_failed(c, "this key was used already", e);
	return gate_auth_acceptable(c, e);
}

static int proven(struct gate_conn *c, const struct gate_key *k, const struct auth_grant *grant,
		  struct err *e)
{
	char fingerprint[64];
	int ret = plain_fingerprint(k, fingerprint, e);

	if (ret < 0)
		return ret;
	if (was_used(c, fingerprint))
		return gate_auth_failed(c, "this key was used already", e);
	if (gate_revoke_remember(c, k, grant->by) < 0)
		return gate_auth_failed(c, "the key cannot be remembered: out of memory", e);
	if (c->nused < METHODS_CHAIN_MAX)
		(void)str_copy(c->used[c->nused++], sizeof(c->used[0]), fingerprint);
	memcpy(c->saved.info.fingerprint, c->fingerprint, sizeof(c->fingerprint));
	(void)str_copy(c->by, sizeof(c->by), grant->by);
	return gate_auth_completed(c, &grant->permit, e);
}

static int signed_by(struct gate_conn *c, const struct gate_key *k, struct err *e)
{
	struct verify_request v = {
		.session_id = c->saved.hash,
		.session_id_len = c->saved.hash_len,
		.login = c->saved.login,
		.alg = k->alg,
		.key = k->key.data,
		.key_len = k->key.len,
		.sig = k->sig.data,
		.sig_len = k->sig.len,
	};
	struct auth_grant grant;
	struct err why = { 0 };
	bool listed;
	int ret;

	/* Both checks in every case: how long it takes tells nothing about which of them failed. */
	listed = key_accepted(c, k, &grant);
	v.no_touch = listed && !grant.touch_required;
	v.verified = listed && grant.verify_required;
	ret = verify_signature(&v, &why);
	if (listed && ret == 0)
		return proven(c, k, &grant, e);
	return gate_auth_failed(c, ret < 0 ? why.text : "key not listed", e);
}

void gate_key_end(struct gate_conn *c)
{
	if (!c->key_try)
		return;
	free(c->key_try->command.text);
	free(c->key_try);
	c->key_try = NULL;
}

/* The command has said what it had to say; what goes wrong with it means that it lists nothing. */
static void resume(void *ctx)
{
	struct gate_conn *c = ctx;
	struct gate_key_try *t = c->key_try;
	struct err e = { 0 };
	int ret = t->verify ? signed_by(c, &t->key, &e) : probed(c, &t->key, &e);

	gate_key_end(c);
	gate_auth_gone(c, ret, &e);
}

static int ask_command(struct gate_conn *c, const struct gate_key *k, bool verify, struct err *e)
{
	c->key_try = calloc(1, sizeof(*c->key_try));
	if (!c->key_try)
		return err_set(e, ENOMEM, "ask keys_command: out of memory");
	c->key_try->verify = verify;
	c->key_try->key = *k;
	c->key_try->command = (struct keys_command){
		.reg = c->g->reg,
		.user = c->saved.info.user,
		.key = &c->key_try->key,
		.done = resume,
		.ctx = c,
	};
	keys_command_run(&c->g->jobs, &c->job, &c->key_try->command);
	return 0;
}

/* Of a type that there is: it becomes an argument of the command. */
static bool type_known(const struct gate_key *k)
{
	struct wire blob = { k->key.data, k->key.len }, type;
	char name[64];

	if (!wire_str(&blob, &type) || type.n >= sizeof(name))
		return false;
	memcpy(name, type.p, type.n);
	name[type.n] = '\0';
	return strlen(name) == type.n && (keys_type(name) || cert_is(name));
}

static int examine(struct gate_conn *c, const struct gate_key *k, bool verify, struct err *e)
{
	const struct settings *s = registry_settings(c->g->reg);
	int ret = gate_auth_begin(c, METHOD_PUBLICKEY, k->login, e);

	if (ret != 1)
		return ret;
	if (verify_fingerprint(k->key.data, k->key.len, c->fingerprint, e) < 0)
		return -e->code;
	/* For every user alike; but a name that cannot be one is not for others to see. */
	if (s->auth.keys_command[0] && c->login_valid && type_known(k))
		return ask_command(c, k, verify, e);
	return verify ? signed_by(c, k, e) : probed(c, k, e);
}

int gate_key_probe(void *ctx, struct msg *m, struct err *e)
{
	return examine(ctx, m->body, false, e);
}

int gate_key_verify(void *ctx, struct msg *m, struct err *e)
{
	return examine(ctx, m->body, true, e);
}
