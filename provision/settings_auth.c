/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks of the files that [auth] names: whether they can be believed, and whether they say what they are meant to.  They
 * are read again at every login; what is found here is told before somebody is locked out.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/trusted.h"
#include "keys.h"
#include "krl.h"
#include "methods.h"
#include "host_user.h"
#include "schema.h"
#include "settings_check.h"

static struct settings_place place(const struct settings_loader *l, const char *key)
{
	unsigned int row = (unsigned int)(schema_find("auth", key) - schema_rows);

	return (struct settings_place){ 0, l->keys[row].line, "auth", key };
}

/* What the file says, which may be a binary list of revoked keys. */
static int check_text(const char *path, const char *text, size_t len, bool krl, struct err *e)
{
	struct keys_reader r = { .p = text, .end = text + len };

	if (!krl || !krl_is(text, len))
		return keys_list_has(&r, path, NULL, 0, e);
	return krl_revokes(text, len, NULL, e) < 0 ? err_wrap(e, "read '%s'", path) : 0;
}

/* A file that must be there may be a binary list as well: that of revoked keys. */
static void check_list(struct settings_loader *l, const char *key, const char *path, bool must)
{
	auto_free char *text = NULL;
	struct err e = { 0 };
	size_t len;
	int ret;

	if (*path == '\0')
		return;
	ret = trusted_read(path, &text, &len, &e);
	if (ret == 0)
		ret = check_text(path, text, len, must, &e);
	if (ret == -ENOENT && !must)
		return;
	if (ret == -ENOENT)
		settings_report_at(l, place(l, key),
				   "'%s' does not exist: no key is accepted without it", path);
	else if (ret < 0)
		settings_report_at(l, place(l, key), "%s", e.text);
}

bool settings_suspicious(const struct settings *s, char *text, size_t size)
{
	const char *path = s->auth.ca_keys;

	/* It may be put in place later; until then only certificates are refused. */
	if (*path == '\0' || access(path, F_OK) == 0 || errno != ENOENT)
		return false;
	(void)str_format(text, size,
			 "[auth] trusted_user_ca_keys: '%s' does not exist: no certificate is "
			 "accepted without it",
			 path);
	return true;
}

static void check_pattern(struct settings_loader *l, const char *key, const char *pattern)
{
	const char *p;

	for (p = strchr(pattern, '%'); p; p = strchr(p + 2, '%')) {
		if (p[1] == 'u')
			continue;
		settings_report_at(l, place(l, key), "'%%%.1s' is not known (only %%u)", p + 1);
		return;
	}
}

static bool bad(const struct settings_loader *l, const char *key)
{
	return l->keys[schema_find("auth", key) - schema_rows].bad;
}

static void check_keys_command(struct settings_loader *l)
{
	const struct settings_auth *a = &l->s->auth;
	struct err e = { 0 };
	uint32_t uid, gid;
	int fd;

	if (!a->keys_command[0])
		return;
	fd = trusted_open(a->keys_command, &e);
	if (fd < 0)
		settings_report_at(l, place(l, "keys_command"), "%s",
				   fd == -ENOENT ? "there is no such file" : e.text);
	fd_close(&fd);
	if (bad(l, "keys_command_user"))
		return;
	if (host_user_find(a->keys_user, &uid, &gid, &e) < 0)
		settings_report_at(l, place(l, "keys_command_user"), "%s", e.text);
	else if (uid == 0)
		settings_report_at(l, place(l, "keys_command_user"),
				   "a command of somebody else's must not run as root: '%s'",
				   a->keys_user);
}

static void check_methods(struct settings_loader *l)
{
	struct methods m;
	struct err e = { 0 };

	if (!bad(l, "methods") && methods_parse(l->s->auth.methods, &m, &e) < 0)
		settings_report_at(l, place(l, "methods"), "%s", e.text);
}

void settings_check_auth(struct settings_loader *l)
{
	const struct settings_auth *a = &l->s->auth;

	check_list(l, "trusted_user_ca_keys", a->ca_keys, false);
	check_list(l, "revoked_keys", a->revoked_keys, true);
	check_pattern(l, "authorized_principals", a->principals);
	check_methods(l);
	check_keys_command(l);
}
