/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Passwords: the hash of the workspace that the login is for, checked by crypt(3) in a child.  A user who is not there,
 * may not enter, or has no password costs the same: somebody else's hash is computed and the result thrown away.
 */
#include "gate_conn.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clk.h"
#include "base/fd.h"
#include "gate_job.h"

#define LIMIT_US 10000000 /* crypt takes tens of milliseconds, more with costs that nobody wants */

/* What stands in when no workspace has a password: of nothing that anybody could type. */
#define DUMMY "$y$j9T$sshbaysshbaysshbayssh1$"

struct gate_password_try {
	bool real;      /* the hash is the user's */
	char hash[256]; /* or what stands in for it */
	char password[GATE_SECRET_MAX];
};

/* No early end: how long it takes must not tell how much of it was right. */
static bool same(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char differ = 0;

	if (n != strlen(b))
		return false;
	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return !differ;
}

/* In the child. One byte: does it match? */
static int check(struct gate_job *j, int fd)
{
	struct gate_conn *c = j->ctx;
	const struct gate_password_try *t = c->password;
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *out = data ? crypt_r(t->password, t->hash, data) : NULL;
	char yes = out && *out != '*' && t->password[0] && same(out, t->hash);

	return send(fd, &yes, 1, MSG_NOSIGNAL) == 1 ? 0 : 1;
}

/* How well a workspace's hash suits a login: by chance, but always the same, and unknown to others. */
static uint64_t suits(const uint8_t secret[32], const char *login, const char *workspace)
{
	uint8_t text[32 + GATE_LOGIN_MAX + STR_NAME_MAX] = { 0 }, sum[32] = { 0 };
	size_t n = strnlen(login, GATE_LOGIN_MAX - 1);
	uint64_t rank;

	memcpy(text, secret, 32);
	memcpy(text + 32, login, n);
	memcpy(text + 32 + n + 1, workspace, strnlen(workspace, STR_NAME_MAX - 1));
	(void)EVP_Digest(text, sizeof(text), sum, NULL, EVP_sha256(), NULL);
	memcpy(&rank, sum, sizeof(rank));
	return rank;
}

void gate_password_stand_in(const struct gate_server *g, const char *login, char *out, size_t size)
{
	const struct settings *s = registry_settings(g->reg);
	const char *hash = DUMMY;
	uint8_t secret[32] = { 0 };
	uint64_t best = 0;

	(void)hostkey_derive(g->hostkey, "stand-in for passwords", secret, NULL);
	for (uint32_t i = 0; i < s->nworkspaces; i++) {
		const struct spec *w = &s->workspaces[i];
		uint64_t rank = w->password[0] ? suits(secret, login, w->name) : 0;

		if (rank > best) {
			best = rank;
			hash = w->password;
		}
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	(void)str_copy(out, size, hash);
}

/* The hash of the workspace the login is for. Only one with a file has users that somebody named. */
static bool users_hash(struct gate_conn *c, char *out, size_t size)
{
	const struct settings *s = registry_settings(c->g->reg);
	char name[STR_NAME_MAX];
	struct spec spec;

	if (!c->login_valid || workspace_choose(c->g->reg, c->saved.info.user, c->wanted,
						&c->local.addr, name, NULL) < 0)
		return false;
	settings_spec(s, name, &spec);
	return spec.file[0] && spec.password[0] && settings_may_enter(&spec, c->saved.info.user) &&
	       str_copy(out, size, spec.password) == 0;
}

static void forget(struct gate_conn *c)
{
	if (c->password)
		explicit_bzero(c->password, sizeof(*c->password));
	free(c->password);
	c->password = NULL;
}

/* The child has its copy. */
static void started(struct gate_job *j)
{
	struct gate_conn *c = j->ctx;

	explicit_bzero(c->password->password, sizeof(c->password->password));
}

static void over(struct gate_conn *c, bool ok, const char *why)
{
	bool real = c->password && c->password->real;

	gate_job_end(&c->job);
	forget(c);
	gate_auth_result(c, ok && real, why);
}

static void readable(struct gate_job *j)
{
	char yes = 0;
	ssize_t n = recv(j->fd, &yes, 1, 0);

	if (n == 1)
		over(j->ctx, yes == 1, "wrong password");
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		over(j->ctx, false, "the helper process died");
}

static void failed(struct gate_job *j, int ret)
{
	over(j->ctx, false, strerror(-ret));
}

int gate_password_try(void *ctx, struct msg *m, struct err *e)
{
	struct gate_conn *c = ctx;
	struct gate_password *p = m->body;
	int ret = gate_auth_begin(c, METHOD_PASSWORD, p->login, e);
	char hash[sizeof(c->password->hash)];

	if (ret == 1 && !(c->password = calloc(1, sizeof(*c->password))))
		ret = err_set(e, ENOMEM, "check a password: out of memory");
	if (ret == 1) {
		gate_password_stand_in(c->g, p->login, c->password->hash,
				       sizeof(c->password->hash));
		if (users_hash(c, hash, sizeof(hash))) {
			memcpy(c->password->hash, hash, sizeof(hash));
			c->password->real = true;
		}
		memcpy(c->password->password, p->password, sizeof(p->password));
		c->job = (struct gate_job){ .kind = GATE_JOB_PASSWORD,
					    .limit_us = LIMIT_US,
					    .run = check,
					    .started = started,
					    .readable = readable,
					    .failed = failed,
					    .ctx = c };
		ret = gate_job_begin(&c->g->jobs, &c->job, e);
		if (ret < 0) {
			forget(c);
			ret = gate_auth_failed(c, e->text, e);
		}
	}
	explicit_bzero(p, sizeof(*p));
	return ret;
}

void gate_password_end(struct gate_conn *c)
{
	forget(c);
}
