/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `sshbay explain`: what would become of a login, and what decides it.  provisiond's main process.  Every answer comes
 * from the function that decides real logins; only the words are made here.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_explain.h"
#include "auth.h"
#include "base/clk.h"
#include "base/trusted.h"
#include "jump.h"
#include "key_options.h"
#include "keys.h"
#include "login_name.h"

#define LINES_SHOWN 24 /* key lines of a file that are told one by one */

struct answer {
	struct admin_client *client;
	struct registry *reg;
	const struct settings *s;
	uint32_t tag;
	char user[STR_NAME_MAX], wanted[STR_NAME_MAX];
	struct ip address, from; /* family 0: not given */
	struct workspace_choice choice;
	struct spec spec; /* of the chosen workspace */
};

/* Where an answer comes from. */
struct place {
	const char *file, *section, *key;
	uint32_t line;
};

static void fact(const struct answer *a, const char *name, const struct place *p, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
static void fact(const struct answer *a, const char *name, const struct place *p, const char *fmt,
		 ...)
{
	struct admin_fact f = { .tag = a->tag };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f.value, sizeof(f.value), fmt, ap);
	va_end(ap);
	(void)str_copy(f.name, sizeof(f.name), name);
	if (p) {
		(void)str_copy(f.file, sizeof(f.file), p->file);
		(void)str_copy(f.section, sizeof(f.section), p->section ? p->section : "");
		(void)str_copy(f.key, sizeof(f.key), p->key ? p->key : "");
		f.line = p->line;
	}
	admin_client_send(a->client, ADMIN_FACT, &f, sizeof(f), -1);
}

static struct place config(const struct answer *a, const char *section, const char *key)
{
	return (struct place){ .file = a->s->file, .section = section, .key = key };
}

/* A key of the chosen workspace: in its file, or what [defaults] says. */
static struct place of_workspace(const struct answer *a, const char *key, char section[64])
{
	const char *file = a->spec.file[0] ? a->spec.file : a->s->file;

	if (!a->spec.file[0])
		(void)str_copy(section, 64, "defaults");
	else if (strcmp(file, a->s->file) == 0)
		(void)str_format(section, 64, "workspace %s", a->choice.name);
	else
		(void)str_copy(section, 64, "workspace");
	return (struct place){ .file = file, .section = section, .key = key };
}

/* --- which workspace --- */

static void tell_rule(const struct answer *a)
{
	char section[64], ip[IP_TEXT_MAX];
	struct place p;

	switch (a->choice.rule) {
	case WORKSPACE_BY_ADDRESS:
		p = of_workspace(a, "control_ip", section);
		fact(a, "rule", &p, "the dialled address %s is this workspace's",
		     ip_text(&a->address, ip, sizeof(ip)));
		break;
	case WORKSPACE_BY_NAME:
		fact(a, "rule", NULL, "the login names it: %s+%s", a->user, a->wanted);
		break;
	case WORKSPACE_BY_DEFAULT:
		fact(a, "rule", NULL, "the user's default: the workspace with the user's name");
		break;
	case WORKSPACE_BY_ONLY:
		p = of_workspace(a, "users", section);
		fact(a, "rule", &p, "the only configured workspace that lists the user");
		break;
	}
}

static void tell_state(const struct answer *a)
{
	const struct workspace *ws = workspace_find(a->reg, a->choice.name);
	struct place create = config(a, "gate", "create");
	const struct record *rec;
	char ip[IP_TEXT_MAX];

	if (!ws || !workspace_exists(ws)) {
		fact(a, "state", &create, "it does not exist; this login creates it");
		return;
	}
	rec = workspace_record(ws);
	fact(a, "state", NULL, "it exists and is %s, address %s%s", workspace_state(ws),
	     rec->control_ip.family ? ip_text(&rec->control_ip, ip, sizeof(ip)) : "none",
	     rec->state == RECORD_RUNNING ? "" : "; this login starts it");
}

static void tell_users(const struct answer *a)
{
	char users[400] = "", section[64];
	struct place p = of_workspace(a, "users", section);
	size_t n = 0;

	for (uint32_t i = 0; i < a->spec.nusers && n < sizeof(users); i++) {
		(void)str_format(users + n, sizeof(users) - n, "%s%s", i ? ", " : "",
				 a->spec.users[i]);
		n += strlen(users + n);
	}
	fact(a, "users", &p, "%s", users);
}

/* --- which keys --- */

