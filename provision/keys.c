/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * authorized_keys files: is a key listed for a user?  The administrator alone may have written the file, and that is
 * checked from the root directory down before a byte of it is believed.  Runs in provisiond, with a user name that the
 * network chose (validated again here) and a key blob that nobody has verified yet.
 */
#include "keys.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "base/fd.h"
#include "base/str.h"
#include "wire.h"

#define FILE_MAX_BYTES 1048576
#define LINE_MAX_BYTES 16384 /* sshd's own limit is 8 KiB for the key, options come on top */
#define LINKS_MAX      8

/* --- where it lies -------------------------------------------------------------------------------------------------- */

static int check_owner(const char *path, const struct stat *st, struct err *e)
{
	bool link = S_ISLNK(st->st_mode); /* its mode says nothing */
	/* In a sticky directory of root's nobody else can replace or remove what root owns. */
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && st->st_uid == 0;

	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, EPERM, "trust '%s': not owned by root", path);
	if (!link && !sticky && (st->st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(e, EPERM, "trust '%s': writable by group or others (chmod go-w)",
			       path);
	return 0;
}

/* A path being walked: directory by directory, links resolved by hand, so that each is looked at before it is used. */
struct walk {
	const char *path;        /* for messages */
	char rest[PATH_MAX];     /* what is still to be walked */
	char name[NAME_MAX + 1]; /* the component at hand */
	int dir;
	unsigned int links;
};

/* Split the next component off. False at the end. */
static bool next_name(struct walk *w)
{
	const char *p = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(p, "/");

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(w->name, p, n);
	w->name[n] = '\0';
	memmove(w->rest, p + n, strlen(p + n) + 1);
	return true;
}

static int follow(struct walk *w, int linkfd, struct err *e)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(linkfd, "", target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, "read link '%s'", w->path);
	if (++w->links > LINKS_MAX)
		return err_set(e, ELOOP, "trust '%s': too many symbolic links", w->path);
	target[n] = '\0';
	if (str_format(rest, sizeof(rest), "%s/%s", target, w->rest) < 0)
		return err_set(e, ENAMETOOLONG, "trust '%s': path too long", w->path);
	memcpy(w->rest, rest, strlen(rest) + 1);
	if (target[0] != '/')
		return 0;
	fd_close(&w->dir);
	w->dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->dir < 0 ? err_sys(e, "open '/'") : 0;
}

