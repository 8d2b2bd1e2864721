/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See key_options.h.  provisiond, on text that the administrator wrote; the order and repetition rules are those of sshd.
 * Where sshd would look something up (names of services) or let a date overflow, this refuses.
 */
#include "key_options.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/num.h"
#include "base/str.h"
#include "match.h"

#define VALUE_MAX 16385
#define HOST_MAX  256

struct scan {
	const char *p, *end;
	char name[48];         /* of the option at hand, escaped */
	char value[VALUE_MAX]; /* its value without quotes */
};

static int bad(const struct scan *s, const char *why, struct err *e)
{
	return err_set(e, EINVAL, "option '%s': %s", s->name, why);
}

/* --- values --------------------------------------------------------------------------------------------------------- */

static bool all_digits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	return true;
}

static int two(const char *s)
{
	return (s[0] - '0') * 10 + (s[1] - '0');
}

/* YYYYMMDD[HHMM[SS]][Z|UTC]; without the suffix in the local time zone. False: no such time. */
static bool parse_time(const char *s, uint64_t *out)
{
	size_t n = strlen(s), z = 0;
	struct tm tm = { .tm_isdst = -1 }, back;
	time_t t;

	if (n > 1 && strcasecmp(s + n - 1, "Z") == 0)
		z = 1;
	else if (n > 3 && strcasecmp(s + n - 3, "UTC") == 0)
		z = 3;
	n -= z;
	if ((n != 8 && n != 12 && n != 14) || !all_digits(s, n))
		return false;
	tm.tm_year = two(s) * 100 + two(s + 2) - 1900;
	tm.tm_mon = two(s + 4) - 1;
	tm.tm_mday = two(s + 6);
	tm.tm_hour = n > 8 ? two(s + 8) : 0;
	tm.tm_min = n > 8 ? two(s + 10) : 0;
	tm.tm_sec = n > 12 ? two(s + 12) : 0;
	if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	back = tm;
	t = z ? timegm(&tm) : mktime(&tm);
	/* The calendar has turned a day that there is not into another one. */
	if (t <= 0 || tm.tm_mon != back.tm_mon || tm.tm_mday != back.tm_mday)
		return false;
	*out = (uint64_t)t;
	return true;
}

static int set_expiry(struct scan *s, struct key_options *o, struct err *e)
{
	uint64_t t;

	if (!parse_time(s->value, &t))
		return bad(s, "not a time (YYYYMMDD[HHMM[SS]][Z])", e);
	if (o->expiry == 0 || t < o->expiry)
		o->expiry = t;
	return 0;
}

int key_options_check_command(const char *command)
{
	static const char name[] = "internal-sftp";
	size_t n = strlen(name);

	return strncmp(command, name, n) == 0 && (command[n] == ' ' || command[n] == '\t') ? -EINVAL
											   : 0;
}

static int set_once(struct scan *s, char *to, size_t size, struct err *e)
{
	if (*to)
		return bad(s, "given more than once", e);
	if (s->value[0] == '\0')
		return bad(s, "empty", e);
	return str_copy(to, size, s->value) < 0 ? bad(s, "too long", e) : 0;
}

static int set_command(struct scan *s, struct key_options *o, struct err *e)
{
	if (key_options_check_command(s->value) < 0)
		return bad(s, KEY_OPTIONS_NO_FLAGS, e);
	return set_once(s, o->permit.command, sizeof(o->permit.command), e);
}

static int set_from(struct scan *s, struct key_options *o, struct err *e)
{
	struct err why = { 0 };

	if (set_once(s, o->from, sizeof(o->from), e) < 0)
		return -EINVAL;
	return match_address(NULL, o->from, &why) < 0 ? bad(s, why.text, e) : 0;
}

static int set_principals(struct scan *s, struct key_options *o, struct err *e)
{
	return set_once(s, o->principals, sizeof(o->principals), e);
}

/* The strings of a list one after another. */
static bool list_add(uint8_t *data, size_t cap, uint32_t *len, const char *text)
{
	size_t n = strlen(text) + 1;

	if (n > cap - *len)
		return false;
	memcpy(data + *len, text, n);
	*len += (uint32_t)n;
	return true;
}

static bool env_has(const struct gate_permit *p, const char *name, size_t n)
{
	const char *at = (const char *)p->environment.data, *end = at + p->environment.len;

	for (; at < end; at += strlen(at) + 1)
		if (strncmp(at, name, n) == 0 && at[n] == '=')
			return true;
	return false;
}

