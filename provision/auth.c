/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which public keys log a user in.  Runs in provisiond, with a user name that the network chose (validated again here) and
 * a key blob whose signature somebody else verifies.  Nothing is believed but files that root alone can have written; a
 * user that does not exist, a wrong key and a right one take the same way through them.
 */
#include "auth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/trusted.h"
#include "cert.h"
#include "key_options.h"
#include "keys.h"
#include "krl.h"

/* One question being answered: a quarter of a megabyte, so not on the stack. */
struct look {
	const struct auth_query *q;
	struct auth_grant *out;
	const char *user; /* in names of files */
	struct cert cert; /* type NULL: a plain key */
	struct wire key;  /* a file has to list it: the key, or the certificate's authority */
	struct err why;   /* the first refusal that says more than that nothing was found */
	struct keys_reader reader;
	struct key_options options, narrow;
};

static const char no_user[] = "_";

/* Does a signature by `alg` belong to a key of `type`? */
static bool alg_fits(const char *alg, const struct wire *type)
{
	if (wire_is(type, "ssh-rsa"))
		return strcmp(alg, "rsa-sha2-256") == 0 || strcmp(alg, "rsa-sha2-512") == 0;
	if (strcmp(alg, "webauthn-sk-ecdsa-sha2-nistp256@openssh.com") == 0)
		return wire_is(type, "sk-ecdsa-sha2-nistp256@openssh.com");
	return wire_is(type, alg);
}

static void refused(struct look *l, const struct err *why)
{
	if (l->why.code == 0)
		l->why = *why;
}

static void refused_line(struct look *l, const char *file, unsigned int line, struct err *why)
{
	(void)err_wrap(why, "accept key by '%s:%u'", file, line);
	refused(l, why);
}

static void reader_start(struct look *l, const char *text, size_t len)
{
	struct keys_reader *r = &l->reader;

	r->p = text;
	r->end = text + len;
	r->line = r->bad = r->first_bad = 0;
}

