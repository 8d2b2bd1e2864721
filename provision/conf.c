/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The strict INI layer; the only user of iniparser.  iniparser 4.1 drops duplicates, folds case, cuts values at ';' and
 * '#', joins lines at a backslash and reports on stderr, all of it silently wrong for a configuration.  So each line is
 * first judged here, and iniparser then has to read the very same bytes (through a memfd) to the very same values; only
 * a comment behind a section header, which it does not know, is blanked for it.
 * Runs in provisiond, in `sshbay check` and in tests; reads no file that a tenant can write.
 */
#include "conf.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iniparser/iniparser.h>

#include "base/fd.h"
#include "base/str.h"

struct scan {
	struct conf *conf;
	conf_problem fn;
	void *ctx;
	char *second;        /* the text as iniparser gets it */
	const char *section; /* where we are; NULL: before the first or below a bad header */
	bool below_bad;      /* the header above was refused: do not blame its keys */
	unsigned int line;
	bool full;
};

static void __attribute__((format(printf, 3, 4)))
problem(struct scan *s, const char *key, const char *fmt, ...)
{
	char reason[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	s->conf->problems++;
	s->fn(s->ctx, s->line, s->section ? s->section : "", key, reason);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_comment(char c)
{
	return c == ';' || c == '#';
}

/* Cut blanks at both ends, in place. */
static char *strip(char *s)
{
	size_t n;

	while (is_blank(*s))
		s++;
	n = strlen(s);
	while (n && is_blank(s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* Length of the leading name [a-z][a-z0-9_]*, 0 when there is none. */
static size_t name_length(const char *s)
{
	return *s >= 'a' && *s <= 'z' ? strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
}

/* A section is a name, or a name, one space and a workspace name. */
static bool section_ok(const char *s)
{
	size_t n = name_length(s);

	if (n == 0)
		return false;
	return s[n] == '\0' || (s[n] == ' ' && str_is_name(s + n + 1, strlen(s + n + 1)));
}

static bool room(struct scan *s)
{
	if (s->conf->nentries + s->conf->nsections < CONF_ENTRIES_MAX)
		return true;
	if (!s->full)
		problem(s, "", "more than %d keys and sections in one file", CONF_ENTRIES_MAX);
	s->full = true;
	return false;
}

static void complain_name(struct scan *s, const char *what, const char *name)
{
	char shown[128], lower[128];
	size_t i;

	str_vis(name, strlen(name), shown, sizeof(shown));
	for (i = 0; i < sizeof(lower) - 1 && name[i]; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	lower[i] = '\0';
	if (strcmp(name, lower) != 0 && section_ok(lower))
		problem(s, "", "%s '%s' has upper case letters (did you mean '%s'?)", what, shown,
			lower);
	else
		problem(s, "", "'%s' is not a %s name", shown, what);
}

/* What follows the ']' is nothing, or blanks and a comment. */
static bool header_ends(struct scan *s, const char *rest)
{
	const char *p = rest;

	while (is_blank(*p))
		p++;
	if (!*p)
		return true;
	if (p == rest || !is_comment(*p))
		return false;
	memset(s->second + (rest - s->conf->text), ' ', strlen(rest));
	return true;
}

static void scan_section(struct scan *s, char *line)
{
	char *end = strchr(line, ']');
	unsigned int i;

	s->section = NULL;
	s->below_bad = true;
	if (!end) {
		problem(s, "", "section header without ']'");
		return;
	}
	if (!header_ends(s, end + 1)) {
		problem(s, "", "text after the section header (a comment needs a blank before it)");
		return;
	}
	*end = '\0';
	if (!section_ok(line + 1)) {
		complain_name(s, "section", line + 1);
		return;
	}
	for (i = 0; i < s->conf->nsections; i++) {
		if (strcmp(s->conf->sections[i].name, line + 1) == 0) {
			problem(s, "", "section [%s] is there already in line %u", line + 1,
				s->conf->sections[i].line);
			/* Its keys are worth checking all the same. */
			s->section = s->conf->sections[i].name;
			s->below_bad = false;
			return;
		}
	}
	if (!room(s))
		return;
	s->conf->sections[s->conf->nsections++] = (struct conf_section){ line + 1, s->line };
	s->section = line + 1;
	s->below_bad = false;
}

/* Cut `v` after a quoted value. Returns the value, or NULL after a complaint. */
static char *scan_quoted(struct scan *s, const char *key, char *v)
{
	char *end = strchr(v + 1, *v), *rest;

	if (!end) {
		problem(s, key, "quote without an end");
		return NULL;
	}
	for (rest = end + 1; is_blank(*rest); rest++)
		;
	if (*rest && !is_comment(*rest)) {
		problem(s, key, "text after the closing quote");
		return NULL;
	}
	*end = '\0';
	return v + 1;
}

/* Cut a comment off an unquoted value: only one that a blank separates, since iniparser would cut at any. */
static char *scan_plain(struct scan *s, const char *key, char *v)
{
	size_t i;

	for (i = 0; v[i]; i++) {
		if (v[i] == '"' || v[i] == '\'') {
			problem(s, key, "quote inside the value (quote all of it)");
			return NULL;
		}
		if (!is_comment(v[i]))
			continue;
		if (i && !is_blank(v[i - 1])) {
			problem(s, key,
				"'%c' inside the value would begin a comment (quote the value)",
				v[i]);
			return NULL;
		}
		v[i] = '\0';
		break;
	}
	return strip(v);
}

static bool scan_value(struct scan *s, const char *key, char **value)
{
	char *v = strip(*value);
	const char *p;

	v = *v == '"' || *v == '\'' ? scan_quoted(s, key, v) : scan_plain(s, key, v);
	if (!v)
		return false;
	for (p = v; *p; p++) {
		if ((unsigned char)*p >= 0x7f) {
			problem(s, key, "byte \\x%02x in the value is not ASCII",
				(unsigned char)*p);
			return false;
		}
	}
	*value = v;
	return true;
}

static void scan_key(struct scan *s, char *line)
{
	char *value = strchr(line, '='), *key;
	const struct conf_entry *first;

	if (!value) {
		char shown[64];

		str_vis(line, strlen(line), shown, sizeof(shown));
		problem(s, "", "expected 'key = value' or '[section]', found '%s'", shown);
		return;
	}
	*value++ = '\0';
	key = strip(line);
	if (name_length(key) == 0 || key[name_length(key)] || strlen(key) > 64) {
		complain_name(s, "key", key);
		return;
	}
	if (!scan_value(s, key, &value) || s->below_bad)
		return;
	if (!s->section) {
		problem(s, key, "key before the first [section]");
		return;
	}
	first = conf_find(s->conf, s->section, key);
	if (first) {
		problem(s, key, "is there already in line %u", first->line);
		return;
	}
	if (room(s))
		s->conf->entries[s->conf->nentries++] =
			(struct conf_entry){ s->section, key, value, s->line };
}

/* `line` is NUL-terminated at `len`. */
static void scan_line(struct scan *s, char *line, size_t len)
{
	size_t i;

	if (len > CONF_LINE_MAX) {
		problem(s, "", "line of %zu bytes (at most %d)", len, CONF_LINE_MAX);
		return;
	}
	if (len && line[len - 1] == '\r') {
		problem(s, "", "line ends in CR LF (save the file with Unix line ends)");
		return;
	}
	for (i = 0; i < len; i++) {
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f) {
			problem(s, "", "control character \\x%02x in column %zu",
				(unsigned char)line[i], i + 1);
			return;
		}
	}
	line = strip(line);
	len = strlen(line);
	if (len == 0)
		return;
	if (line[len - 1] == '\\')
		problem(s, "", "backslash at the end of the line (lines cannot be continued)");
	else if (is_comment(*line))
		return;
	else if (*line == '[')
		scan_section(s, line);
	else
		scan_key(s, line);
}

static void scan_text(struct scan *s, char *text, size_t len)
{
	char *end = text + len, *line = text;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		s->line = 1;
		problem(s, "", "file begins with a byte order mark (save it as plain UTF-8)");
		line += 3;
	}
	for (s->line = 1; line < end; s->line++) {
		char *nl = memchr(line, '\n', (size_t)(end - line));
		char *stop = nl ? nl : end;

		*stop = '\0';
		scan_line(s, line, (size_t)(stop - line));
		line = stop + 1;
	}
}

/* --- iniparser's reading ---------------------------------------------------------------------------------------- */

/* iniparser's error callback has no context argument. */
static _Thread_local char complaint[160];

static int __attribute__((format(printf, 1, 2))) on_complaint(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(complaint, sizeof(complaint), fmt, ap);
	va_end(ap);
	return n;
}

/* The bytes are handed over in a memfd: what was judged is what is read. */
static int load_dictionary(struct scan *s, const void *text, size_t len)
{
	auto_fd int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[64], shown[160];

	s->line = 0;
	s->section = NULL;
	if (fd < 0 || fd_write_all(fd, text, len) < 0) {
		problem(s, "", "hand the text to iniparser: %s", strerror(errno));
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	complaint[0] = '\0';
	iniparser_set_error_callback(on_complaint);
	s->conf->reader = iniparser_load(path);
	if (s->conf->reader)
		return 0;
	str_vis(complaint, strcspn(complaint, "\n"), shown, sizeof(shown));
	problem(s, "", "iniparser cannot read it: %s", shown);
	return -EINVAL;
}

static void compare_entry(struct scan *s, struct conf_entry *entry)
{
	char path[CONF_LINE_MAX * 2];
	const char *value;

	snprintf(path, sizeof(path), "%s:%s", entry->section, entry->key);
	value = iniparser_getstring(s->conf->reader, path, NULL);
	if (value && strcmp(value, entry->value) == 0) {
		entry->value = value;
		return;
	}
	s->line = entry->line;
	s->section = entry->section;
	problem(s, entry->key, "this line can be read in two ways (quote the value)");
}

static void compare(struct scan *s)
{
	struct conf *c = s->conf;
	unsigned int i, keys = 0;

	for (i = 0; i < c->nentries; i++)
		compare_entry(s, &c->entries[i]);
	for (i = 0; i < c->nsections; i++) {
		int n = iniparser_getsecnkeys(c->reader, c->sections[i].name);

		keys += n > 0 ? (unsigned int)n : 0;
	}
	if (c->problems == 0 &&
	    (keys != c->nentries || iniparser_getnsec(c->reader) != (int)c->nsections)) {
		s->line = 0;
		s->section = NULL;
		problem(s, "", "iniparser sees %u keys where there are %u", keys, c->nentries);
	}
}

/* --- entry points ------------------------------------------------------------------------------------------------ */

int conf_parse(const void *text, size_t len, struct conf **out, conf_problem fn, void *ctx)
{
	struct conf *c = calloc(1, sizeof(*c));
	auto_free char *second = malloc(len + 1);
	struct scan s = { .conf = c, .fn = fn, .ctx = ctx, .second = second };

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->entries = calloc(CONF_ENTRIES_MAX, sizeof(*c->entries));
	c->sections = calloc(CONF_ENTRIES_MAX, sizeof(*c->sections));
	c->text = malloc(len + 1);
	if (!c->entries || !c->sections || !c->text || !second) {
		conf_free(c);
		return -ENOMEM;
	}
	if (len > CONF_BYTES_MAX) {
		problem(&s, "", "%zu bytes (at most %d)", len, CONF_BYTES_MAX);
	} else {
		memcpy(c->text, text, len);
		c->text[len] = '\0';
		memcpy(second, text, len);
		scan_text(&s, c->text, len);
		/* A file that is refused already is not worth a second reading, which would stop at its first error. */
		if (c->problems == 0 && load_dictionary(&s, second, len) == 0)
			compare(&s);
	}
	*out = c;
	return c->problems ? -EINVAL : 0;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	if (c->reader)
		iniparser_freedict(c->reader);
	free(c->entries);
	free(c->sections);
	free(c->text);
	free(c);
}

const struct conf_entry *conf_find(const struct conf *c, const char *section, const char *key)
{
	unsigned int i;

	for (i = 0; i < c->nentries; i++) {
		if (strcmp(c->entries[i].key, key) == 0 &&
		    strcmp(c->entries[i].section, section) == 0)
			return &c->entries[i];
	}
	return NULL;
}
