/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building a login's environment in the helper of a spawn, as its unix user. */
#include "env.h"

#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"

#define FILE_MAX     (16 * 1024)
#define ENV_GIVEN    "/run/sshbay/env"
#define NAME_MAX_LEN 128
#define PATH_ROOT    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PATH_USER    "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool good_name(const char *s, size_t n)
{
	if (n == 0 || n > NAME_MAX_LEN || !is_alpha(s[0]))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_alpha(s[i]) && !(s[i] >= '0' && s[i] <= '9'))
			return false;
	/* The loader reads these before the program's first instruction. */
	return n < 3 || memcmp(s, "LD_", 3) != 0;
}

/* Index of the variable, or nvars. */
static size_t find(const struct env *v, const char *name, size_t n)
{
	size_t i = 0;

	while (i < v->nvars && !(strncmp(v->vars[i], name, n) == 0 && v->vars[i][n] == '='))
		i++;
	return i;
}

static void set(struct env *v, const char *name, size_t nname, const char *value, size_t nvalue)
{
	size_t at, need = nname + nvalue + 2;
	char *p = v->bytes + v->nbytes;

	if (!good_name(name, nname) || need > sizeof(v->bytes) - v->nbytes)
		return;
	at = find(v, name, nname);
	if (at == ENV_VARS_MAX)
		return;
	memcpy(p, name, nname);
	p[nname] = '=';
	memcpy(p + nname + 1, value, nvalue);
	p[need - 1] = '\0';
	v->nbytes += need;
	v->vars[at] = p;
	if (at == v->nvars)
		v->vars[++v->nvars] = NULL;
}

void env_set(struct env *v, const char *name, const char *value)
{
	set(v, name, strlen(name), value, strlen(value));
}

const char *env_get(const struct env *v, const char *name)
{
	size_t n = strlen(name), at = find(v, name, n);

	return at < v->nvars ? v->vars[at] + n + 1 : NULL;
}

void env_add_block(struct env *v, const uint8_t *block, size_t n)
{
	while (n) {
		const char *s = (const char *)block;
		size_t len = strnlen(s, n);
		const char *eq = memchr(s, '=', len);

		if (eq)
			set(v, s, (size_t)(eq - s), eq + 1, len - (size_t)(eq - s) - 1);
		len += len < n;
		block += len;
		n -= len;
	}
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **s, size_t *n)
{
	while (*n && is_space(**s)) {
		(*s)++;
		(*n)--;
	}
	while (*n && is_space((*s)[*n - 1]))
		(*n)--;
}

static void add_line(struct env *v, const char *s, size_t n)
{
	const char *hash = memchr(s, '#', n);
	const char *eq;
	const char *value;
	size_t nvalue;

	if (hash)
		n = (size_t)(hash - s);
	trim(&s, &n);
	if (n > 7 && memcmp(s, "export", 6) == 0 && is_space(s[6])) {
		s += 6;
		n -= 6;
		trim(&s, &n);
	}
	eq = memchr(s, '=', n);
	if (!eq || memchr(s, '\0', n))
		return;
	value = eq + 1;
	nvalue = n - (size_t)(value - s);
	if (nvalue && (value[0] == '"' || value[0] == '\'')) {
		char quote = *value++;

		nvalue--;
		if (nvalue && value[nvalue - 1] == quote)
			nvalue--;
	}
	set(v, s, (size_t)(eq - s), value, nvalue);
}

void env_add_lines(struct env *v, const char *text, size_t n)
{
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;

		add_line(v, text, len);
		len += end ? 1 : 0;
		text += len;
		n -= len;
	}
}

void env_read_file(struct env *v, const char *path)
{
	static char text[FILE_MAX];
	size_t n;

	if (path_read(AT_FDCWD, path, text, sizeof(text), &n, NULL) == 0)
		env_add_lines(v, text, n);
}

/* What devices ask for; on a tmpfs that the host's side filled before anything ran here. */
static void env_read_block(struct env *v, const char *path)
{
	static char text[FILE_MAX];
	size_t n;

	if (path_read(AT_FDCWD, path, text, sizeof(text), &n, NULL) == 0)
		env_add_block(v, (const uint8_t *)text, n);
}

void env_build(struct env *v, const struct account *a, const struct init_spawn *s, const char *tty)
{
	char mail[64];

	env_add_block(v, s->env.data, s->env.len);
	env_set(v, "PATH", a->uid ? PATH_USER : PATH_ROOT);
	env_read_file(v, "/etc/environment");
	env_read_file(v, "/etc/default/locale");
	env_read_block(v, ENV_GIVEN);
	env_set(v, "HOME", a->home);
	env_set(v, "USER", a->name);
	env_set(v, "LOGNAME", a->name);
	env_set(v, "SHELL", a->shell);
	str_format(mail, sizeof(mail), "/var/mail/%s", a->name);
	env_set(v, "MAIL", mail);
	if (!tty)
		return;
	if (s->term[0])
		env_set(v, "TERM", s->term);
	env_set(v, "SSH_TTY", tty);
}