static bool reader_has(const struct look *l, const struct wire *blob)
{
	return l->reader.len == blob->n && memcmp(l->reader.blob, blob->p, blob->n) == 0;
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

int auth_user_path(const char *pattern, const char *user, char *buf, size_t size)
{
	size_t used = 0;
	int ret = 0;

	*buf = '\0';
	for (; *pattern && ret == 0; pattern++) {
		bool name = pattern[0] == '%' && pattern[1] == 'u';

		ret = name ? str_copy(buf + used, size - used, user)
			   : str_format(buf + used, size - used, "%c", *pattern);
		used += strlen(buf + used);
		pattern += name;
	}
	return ret;
}

struct file {
	char path[PATH_MAX];
	char *text;
	size_t len;
};

/* A user's file; one that is not there is empty. The caller frees text. */
static int read_user_file(const struct look *l, const char *pattern, struct file *f, struct err *e)
{
	int ret;

	f->text = NULL;
	f->len = 0;
	if (auth_user_path(pattern, l->user, f->path, sizeof(f->path)) < 0)
		return err_set(e, ENAMETOOLONG, "read keys of '%s': path too long", l->user);
	ret = trusted_read(f->path, &f->text, &f->len, e);
	return ret == -ENOENT ? 0 : ret;
}

/* Is the blob in a list of keys? 1, 0, or -errno: also when there is no such file, or a line is no key. */
static int in_list(struct look *l, const char *path, const struct wire *blob, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int ret = trusted_read(path, &text, &len, e);

	if (ret < 0)
		return ret;
	reader_start(l, text, len);
	return keys_list_has(&l->reader, path, blob->p, blob->n, e);
}

/* 1 when the file's text revokes the key; `c` is the certificate that it is in, or NULL. */
static int revokes(struct look *l, const struct file *f, const struct wire *key,
		   const struct cert *c, struct err *e)
{
	struct krl_subject s = { .key = *key };
	int ret;

	if (!krl_is(f->text, f->len)) {
		reader_start(l, f->text, f->len);
		return keys_list_has(&l->reader, f->path, key->p, key->n, e);
	}
	if (c) {
		s.ca = c->ca;
		s.id = c->id;
		s.serial = c->serial;
	}
	ret = verify_hashes(key->p, key->n, s.sha1, s.sha256, e);
	if (ret == 0)
		ret = krl_revokes(f->text, f->len, &s, e);
	return ret < 0 ? err_wrap(e, "read '%s'", f->path) : ret;
}

/* 0, or refused: the key, the certificate or its authority is revoked. */
static int check_revoked(struct look *l, struct err *e)
{
	const struct cert *c = l->cert.type ? &l->cert : NULL;
	struct wire key = c ? (struct wire){ c->key, c->key_len } : l->key;
	const char *path = l->q->settings->auth.revoked_keys;
	struct file f = { .text = NULL };
	int ret;

	if (*path == '\0')
		return 0;
	(void)str_copy(f.path, sizeof(f.path), path);
	ret = trusted_read(f.path, &f.text, &f.len, e);
	if (ret < 0)
		return ret;
	ret = revokes(l, &f, &key, c, e);
	if (ret == 0 && c)
		ret = revokes(l, &f, &c->ca, NULL, e);
	free(f.text);
	if (ret <= 0)
		return ret;
	return err_set(e, EKEYREVOKED, "accept key: it is revoked by '%s'", f.path);
}

/* --- what is granted ------------------------------------------------------------------------------------------------ */

static void grant(struct look *l)
{
	struct auth_grant *out = l->out;
	struct gate_permit allowed;

	auth_permit(l->q->settings, &allowed);
	out->permit = l->options.permit;
	out->permit.flags &= allowed.flags;
	out->touch_required = !l->options.no_touch;
	out->verify_required = l->options.verified;
}

static void name_certificate(struct look *l, const char *from)
{
	const struct cert *c = &l->cert;
	char id[64], ca[64] = "";

	str_vis((const char *)c->id.p, c->id.n, id, sizeof(id));
	(void)verify_fingerprint(c->ca.p, c->ca.n, ca, NULL);
	(void)str_format(l->out->by, sizeof(l->out->by),
			 "%scertificate '%s' serial %" PRIu64 " by %s", from, id, c->serial, ca);
}

/* The certificate itself, whose authority is trusted: 0, and l->options narrowed by what it says. */
static int check_certificate(struct look *l, struct err *e)
{
	int ret = verify_certificate(&l->cert, e);

	if (ret == 0)
		ret = cert_valid(&l->cert, l->q->now, e);
	if (ret == 0)
		ret = cert_options(&l->cert, &l->narrow, e);
	if (ret == 0)
		ret = key_options_allow(&l->narrow, l->q->peer, l->q->now, e);
	return ret < 0 ? ret : key_options_narrow(&l->options, &l->narrow, e);
}

/* --- authorized keys ------------------------------------------------------------------------------------------------ */

/* The line at hand has the key. 0: it grants the login. */
static int check_line(struct look *l, struct err *e)
{
	const struct keys_reader *r = &l->reader;
	struct key_options *o = &l->options;
	const char *principals;
	int ret;

	key_options_init(o);
	ret = r->options ? key_options_parse(r->options, r->options_len, o, e) : 0;
	if (ret < 0)
		return ret;
	if (o->authority != (l->cert.type != NULL))
		return err_set(e, ENOKEY, "option 'cert-authority': %s",
			       o->authority ? "the key is no certificate" : "not given");
	ret = key_options_allow(o, l->q->peer, l->q->now, e);
	if (ret < 0 || !l->cert.type)
		return ret;
	ret = check_certificate(l, e);
	if (ret < 0)
		return ret;
	principals = o->principals[0] ? o->principals : NULL;
	if (!cert_names(&l->cert, l->user, principals))
		return err_set(e, EACCES, "check certificate 'principals': names nobody allowed");
	return 0;
}

/* Look through the text of `file`. True: the login is granted. */
static bool search(struct look *l, const char *file, const char *text, size_t len)
{
	struct keys_reader *r = &l->reader;
	struct err e = { 0 };

	reader_start(l, text, len);
	while (keys_next(r)) {
		if (!reader_has(l, &l->key))
			continue;
		if (check_line(l, &e) == 0)
			return true;
		refused_line(l, file, r->line, &e);
	}
	if (r->bad) {
		(void)err_set(&e, EBADMSG, "read '%s:%u': not a key (%u such lines)", file,
			      r->first_bad, r->bad);
		refused(l, &e);
	}
	return false;
}

/* 1, 0 or -errno. */
static int by_keys(struct look *l, struct err *e)
{
	const struct auth_query *q = l->q;
	struct file f;
	bool ok, command = false;
	int ret = read_user_file(l, q->settings->gate.authorized_keys, &f, e);

	if (ret < 0)
		return ret;
	ok = search(l, f.path, f.text, f.len);
	free(f.text);
	if (!ok && q->more)
		command = ok = search(l, "keys_command", q->more, q->more_len);
	if (!ok)
		return 0;
	if (l->cert.type)
		name_certificate(l, command ? "keys_command: " : "");
	else
		(void)str_format(l->out->by, sizeof(l->out->by), "%s line %u",
				 command ? "keys_command" : "authorized_keys", l->reader.line);
	return 1;
}

/* --- trusted authorities -------------------------------------------------------------------------------------------- */

/* The first line that names one of the certificate's principals decides, as in sshd; its options are in l->options. */
static int by_principals(struct look *l, const struct file *f, struct err *e)
{
	struct keys_reader *r = &l->reader;
	struct key_options *o = &l->options;
	struct err why = { 0 };
	int ret = err_set(e, EACCES, "check certificate 'principals': none is in '%s'", f->path);

	reader_start(l, f->text, f->len);
	while (ret < 0 && keys_next_name(r)) {
		if (!cert_names(&l->cert, r->name, NULL))
			continue;
		key_options_init(o);
		if (r->options && key_options_parse(r->options, r->options_len, o, &why) < 0) {
			refused_line(l, f->path, r->line, &why);
			continue;
		}
		ret = key_options_allow(o, l->q->peer, l->q->now, e);
		if (ret < 0)
			(void)err_wrap(e, "accept certificate by '%s:%u'", f->path, r->line);
		break;
	}
	return ret;
}

/* 1, 0 or -errno. */
static int by_authority(struct look *l, struct err *e)
{
	const struct settings *s = l->q->settings;
	bool listed = s->auth.principals[0] != '\0';
	struct err why = { 0 };
	struct file f = { .text = NULL };
	int ret;

	if (s->auth.ca_keys[0] == '\0')
		return 0;
	ret = in_list(l, s->auth.ca_keys, &l->cert.ca, e);
	if (ret <= 0)
		return ret;
	ret = listed ? read_user_file(l, s->auth.principals, &f, e) : 0;
	if (ret < 0)
		return ret;
	key_options_init(&l->options);
	/* Where no options can stand, the certificate alone decides about that. */
	l->options.no_touch = !listed;
	if (listed)
		ret = by_principals(l, &f, &why);
	else if (cert_names(&l->cert, l->user, NULL))
		ret = 0;
	else
		ret = err_set(&why, EACCES, "check certificate 'principals': '%s' is none of them",
			      l->user);
	free(f.text);
	if (ret == 0)
		ret = check_certificate(l, &why);
	if (ret < 0) {
		refused(l, &why);
		return 0;
	}
	name_certificate(l, "");
	return 1;
}

/* --- the question --------------------------------------------------------------------------------------------------- */

static int look_at_key(struct look *l, struct err *e)
{
	const struct auth_query *q = l->q;
	struct wire blob = { q->key, q->len }, type;
	char name[64];

	if (!wire_str(&blob, &type) || type.n >= sizeof(name) || memchr(type.p, 0, type.n))
		return err_set(e, EINVAL, "accept key: malformed");
	memcpy(name, type.p, type.n);
	name[type.n] = '\0';
	l->key = (struct wire){ q->key, q->len };
	if (!cert_is(name))
		return alg_fits(q->alg, &type)
			       ? 0
			       : err_set(e, EINVAL, "accept key: of another algorithm");
	if (cert_parse(q->key, q->len, &l->cert, e) < 0)
		return -EINVAL;
	type = (struct wire){ (const uint8_t *)l->cert.plain, strlen(l->cert.plain) };
	if (!cert_plain_alg(q->alg) || !alg_fits(cert_plain_alg(q->alg), &type))
		return err_set(e, EINVAL, "accept certificate: of another algorithm");
	l->key = l->cert.ca;
	return 0;
}

static int decide(struct look *l, struct err *e)
{
	int ret = look_at_key(l, e);

	/* What a client sent, unlike what a file says, is no reason to alarm anybody. */
	if (ret < 0)
		return 0;
	ret = check_revoked(l, e);
	if (ret < 0)
		return ret == -EKEYREVOKED ? 0 : ret;
	if (l->cert.type)
		ret = by_authority(l, e);
	if (ret == 0)
		ret = by_keys(l, e);
	if (ret < 0)
		return ret;
	if (ret == 1 && l->q->exists && l->user != no_user) {
		grant(l);
		return 1;
	}
	(void)err_set(e, ENOKEY, "accept key: %s", ret ? "no such user" : "not listed");
	if (ret == 0 && l->why.code)
		*e = l->why;
	return 0;
}

int auth_key_accept(const struct auth_query *q, struct auth_grant *out, struct err *e)
{
	struct look *l = calloc(1, sizeof(*l));
	struct err own = { 0 };
	int ret;

	memset(out, 0, sizeof(*out));
	if (e)
		*e = own;
	if (!l)
		return err_set(e, ENOMEM, "accept key: out of memory");
	l->q = q;
	l->out = out;
	l->user = str_is_name(q->user, strnlen(q->user, STR_NAME_MAX + 1)) ? q->user : no_user;
	ret = decide(l, e ? e : &own);
	if (ret != 1)
		memset(out, 0, sizeof(*out));
	free(l);
	return ret;
}
