/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay ssh-config`: the gate and the workspaces that a user may enter, with the way there and the host key to expect.
 * provisiond's main process; public halves of keys only.
 */
#include <string.h>

#include "admin_hosts.h"
#include "hostkeys.h"

struct hosts {
	struct admin_client *client;
	struct registry *reg;
	struct hostkeys *keys;
	const struct hostkey *gate;
	uint32_t tag;
};

/* From outside the pool is reached where its addresses are announced, or routed as they are. */
static uint32_t route(const struct settings *s, const struct admin_host *h)
{
	if (!h->address[0] && !h->address6[0])
		return ADMIN_ROUTE_LOGIN;
	if (s->network.announce[0] || !s->network.nat)
		return ADMIN_ROUTE_DIRECT;
	return s->gate.jump == SETTINGS_JUMP_NO ? ADMIN_ROUTE_LOGIN : ADMIN_ROUTE_JUMP;
}

static void send_host(const struct hosts *o, struct admin_host *h)
{
	h->tag = o->tag;
	admin_client_send(o->client, ADMIN_HOST, h, sizeof(*h), -1);
}

static int send_gate(const struct hosts *o, struct err *e)
{
	const struct settings *s = registry_settings(o->reg);
	struct admin_host h = { .port = s->gate.listen[0].port, .route = ADMIN_ROUTE_DIRECT };
	int ret = hostkey_text(o->gate, h.public_key, h.sshfp, e);

	(void)ip_text(&s->gate.listen[0].addr, h.address, sizeof(h.address));
	if (ret == 0)
		send_host(o, &h);
	return ret;
}

static const struct ip *first_of(const struct ip *a, const struct ip *b)
{
	return a->family ? a : b;
}

static int send_workspace(const struct hosts *o, const struct workspace *ws,
			  const struct spec *spec, struct err *e)
{
	static const struct record none;
	const struct settings *s = registry_settings(o->reg);
	const struct record *rec = workspace_exists(ws) ? workspace_record(ws) : &none;
	struct hostkey *own = NULL;
	struct admin_host h = { .port = 22 };
	int ret = 0;

	(void)str_copy(h.name, sizeof(h.name), workspace_name(ws));
	(void)ip_text(first_of(&rec->control_ip, &spec->control_ip), h.address, sizeof(h.address));
	(void)ip_text(first_of(&rec->control_ip6, &spec->control_ip6), h.address6,
		      sizeof(h.address6));
	h.route = route(s, &h);
	/* Through the gate's own address the gate's key is shown. */
	if (s->gate.own_host_keys && h.route != ADMIN_ROUTE_LOGIN)
		ret = hostkeys_get(o->keys, h.name, true, &own, e);
	if (ret == 0)
		ret = hostkey_text(own ? own : o->gate, h.public_key, h.sshfp, e);
	hostkey_free(own);
	if (ret == 0)
		send_host(o, &h);
	return ret;
}

/* The workspace that a first login would make has no address yet. */
static int send_default(const struct hosts *o, const char *user, struct err *e)
{
	struct admin_host h = { .port = 22, .route = ADMIN_ROUTE_LOGIN };
	int ret = hostkey_text(o->gate, h.public_key, h.sshfp, e);

	(void)str_copy(h.name, sizeof(h.name), user);
	if (ret == 0)
		send_host(o, &h);
	return ret;
}

static int send_all(const struct hosts *o, const char *user, struct err *e)
{
	const struct settings *s = registry_settings(o->reg);
	struct workspace *ws = NULL;
	struct spec spec;
	int ret = send_gate(o, e);

	while (ret == 0 && (ws = workspace_next(o->reg, ws))) {
		workspace_spec(o->reg, ws, &spec);
		if (settings_may_enter(&spec, user))
			ret = send_workspace(o, ws, &spec, e);
	}
	if (ret == 0 && s->gate.create_on_login && !workspace_find(o->reg, user))
		ret = send_default(o, user, e);
	return ret;
}

void admin_hosts_answer(struct admin_client *c, struct registry *reg, const struct hostkey *gate,
			const struct admin_name *req)
{
	struct hosts o = { .client = c, .reg = reg, .gate = gate, .tag = req->tag };
	struct err e = { 0 };
	int ret;

	if (!str_is_name(req->user, strlen(req->user))) {
		admin_client_failed(c, req->tag, EINVAL, "list hosts: not a user name");
		return;
	}
	ret = hostkeys_new(registry_settings(reg)->storage.state, &o.keys, &e);
	if (ret == 0)
		ret = send_all(&o, req->user, &e);
	hostkeys_free(o.keys);
	if (ret < 0)
		admin_client_failed(c, req->tag, e.code, e.text);
	else
		admin_client_done(c, req->tag, "");
}