static int add_environment(struct scan *s, struct key_options *o, struct err *e)
{
	struct gate_permit *p = &o->permit;
	const char *is = strchr(s->value, '=');
	size_t n = is ? (size_t)(is - s->value) : 0;

	if (!is)
		return bad(s, "not NAME=value", e);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s->value[i]) && s->value[i] != '_')
			return bad(s, "not a name of letters, digits and underscores", e);
	if (n == 0)
		return bad(s, "a variable needs a name", e);
	/* The first one wins. */
	if (env_has(p, s->value, n))
		return 0;
	return list_add(p->environment.data, sizeof(p->environment.data), &p->environment.len,
			s->value)
		       ? 0
		       : bad(s, "too many", e);
}

/* "host:port" or "[v6]:port", port a number or "*". */
static bool host_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;
	struct ip ip;
	char v6[64];
	size_t n;

	if (!colon ||
	    (strcmp(colon + 1, "*") != 0 && num_u64(colon + 1, 1, 65535, &port, NULL) < 0))
		return false;
	n = (size_t)(colon - text);
	if (n == 0 || n >= HOST_MAX)
		return false;
	if (text[0] != '[')
		return strcspn(text, ":[]/ ,\t") == n;
	if (n < 3 || n - 2 >= sizeof(v6) || text[n - 1] != ']')
		return false;
	memcpy(v6, text + 1, n - 2);
	v6[n - 2] = '\0';
	return ip_parse(v6, &ip, NULL) == 0;
}

static int add_open(struct scan *s, struct key_options *o, struct err *e)
{
	if (!host_port(s->value))
		return bad(s, "not host:port (a number or *; IPv6 in brackets)", e);
	return list_add(o->permit.open.data, sizeof(o->permit.open.data), &o->permit.open.len,
			s->value)
		       ? 0
		       : bad(s, "too many", e);
}

static int add_listen(struct scan *s, struct key_options *o, struct err *e)
{
	char any[HOST_MAX];
	const char *text = s->value;

	if (!strchr(text, ':')) {
		if (str_format(any, sizeof(any), "*:%s", text) < 0)
			return bad(s, "too long", e);
		text = any;
	}
	if (!host_port(text))
		return bad(s, "not [host:]port (a number or *; IPv6 in brackets)", e);
	return list_add(o->permit.listen.data, sizeof(o->permit.listen.data), &o->permit.listen.len,
			text)
		       ? 0
		       : bad(s, "too many", e);
}

/* There are no tunnel devices: whichever one it would be, none can be asked for. */
static int check_tunnel(struct scan *s, struct key_options *o, struct err *e)
{
	uint64_t unit;

	if (strcasecmp(s->value, "any") == 0 ||
	    num_u64(s->value, 0, INT32_MAX - 2, &unit, NULL) == 0)
		return 0;
	return bad(s, "not a number, nor 'any'", e);
}

/* --- options -------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t bit;
} permits[] = {
	{ "pty", GATE_MAY_PTY },
	{ "port-forwarding", GATE_MAY_FORWARD },
	{ "agent-forwarding", GATE_MAY_AGENT },
	{ "X11-forwarding", GATE_MAY_X11 },
	{ "user-rc", GATE_MAY_RC },
};

static const struct {
	const char *name;
	int (*set)(struct scan *s, struct key_options *o, struct err *e);
} values[] = {
	{ "command", set_command },         { "from", set_from },
	{ "environment", add_environment }, { "expiry-time", set_expiry },
	{ "permitlisten", add_listen },     { "permitopen", add_open },
	{ "principals", set_principals },   { "tunnel", check_tunnel },
};

static bool is_word(const char *p, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(p, word, n) == 0;
}

/* A flag, with or without "no-". False: not a flag. */
static bool set_flag(const char *p, size_t n, struct key_options *o)
{
	bool no = n > 3 && strncasecmp(p, "no-", 3) == 0;
	const char *plain = no ? p + 3 : p;
	size_t len = no ? n - 3 : n;

	for (size_t i = 0; i < sizeof(permits) / sizeof(permits[0]); i++) {
		if (!is_word(plain, len, permits[i].name))
			continue;
		o->permit.flags &= ~permits[i].bit;
		o->permit.flags |= no ? 0 : permits[i].bit;
		return true;
	}
	if (is_word(plain, len, "touch-required"))
		o->no_touch = no;
	else if (is_word(plain, len, "verify-required"))
		o->verified = !no;
	else if (is_word(p, n, "restrict"))
		o->permit.flags = 0;
	else if (is_word(p, n, "cert-authority"))
		o->authority = true;
	else
		return false;
	return true;
}