/* The component at hand. 1: it is the file, *file is open. 0: go on. -ENOENT: it is not there. */
static int step(struct walk *w, int *file, struct err *e)
{
	auto_fd int fd = openat(w->dir, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char again[32];
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_sys(e, "open '%s'", w->path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "open '%s'", w->path);
	if (check_owner(w->path, &st, e) < 0)
		return err_wrap(e, "component '%s'", w->name);
	if (S_ISLNK(st.st_mode))
		return follow(w, fd, e);
	if (S_ISDIR(st.st_mode)) {
		fd_close(&w->dir);
		w->dir = fd_take(&fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode) || w->rest[strspn(w->rest, "/")])
		return err_set(e, EINVAL, "read '%s': not a regular file", w->path);
	/* The very file that was looked at, not what its name means now. */
	(void)str_format(again, sizeof(again), "/proc/self/fd/%d", fd);
	*file = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return *file < 0 ? err_sys(e, "read '%s'", w->path) : 1;
}

/* Open a file that only root can have written. fd, -ENOENT (nothing in `e`), or another -errno. */
static int open_trusted(const char *path, struct err *e)
{
	struct walk w = { .path = path, .dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	int file = -1, ret = 0;
	struct stat st;

	if (w.dir < 0 || fstat(w.dir, &st) < 0)
		ret = err_sys(e, "open '/'");
	else if (str_copy(w.rest, sizeof(w.rest), path) < 0 || *path != '/')
		ret = err_set(e, EINVAL, "read '%s': not an absolute path", path);
	else
		ret = check_owner("/", &st, e);
	while (ret == 0 && next_name(&w))
		ret = step(&w, &file, e);
	fd_close(&w.dir);
	if (ret == 0)
		ret = err_set(e, EINVAL, "read '%s': not a regular file", path);
	return ret < 0 ? ret : file;
}

static int read_text(int fd, const char *path, char **text, size_t *len, struct err *e)
{
	struct stat st;
	size_t got = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "read '%s'", path);
	if (st.st_size > FILE_MAX_BYTES)
		return err_set(e, EFBIG, "read '%s': larger than 1 MiB", path);
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return err_set(e, ENOMEM, "read '%s': out of memory", path);
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, *text + got, (size_t)st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read '%s'", path);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*len = got;
	return 0;
}

/* --- what it says --------------------------------------------------------------------------------------------------- */

static const char *const key_types[] = {
	"ssh-ed25519",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"ssh-rsa",
	"sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com",
};

/* Known, so that a later version may enforce them; until then they refuse the key like unknown ones do. */
static const char *const known_options[] = {
	"restrict",
	"pty",
	"no-pty",
	"agent-forwarding",
	"no-agent-forwarding",
	"port-forwarding",
	"no-port-forwarding",
	"x11-forwarding",
	"no-x11-forwarding",
	"user-rc",
	"no-user-rc",
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static const char *word_end(const char *p, const char *end)
{
	while (p < end && !is_blank(*p))
		p++;
	return p;
}

static bool word_is(const char *p, const char *end, const char *word)
{
	return (size_t)(end - p) == strlen(word) && memcmp(p, word, strlen(word)) == 0;
}

/* The key type that the word is, or NULL. */
static const char *key_type(const char *p, const char *end)
{
	size_t i;

	for (i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++) {
		if (word_is(p, end, key_types[i]))
			return key_types[i];
	}
	return NULL;
}

/* Options end at a blank outside of double quotes; \" inside of them is no quote. */
static const char *options_end(const char *p, const char *end)
{
	bool quoted = false;

	for (; p < end && (quoted || !is_blank(*p)); p++) {
		if (*p == '\\' && p + 1 < end && p[1] == '"')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	return quoted ? NULL : p;
}

static bool is_known_option(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(known_options) / sizeof(known_options[0]); i++) {
		if (strlen(known_options[i]) == n && strncasecmp(known_options[i], p, n) == 0)
			return true;
	}
	return false;
}

/* Length of the option's name at p. */
static size_t option_name(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && p[n] != ',' && p[n] != '=')
		n++;
	return n;
}

/* Name in `buf` the option to blame: the first that is not known (none before it has a value), or else the first. */
static void blame(const char *p, const char *end, char *buf, size_t size)
{
	const char *option = p;
	size_t n = option_name(p, end);

	while (p < end && is_known_option(p, option_name(p, end)) && p[option_name(p, end)] != '=')
		p += option_name(p, end) + 1;
	if (p < end) {
		option = p;
		n = option_name(p, end);
	}
	if (n == 0)
		n = (size_t)(end - option);
	str_vis(option, n < 32 ? n : 32, buf, size);
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, padded, no bits left over. Number of bytes, or -1. */
static ssize_t base64_decode(const char *p, const char *end, uint8_t *out, size_t cap)
{
	size_t n = 0, len = (size_t)(end - p), pad = 0, i;
	uint32_t bits = 0;

	if (len == 0 || len % 4 || len / 4 * 3 > cap)
		return -1;
	while (pad < 2 && end[-1 - (ssize_t)pad] == '=')
		pad++;
	for (i = 0; i < len; i++) {
		int v = i >= len - pad ? 0 : base64_value(p[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 3)
			continue;
		out[n++] = (uint8_t)(bits >> 16);
		out[n++] = (uint8_t)(bits >> 8);
		out[n++] = (uint8_t)bits;
	}
	return (ssize_t)(n - pad);
}

/* Does a signature by `alg` belong to a key of `type`? */
static bool alg_fits(const char *alg, const char *type)
{
	if (strcmp(type, "ssh-rsa") == 0)
		return strcmp(alg, "rsa-sha2-256") == 0 || strcmp(alg, "rsa-sha2-512") == 0;
	return strcmp(alg, type) == 0;
}

/* "TYPE BASE64 [comment]". 1: the wanted key, 0: another one, -1: no key. */
static int match_key(const char *p, const char *end, const struct keys_wanted *wanted)
{
	const char *stop = word_end(p, end), *type = key_type(p, stop);
	uint8_t blob[LINE_MAX_BYTES];
	struct wire w = { blob, 0 };
	ssize_t n;

	if (!type)
		return -1;
	p = skip_blanks(stop, end);
	n = base64_decode(p, word_end(p, end), blob, sizeof(blob));
	if (n < 0)
		return -1;
	w.n = (size_t)n;
	if (!wire_expect(&w, type))
		return -1;
	return (size_t)n == wanted->len && memcmp(blob, wanted->blob, wanted->len) == 0 &&
	       alg_fits(wanted->alg, type);
}

static bool clean_line(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	}
	return true;
}

/* One line, its number in out->line while it is looked at. True when it lists the wanted key. */
static bool scan_line(const char *p, const char *end, const struct keys_wanted *wanted,
		      struct keys_found *out)
{
	const char *options = NULL, *stop = NULL;
	int ret = -1;

	if (end > p && end[-1] == '\r')
		end--;
	p = skip_blanks(p, end);
	if (p == end || *p == '#')
		return false;
	if (end - p <= LINE_MAX_BYTES && clean_line(p, end)) {
		if (!key_type(p, word_end(p, end))) {
			options = p;
			stop = options_end(p, end);
			p = stop ? skip_blanks(stop, end) : end;
		}
		ret = match_key(p, end, wanted);
	}
	if (ret < 0 && out->bad++ == 0)
		out->first_bad = out->line;
	if (ret == 1 && options && out->refused == 0) {
		out->refused = out->line;
		blame(options, stop, out->option, sizeof(out->option));
	}
	return ret == 1 && !options;
}

void keys_find(const char *text, size_t len, const struct keys_wanted *wanted,
	       struct keys_found *out)
{
	const char *end = text + len, *line = text;
	unsigned int number = 0;

	memset(out, 0, sizeof(*out));
	while (line < end) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		const char *stop = nl ? nl : end;

		out->line = ++number;
		if (scan_line(line, stop, wanted, out))
			return;
		line = stop + 1;
	}
	out->line = 0;
}

/* --- the question --------------------------------------------------------------------------------------------------- */

/* pattern with %u replaced. */
static int expand(const char *pattern, const char *user, char *buf, size_t size)
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

int keys_listed(const char *pattern, const char *user, const char *alg, const uint8_t *key,
		size_t len, struct err *e)
{
	const struct keys_wanted wanted = { alg, key, len };
	struct keys_found found = { 0 };
	auto_fd int fd = -1;
	char *text = NULL;
	char path[PATH_MAX];
	size_t size = 0;
	int ret;

	if (e)
		*e = (struct err){ 0 };
	if (!str_is_name(user, strnlen(user, STR_NAME_MAX + 1)))
		return err_set(e, EINVAL, "look up keys: not a user name");
	if (expand(pattern, user, path, sizeof(path)) < 0)
		return err_set(e, ENAMETOOLONG, "look up keys of '%s': path too long", user);
	fd = open_trusted(path, e);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ret = read_text(fd, path, &text, &size, e);
	if (ret == 0)
		keys_find(text, size, &wanted, &found);
	free(text);
	if (ret < 0)
		return ret;
	if (found.line)
		return 1;
	if (found.refused)
		(void)err_set(e, EOPNOTSUPP,
			      "accept key in '%s' line %u: option '%s' is not enforced (remove it)",
			      path, found.refused, found.option);
	else if (found.bad)
		(void)err_set(e, EBADMSG, "read '%s': line %u is not a key (%u such lines)", path,
			      found.first_bad, found.bad);
	return 0;
}
