/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See cert.h.  provisiond, on a blob that a client sent: nothing in it is believed before the authority's signature has
 * been verified, and nothing here needs that it has been.
 */
#include "cert.h"

#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "match.h"

#define TYPE_USER 1

/* What stands between nonce and serial: `mpints` for RSA count as strings here, verify.c looks closer. */
static const struct {
	const char *type, *plain;
	unsigned int fields;
} types[] = {
	{ "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", 1 },
	{ "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256", 2 },
	{ "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384", 2 },
	{ "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521", 2 },
	{ "ssh-rsa-cert-v01@openssh.com", "ssh-rsa", 2 },
	{ "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", 2 },
	{ "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", 3 },
};
#define NTYPES (sizeof(types) / sizeof(types[0]))

static int malformed(const char *what, struct err *e)
{
	return err_set(e, EINVAL, "parse certificate '%s': malformed", what);
}

bool cert_is(const char *type)
{
	for (size_t i = 0; i < NTYPES; i++)
		if (strcmp(types[i].type, type) == 0)
			return true;
	return false;
}

const char *cert_plain_alg(const char *alg)
{
	if (strcmp(alg, "rsa-sha2-256-cert-v01@openssh.com") == 0)
		return "rsa-sha2-256";
	if (strcmp(alg, "rsa-sha2-512-cert-v01@openssh.com") == 0)
		return "rsa-sha2-512";
	for (size_t i = 0; i < NTYPES; i++)
		if (strcmp(types[i].type, alg) == 0 && strcmp(types[i].plain, "ssh-rsa") != 0)
			return types[i].plain;
	return NULL;
}

static bool take_u64(struct wire *w, uint64_t *out)
{
	uint32_t high, low;

	if (!wire_u32(w, &high) || !wire_u32(w, &low))
		return false;
	*out = (uint64_t)high << 32 | low;
	return true;
}

/* A string without a NUL, which would hide its end. */
static bool take_text(struct wire *w, struct wire *out)
{
	return wire_str(w, out) && (out->n == 0 || !memchr(out->p, 0, out->n));
}

/* Type, nonce and the key's own fields; the latter, behind the plain type, are the key's blob. */
static bool take_key(struct wire *w, struct cert *c)
{
	struct wire_out key = { c->key, 0, sizeof(c->key), false };
	struct wire type, nonce, field;
	size_t i;

	if (!wire_str(w, &type))
		return false;
	for (i = 0; i < NTYPES && !wire_is(&type, types[i].type); i++)
		;
	if (i == NTYPES || !wire_str(w, &nonce))
		return false;
	c->type = types[i].type;
	c->plain = types[i].plain;
	wire_put_str(&key, c->plain, strlen(c->plain));
	for (unsigned int n = 0; n < types[i].fields; n++) {
		if (!wire_str(w, &field))
			return false;
		wire_put_str(&key, field.p, field.n);
	}
	c->key_len = key.n;
	return !key.bad;
}

static int check_principals(const struct cert *c, struct err *e)
{
	struct wire list = c->principals, name;
	unsigned int n = 0;

	while (list.n) {
		if (!take_text(&list, &name))
			return malformed("principals", e);
		if (++n > CERT_PRINCIPALS_MAX)
			return err_set(e, EINVAL,
				       "parse certificate 'principals': more than %d of them",
				       CERT_PRINCIPALS_MAX);
	}
	return 0;
}

/* An authority signs with a key of its own, not with a certificate. */
static bool plain_ca(const struct cert *c)
{
	struct wire ca = c->ca, type;

	if (!wire_str(&ca, &type))
		return false;
	for (size_t i = 0; i < NTYPES; i++)
		if (wire_is(&type, types[i].plain))
			return true;
	return false;
}

int cert_parse(const uint8_t *blob, size_t len, struct cert *c, struct err *e)
{
	struct wire w = { blob, len }, reserved;
	uint32_t kind;

	memset(c, 0, sizeof(*c));
	if (!take_key(&w, c))
		return malformed("key", e);
	if (!take_u64(&w, &c->serial) || !wire_u32(&w, &kind) || !take_text(&w, &c->id))
		return malformed("serial, type, identity", e);
	if (!wire_str(&w, &c->principals) || !take_u64(&w, &c->after) || !take_u64(&w, &c->before))
		return malformed("principals, validity", e);
	if (!wire_str(&w, &c->critical) || !wire_str(&w, &c->extensions) ||
	    !wire_str(&w, &reserved))
		return malformed("options", e);
	if (!wire_str(&w, &c->ca) || !plain_ca(c))
		return malformed("signature key", e);
	c->data = (struct wire){ blob, len - w.n };
	if (!wire_str(&w, &c->ca_sig) || w.n)
		return malformed("signature", e);
	if (kind != TYPE_USER)
		return err_set(e, EINVAL, "parse certificate 'type': not a user's (%" PRIu32 ")",
			       kind);
	return check_principals(c, e);
}