static const char *signature_of(const char *type)
{
	return strcmp(type, "ssh-rsa") == 0 ? "rsa-sha2-512" : type;
}

/* What the decision about this very key would be. */
static void tell_key(const struct answer *a, const char *path, const struct keys_reader *r,
		     struct key_options *o)
{
	struct auth_query q = {
		.settings = a->s,
		.user = a->user,
		.exists = true,
		.alg = signature_of(r->type),
		.key = r->blob,
		.len = r->len,
		.peer = &a->from,
		.now = clk_wall_s(),
	};
	struct place p = { .file = path, .line = r->line };
	struct auth_grant *grant = calloc(1, sizeof(*grant));
	char fp[64] = "";
	struct err e = { 0 };
	const char *note = "accepted";

	(void)verify_fingerprint(r->blob, r->len, fp, NULL);
	key_options_init(o);
	if (r->options && key_options_parse(r->options, r->options_len, o, &e) < 0)
		note = e.text;
	else if (o->authority)
		note = "an authority: accepts certificates";
	else if (o->from[0] && !a->from.family)
		note = "depends on the client's address: from= (--from tells)";
	else if (!grant || auth_key_accept(&q, grant, &e) != 1)
		note = e.text[0] ? e.text : "refused";
	fact(a, "key", &p, "%s %s: %s", r->type, fp, note);
	free(grant);
}

static void tell_lines(const struct answer *a, const char *path, const char *text, size_t len)
{
	struct keys_reader *r = calloc(1, sizeof(*r));
	struct key_options *o = calloc(1, sizeof(*o));
	struct place pattern = config(a, "gate", "authorized_keys");
	unsigned int n = 0;

	if (r && o) {
		r->p = text;
		r->end = text + len;
		while (keys_next(r))
			n++;
		fact(a, "keys", &pattern, "%s: %u key%s%s", path, n, n == 1 ? "" : "s",
		     r->bad ? ", and lines that are none" : "");
		if (r->bad)
			fact(a, "key", &(struct place){ .file = path, .line = r->first_bad },
			     "not a key (%u such lines)", r->bad);
		*r = (struct keys_reader){ .p = text, .end = text + len };
		for (n = 0; n < LINES_SHOWN && keys_next(r); n++)
			tell_key(a, path, r, o);
	}
	free(o);
	free(r);
}

static void tell_keys(const struct answer *a)
{
	struct place pattern = config(a, "gate", "authorized_keys");
	char path[PATH_MAX], *text = NULL;
	struct err e = { 0 };
	size_t len;
	int ret;

	if (auth_user_path(a->s->gate.authorized_keys, a->user, path, sizeof(path)) < 0)
		return;
	ret = trusted_read(path, &text, &len, &e);
	if (ret == -ENOENT)
		fact(a, "keys", &pattern, "%s: no such file", path);
	else if (ret < 0)
		fact(a, "keys", &pattern, "no key is accepted: %s", e.text);
	else
		tell_lines(a, path, text, len);
	free(text);
	if (a->s->auth.keys_command[0]) {
		struct place p = config(a, "auth", "keys_command");

		fact(a, "keys", &p, "and what '%s' prints (not run now)", a->s->auth.keys_command);
	}
	if (a->s->auth.ca_keys[0]) {
		struct place p = config(a, "auth", "ca_keys");

		fact(a, "keys", &p, "and certificates signed by a key of %s", a->s->auth.ca_keys);
	}
}

/* --- what it may do --- */

static void tell_permissions(const struct answer *a)
{
	static const struct {
		enum gate_permit_flag flag;
		const char *name, *key;
	} permits[] = {
		{ GATE_MAY_FORWARD, "forwarding", "forwarding" },
		{ GATE_MAY_AGENT, "agent", "agent_forwarding" },
		{ GATE_MAY_X11, "x11", "x11_forwarding" },
	};
	struct gate_permit *may = calloc(1, sizeof(*may));
	struct place p = config(a, "auth", "methods");

	fact(a, "methods", &p, "%s", a->s->auth.methods);
	if (!may)
		return;
	auth_permit(a->s, may);
	for (size_t i = 0; i < sizeof(permits) / sizeof(permits[0]); i++) {
		p = config(a, "gate", permits[i].key);
		fact(a, permits[i].name, &p, "%s",
		     may->flags & permits[i].flag ? "yes, unless the key's options say no" : "no");
	}
	free(may);
}