/* "text" behind the equals sign, \" a quote within. */
static int take_value(struct scan *s, struct err *e)
{
	size_t n = 0;

	if (s->p == s->end || *s->p != '"')
		return bad(s, "its value must stand in double quotes", e);
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
		if (*s->p == '\\' && s->p + 1 < s->end && s->p[1] == '"')
			s->p++;
		if (n + 1 >= sizeof(s->value))
			return bad(s, "too long", e);
		/* It ends up in C strings, where the rest would be lost. */
		if (*s->p == '\0')
			return bad(s, "a NUL is in its value", e);
		s->value[n++] = *s->p;
	}
	if (s->p == s->end)
		return bad(s, "the closing quote is missing", e);
	s->p++;
	s->value[n] = '\0';
	return 0;
}

void key_options_init(struct key_options *o)
{
	memset(o, 0, sizeof(*o));
	o->permit.flags = GATE_MAY_ALL;
}

static int one_value(struct scan *s, size_t n, struct key_options *o, struct err *e)
{
	const char *name = s->p;
	size_t i, count = sizeof(values) / sizeof(values[0]);
	struct key_options unused;

	key_options_init(&unused);
	for (i = 0; i < count && !is_word(name, n, values[i].name); i++)
		;
	s->p += n;
	if (i < count && (s->p == s->end || *s->p != '='))
		return bad(s, "needs a value", e);
	if (i == count && s->p < s->end && *s->p == '=' && set_flag(name, n, &unused))
		return bad(s, "takes no value", e);
	if (i == count)
		return bad(s, "not known", e);
	s->p++;
	return take_value(s, e) < 0 ? -EINVAL : values[i].set(s, o, e);
}

static int one_option(struct scan *s, struct key_options *o, struct err *e)
{
	size_t n = 0, left = (size_t)(s->end - s->p);
	int ret = 0;

	while (n < left && s->p[n] != ',' && s->p[n] != '=' && s->p[n] != '"' && s->p[n] != ' ' &&
	       s->p[n] != '\t')
		n++;
	str_vis(s->p, n < 40 ? n : 40, s->name, sizeof(s->name));
	if (n == 0)
		return err_set(e, EINVAL, "an option has no name");
	if ((n == left || s->p[n] != '=') && set_flag(s->p, n, o))
		s->p += n;
	else
		ret = one_value(s, n, o, e);
	if (ret == 0 && s->p < s->end && *s->p != ',')
		return bad(s, "a comma must follow it", e);
	return ret;
}

int key_options_parse(const char *text, size_t len, struct key_options *o, struct err *e)
{
	struct scan s = { .p = text, .end = text + len };

	key_options_init(o);
	while (s.p < s.end) {
		int ret = one_option(&s, o, e);

		if (ret < 0)
			return ret;
		if (s.p == s.end)
			break;
		s.p++;
		if (s.p == s.end)
			return err_set(e, EINVAL, "option '': nothing follows the last comma");
	}
	return 0;
}

/* --- use ------------------------------------------------------------------------------------------------------------ */

int key_options_allow(const struct key_options *o, const struct ip *peer, uint64_t now,
		      struct err *e)
{
	char text[IP_TEXT_MAX];

	ip_text(peer, text, sizeof(text));
	if (o->expiry && now > o->expiry)
		return err_set(e, EKEYEXPIRED, "option 'expiry-time': over");
	if (o->from[0] && match_address(peer, o->from, NULL) != 1)
		return err_set(e, EACCES, "option 'from': does not list '%s'", text);
	if (o->source[0] && match_source(peer, o->source, NULL) != 1)
		return err_set(e, EACCES, "option 'source-address': does not list '%s'", text);
	return 0;
}

int key_options_narrow(struct key_options *o, const struct key_options *cert, struct err *e)
{
	const char *other = cert->permit.command;
	char *own = o->permit.command;

	if (*own && *other && strcmp(own, other) != 0)
		return err_set(e, EACCES,
			       "option 'command': differs from the certificate's force-command");
	if (*other)
		memcpy(own, other, sizeof(o->permit.command));
	o->permit.flags &= cert->permit.flags;
	o->no_touch = o->no_touch && cert->no_touch;
	o->verified = o->verified || cert->verified;
	return 0;
}