int cert_valid(const struct cert *c, uint64_t now, struct err *e)
{
	if (now < c->after)
		return err_set(e, EKEYEXPIRED, "check certificate 'validity': not yet valid");
	if (now >= c->before)
		return err_set(e, EKEYEXPIRED, "check certificate 'validity': expired");
	return 0;
}

bool cert_names(const struct cert *c, const char *name, const char *list)
{
	struct wire left = c->principals, at;
	char text[256];

	while (wire_str(&left, &at)) {
		if (at.n == 0 || at.n >= sizeof(text))
			continue;
		memcpy(text, at.p, at.n);
		text[at.n] = '\0';
		if (list ? !strchr(text, ',') && match_word(text, list) : strcmp(text, name) == 0)
			return true;
	}
	return false;
}

/* --- options -------------------------------------------------------------------------------------------------------- */

static int bad_option(const struct wire *name, const char *why, struct err *e)
{
	char shown[64];

	return err_set(
		e, EINVAL, "certificate option '%s': %s",
		str_vis((const char *)name->p, name->n < 40 ? name->n : 40, shown, sizeof(shown)),
		why);
}

/* The value of an option is a string within the string; that, NUL-terminated. */
static int take_value(const struct wire *name, struct wire value, char *to, size_t size,
		      struct err *e)
{
	struct wire text;

	if (*to)
		return bad_option(name, "given more than once", e);
	if (!take_text(&value, &text) || value.n || text.n == 0)
		return bad_option(name, "malformed", e);
	if (text.n >= size)
		return bad_option(name, "too long", e);
	memcpy(to, text.p, text.n);
	to[text.n] = '\0';
	return 0;
}

static int critical_option(const struct wire *name, const struct wire *value, struct key_options *o,
			   struct err *e)
{
	struct err why = { 0 };
	int ret = 0;

	if (wire_is(name, "force-command")) {
		ret = take_value(name, *value, o->permit.command, sizeof(o->permit.command), e);
		if (ret == 0 && key_options_check_command(o->permit.command) < 0)
			ret = bad_option(name, KEY_OPTIONS_NO_FLAGS, e);
		return ret;
	}
	if (wire_is(name, "source-address")) {
		ret = take_value(name, *value, o->source, sizeof(o->source), e);
		if (ret == 0 && match_source(NULL, o->source, &why) < 0)
			ret = bad_option(name, why.text, e);
		return ret;
	}
	if (!wire_is(name, "verify-required"))
		return bad_option(name, "critical, and not known", e);
	if (value->n)
		return bad_option(name, "takes no value", e);
	o->verified = true;
	return 0;
}

static int extension(const struct wire *name, const struct wire *value, struct key_options *o,
		     struct err *e)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} known[] = {
		{ "permit-pty", GATE_MAY_PTY },
		{ "permit-port-forwarding", GATE_MAY_FORWARD },
		{ "permit-agent-forwarding", GATE_MAY_AGENT },
		{ "permit-X11-forwarding", GATE_MAY_X11 },
		{ "permit-user-rc", GATE_MAY_RC },
		{ "no-touch-required", 0 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!wire_is(name, known[i].name))
			continue;
		if (value->n)
			return bad_option(name, "takes no value", e);
		if (known[i].bit == 0)
			o->no_touch = true;
		o->permit.flags |= known[i].bit;
	}
	return 0;
}

typedef int (*option_fn)(const struct wire *name, const struct wire *value, struct key_options *o,
			 struct err *e);

static int each(struct wire list, option_fn fn, struct key_options *o, struct err *e)
{
	struct wire name, value;

	while (list.n) {
		int ret;

		if (!take_text(&list, &name) || !wire_str(&list, &value))
			return err_set(e, EINVAL, "parse certificate 'options': malformed");
		ret = fn(&name, &value, o, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int cert_options(const struct cert *c, struct key_options *out, struct err *e)
{
	int ret;

	key_options_init(out);
	out->permit.flags = 0;
	ret = each(c->critical, critical_option, out, e);
	return ret < 0 ? ret : each(c->extensions, extension, out, e);
}