static void tell_jump(const struct answer *a)
{
	struct place p = config(a, "gate", "jump");
	struct err e = { 0 };
	struct ip to;

	if (jump_decide(a->reg, a->user, a->choice.name, &to, &e) == GATE_JUMP_REFUSED)
		fact(a, "jump", &p, "no: %s", e.text);
	else
		fact(a, "jump", &p, "%s",
		     a->s->gate.jump == SETTINGS_JUMP_ANY
			     ? "yes, to any address of the pool"
			     : "yes, to the workspaces that the user may enter");
}

static void tell_source(const struct answer *a)
{
	struct place p = config(a, "penalties", "exempt");
	char ip[IP_TEXT_MAX];
	bool exempt = false;

	if (!a->from.family)
		return;
	for (uint32_t i = 0; i < a->s->penalties.nexempt; i++)
		exempt = exempt || ip_in_net(&a->from, &a->s->penalties.exempt[i]);
	fact(a, "from", &p, "%s, %s", ip_text(&a->from, ip, sizeof(ip)),
	     exempt                   ? "exempt from penalties"
	     : a->s->penalties.enable ? "failures earn it penalties"
				      : "penalties are off");
}

/* --- all of it --- */

static void refused(const struct answer *a, const struct err *why)
{
	char section[64];
	struct place p;

	if (!a->choice.key) {
		fact(a, "result", NULL, "refused: %s", why->text);
		return;
	}
	p = strcmp(a->choice.section, "workspace") ? config(a, a->choice.section, a->choice.key)
						   : of_workspace(a, a->choice.key, section);
	fact(a, "result", &p, "refused: %s", why->text);
}

static void explain(struct answer *a)
{
	struct err e = { 0 };
	int ret = workspace_decide(a->reg, a->user, a->wanted, &a->address, &a->choice, &e);

	if (a->choice.name[0]) {
		settings_spec(a->s, a->choice.name, &a->spec);
		fact(a, "workspace", NULL, "%s", a->choice.name);
		tell_rule(a);
	}
	if (ret < 0) {
		if (a->choice.name[0])
			tell_users(a);
		refused(a, &e);
		return;
	}
	tell_state(a);
	tell_users(a);
	tell_source(a);
	tell_keys(a);
	tell_permissions(a);
	tell_jump(a);
	fact(a, "result", NULL, "a login with one of these enters workspace '%s' as unix user '%s'",
	     a->choice.name, a->user);
}

/* An address, or the name of a workspace that has one. */
static int find_address(struct answer *a, const char *text, struct err *e)
{
	const struct workspace *ws = NULL;
	char shown[260];
	struct spec spec;

	if (!text[0] || ip_parse(text, &a->address, NULL) == 0)
		return 0;
	if (str_is_name(text, strlen(text)))
		ws = workspace_find(a->reg, text);
	if (!ws)
		return err_set(e, EINVAL,
			       "explain address '%s': neither an address nor a workspace",
			       str_vis(text, strlen(text), shown, sizeof(shown)));
	workspace_spec(a->reg, ws, &spec);
	a->address = workspace_exists(ws) && workspace_record(ws)->control_ip.family
			     ? workspace_record(ws)->control_ip
			     : spec.control_ip;
	return a->address.family
		       ? 0
		       : err_set(e, EINVAL, "explain address '%s': the workspace has none yet",
				 text);
}

void admin_explain_answer(struct admin_client *c, struct registry *reg,
			  const struct admin_explain *req)
{
	struct answer *a = calloc(1, sizeof(*a));
	char shown[4 * sizeof(req->login)];
	struct err e = { 0 };
	int ret = a ? 0 : err_set(&e, ENOMEM, "explain login: out of memory");

	if (ret == 0) {
		*a = (struct answer){ .client = c, .reg = reg, .tag = req->tag };
		a->s = registry_settings(reg);
		ret = find_address(a, req->address, &e);
	}
	if (ret == 0 && req->from[0])
		ret = ip_parse(req->from, &a->from, &e);
	if (ret < 0) {
		admin_client_failed(c, req->tag, e.code, e.text);
		free(a);
		return;
	}
	if (login_name_parse(req->login, a->user, a->wanted)) {
		fact(a, "user", NULL, "%s", a->user);
		explain(a);
	} else {
		fact(a, "result", NULL,
		     "refused: '%.200s' names no user (a-z, 0-9, _ and -, at most 31, and "
		     "+workspace)",
		     str_vis(req->login, strlen(req->login), shown, sizeof(shown)));
	}
	admin_client_done(c, req->tag, "");
	free(a);
}
