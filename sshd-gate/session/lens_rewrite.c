/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See lens_rewrite.h.  Session process, on every packet that libssh decrypts or is about to encrypt, so the first thing
 * each function does is to look at the type.  The marks contain no NUL and begin with a byte that no host name, path of
 * a login or signal begins with.  Lengths of the names of both forms differ so that a mark fills the difference.
 */
#include "lens_rewrite.h"

#include <string.h>

#define MSG_IGNORE           2
#define MSG_DEBUG            4
#define MSG_USERAUTH_REQUEST 50
#define MSG_GLOBAL_REQUEST   80
#define MSG_CHANNEL_OPEN     90
#define MSG_CHANNEL_FAILURE  92 /* of an open */
#define MSG_CHANNEL_REQUEST  98

#define MARK      1  /* first byte of every mark */
#define OPEN_IDS  12 /* channel, window, packet size */
#define FAIL_LEN  17 /* an open that failed, without words */
#define FAIL_IDS  9  /* digits behind the mark of one that has them */
#define WIDTH_MAX 65535
#define PORT_MAX  65535

#define LEN(s) (sizeof(s) - 1)

struct text {
	uint8_t *p;
	uint32_t len;
};

/* What was not read yet. */
struct cut {
	uint8_t *p;
	size_t left;
};

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
	return p + 4;
}

static uint8_t *put_text(uint8_t *p, const char *s, size_t n)
{
	p = put_u32(p, (uint32_t)n);
	memcpy(p, s, n);
	return p + n;
}

static bool skip(struct cut *c, size_t n)
{
	if (c->left < n)
		return false;
	c->p += n;
	c->left -= n;
	return true;
}

static bool take(struct cut *c, struct text *t)
{
	if (c->left < 4 || u32(c->p) > c->left - 4)
		return false;
	t->len = u32(c->p);
	t->p = c->p + 4;
	return skip(c, 4 + (size_t)t->len);
}

static bool is(const struct text *t, const char *s)
{
	return t->len == strlen(s) && memcmp(t->p, s, t->len) == 0;
}

static bool has_nul(const struct text *t)
{
	return t->len && memchr(t->p, 0, t->len);
}

/* A host that libssh would cut, or a mark of ours out of a client's mouth. */
static bool is_foul(const struct text *t)
{
	return has_nul(t) || (t->len && t->p[0] == MARK);
}

/* Make a request unknown to libssh, which then refuses it. */
static void spoil(const struct text *name)
{
	if (name->len)
		name->p[0] = 0xff;
}

static void user_request(struct cut c)
{
	struct text user, service, method, password;
	bool change;

	if (!take(&c, &user))
		return;
	/* Not a name any more, and so refused, instead of the name before the NUL. */
	for (uint32_t i = 0; i < user.len; i++)
		if (!user.p[i])
			user.p[i] = MARK;
	if (!take(&c, &service) || !take(&c, &method) || !is(&method, "password") || !c.left)
		return;
	/* A wish to change it, which libssh overlooks; and one that it would cut. */
	change = *c.p != 0;
	(void)skip(&c, 1);
	if (change || (take(&c, &password) && has_nul(&password)))
		spoil(&method);
}

/*
 * A tcpip-forward of a host that only the lens may say. `c`: all behind the type. Returns how much that is then, 0: it
 * does not fit.
 */
static size_t forward_mark(struct cut c, size_t room, uint8_t want, const char *host)
{
	size_t len = 4 + LEN("tcpip-forward") + 1 + 4 + strlen(host) + 4;
	uint8_t *p = c.p;

	if (len > c.left + room)
		return 0;
	p = put_text(p, "tcpip-forward", LEN("tcpip-forward"));
	*p++ = want;
	p = put_text(p, host, strlen(host));
	(void)put_u32(p, 1);
	return len > c.left ? len : c.left;
}

/* `p` is the packet behind its type; `c` the path and what follows. False: malformed. */
static bool forward_unix(uint8_t *p, uint8_t want, struct cut c, const char *plain)
{
	struct text path;

	if (!take(&c, &path) || c.left || !path.len || has_nul(&path))
		return false;
	memmove(p + 4 + strlen(plain) + 1 + 4 + LEN(LENS_REWRITE_UNIX), path.p, path.len);
	p = put_text(p, plain, strlen(plain));
	*p++ = want;
	p = put_u32(p, (uint32_t)LEN(LENS_REWRITE_UNIX) + path.len);
	memcpy(p, LENS_REWRITE_UNIX, LEN(LENS_REWRITE_UNIX));
	(void)put_u32(p + LEN(LENS_REWRITE_UNIX) + path.len, 1);
	return true;
}

/* `c`: a host and a port, such as a client may say. */
static bool is_target(struct cut c)
{
	struct text host;

	return take(&c, &host) && !is_foul(&host) && c.left >= 4 && u32(c.p) <= PORT_MAX;
}

/* A request that says all libssh needs to queue it, or is made one. */
static bool is_forward(struct cut all, const struct text *name, struct cut c)
{
	uint8_t want = c.p[0];

	(void)skip(&c, 1);
	if (is(name, "streamlocal-forward@openssh.com"))
		return forward_unix(all.p, want, c, "tcpip-forward");
	if (is(name, "cancel-streamlocal-forward@openssh.com"))
		return forward_unix(all.p, want, c, "cancel-tcpip-forward");
	return (is(name, "tcpip-forward") || is(name, "cancel-tcpip-forward")) && is_target(c);
}

/* Returns the length of `all`, as it is then. */
static size_t global_request(struct cut all, size_t room)
{
	static const char refused[] = LENS_REWRITE_REFUSED;
	const char *mark = refused;
	struct cut c = all;
	struct text name;
	uint8_t want;
	size_t len;

	if (!take(&c, &name) || !c.left)
		return all.left;
	want = c.p[0];
	if (is_forward(all, &name, c))
		return all.left;
	if (is(&name, "keepalive@openssh.com"))
		mark = LENS_REWRITE_KEEPALIVE;
	else if (is(&name, "no-more-sessions@openssh.com") && c.left == 1)
		mark = LENS_REWRITE_NO_MORE;
	/* Nobody waits for an answer to anything else: unknown to libssh, it has none. */
	len = want || mark != refused ? forward_mark(all, room, want, mark) : 0;
	if (!len)
		spoil(&name);
	return len ? len : all.left;
}

/* The originator and its port stay where they are. */
static void open_unix(uint8_t *p, const struct text *name, struct cut c)
{
	uint8_t ids[OPEN_IDS];
	struct text path, from;

	if (!skip(&c, OPEN_IDS) || !take(&c, &path) || !take(&c, &from) || c.left != 4 ||
	    !path.len || has_nul(&path)) {
		spoil(name);
		return;
	}
	memcpy(ids, name->p + name->len, OPEN_IDS);
	p = put_text(p, "direct-tcpip", LEN("direct-tcpip"));
	memmove(p + OPEN_IDS + 4 + LEN(LENS_REWRITE_UNIX), path.p, path.len);
	memcpy(p, ids, OPEN_IDS);
	p = put_u32(p + OPEN_IDS, (uint32_t)LEN(LENS_REWRITE_UNIX) + path.len);
	memcpy(p, LENS_REWRITE_UNIX, LEN(LENS_REWRITE_UNIX));
	(void)put_u32(p + LEN(LENS_REWRITE_UNIX) + path.len, 1);
}

static void channel_open(struct cut c)
{
	uint8_t *p = c.p;
	struct text name;

	if (!take(&c, &name))
		return;
	if (has_nul(&name))
		spoil(&name);
	else if (is(&name, "direct-streamlocal@openssh.com"))
		open_unix(p, &name, c);
	else if (is(&name, "direct-tcpip"))
		if (skip(&c, OPEN_IDS) && !is_target(c))
			spoil(&name);
}

static void keep_modes(uint8_t *width, const struct text *t, struct lens_rewrite_modes *m)
{
	uint32_t cols = u32(width), n = t->len;
	uint16_t ticket = m->last < 0x7fff ? (uint16_t)(m->last + 1) : 1;
	size_t i = ticket % LENS_REWRITE_TICKETS;

	if (n > sizeof(m->kept[i].data))
		n = sizeof(m->kept[i].data);
	if (n)
		memcpy(m->kept[i].data, t->p, n);
	m->kept[i].len = n;
	m->kept[i].ticket = m->last = ticket;
	if (cols > WIDTH_MAX)
		cols = WIDTH_MAX;
	(void)put_u32(width, (uint32_t)ticket << 16 | cols);
}

uint32_t lens_rewrite_modes_of(const struct lens_rewrite_modes *m, uint32_t *width, uint8_t *out)
{
	uint32_t ticket = *width >> 16;
	size_t i = ticket % LENS_REWRITE_TICKETS;

	*width &= WIDTH_MAX;
	if (!ticket || m->kept[i].ticket != ticket)
		return 0;
	memcpy(out, m->kept[i].data, m->kept[i].len);
	return m->kept[i].len;
}

static void pty_request(const struct text *name, struct cut c, struct lens_rewrite_modes *m)
{
	struct text term, modes;
	uint8_t *width;

	if (!take(&c, &term))
		return;
	width = c.p;
	if (has_nul(&term))
		spoil(name);
	else if (skip(&c, 16) && take(&c, &modes))
		keep_modes(width, &modes, m);
}

/* Requests whose strings must hold no NUL. */
static void check_strings(const struct text *name, struct cut c)
{
	static const struct {
		const char *name;
		unsigned int before, strings; /* bytes before the first */
	} rows[] = { { "exec", 0, 1 }, { "env", 0, 2 }, { "x11-req", 1, 2 } };
	struct text t;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!is(name, rows[i].name))
			continue;
		(void)skip(&c, rows[i].before);
		for (unsigned int k = 0; k < rows[i].strings && take(&c, &t); k++)
			if (has_nul(&t))
				spoil(name);
		return;
	}
}

static void channel_request(struct cut c, struct lens_rewrite_modes *m)
{
	struct text name, text;
	uint8_t *p = c.p + 4;

	if (!skip(&c, 4) || !take(&c, &name) || !skip(&c, 1))
		return;
	if (has_nul(&name)) {
		spoil(&name);
	} else if (is(&name, "eow@openssh.com") && !c.left) {
		p = put_text(p, "signal", LEN("signal"));
		*p++ = 0;
		(void)put_text(p, LENS_REWRITE_EOW, LEN(LENS_REWRITE_EOW));
	} else if (is(&name, "auth-agent-req@openssh.com") && !c.left) {
		uint8_t want = name.p[name.len];

		p = put_text(p, "subsystem", LEN("subsystem"));
		*p++ = want;
		(void)put_text(p, LENS_REWRITE_AGENT, LEN(LENS_REWRITE_AGENT));
	} else if (is(&name, "subsystem")) {
		if (take(&c, &text) && is_foul(&text))
			spoil(&name);
	} else if (is(&name, "signal")) {
		if (take(&c, &text) && is_foul(&text))
			spoil(&name);
	} else if (is(&name, "pty-req")) {
		pty_request(&name, c, m);
	} else {
		check_strings(&name, c);
	}
}

size_t lens_rewrite_in(uint8_t *p, size_t len, size_t room, struct lens_rewrite_modes *modes)
{
	struct cut c = { p + 1, len - 1 };

	if (!len)
		return 0;
	switch (p[0]) {
	case MSG_USERAUTH_REQUEST:
		user_request(c);
		break;
	case MSG_GLOBAL_REQUEST:
		return 1 + global_request(c, room);
	case MSG_CHANNEL_OPEN:
		channel_open(c);
		break;
	case MSG_CHANNEL_REQUEST:
		channel_request(c, modes);
		break;
	default:
		break;
	}
	return len;
}

static void open_out(struct cut c)
{
	static const char type[] = "forwarded-streamlocal@openssh.com";
	uint8_t ids[OPEN_IDS], *p = c.p;
	struct text name, host, from;
	uint32_t mark = LEN(LENS_REWRITE_UNIX_OUT), n;

	if (!take(&c, &name) || !is(&name, "forwarded-tcpip") || !skip(&c, OPEN_IDS) ||
	    !take(&c, &host) || !skip(&c, 4) || !take(&c, &from) || c.left != 4)
		return;
	if (host.len < mark || memcmp(host.p, LENS_REWRITE_UNIX_OUT, mark) || from.len)
		return;
	n = host.len - mark;
	memcpy(ids, name.p + name.len, OPEN_IDS);
	memmove(p + 4 + LEN(type) + OPEN_IDS + 4, host.p + mark, n);
	p = put_text(p, type, LEN(type));
	memcpy(p, ids, OPEN_IDS);
	p = put_u32(p + OPEN_IDS, n);
	(void)put_u32(p + n, 0);
}

static void request_out(struct cut c)
{
	uint8_t *p = c.p + 4;
	struct text name;

	if (!skip(&c, 4) || !take(&c, &name) || !is(&name, "exit-status") || c.left != 5 ||
	    u32(c.p + 1) != LENS_REWRITE_EOW_STATUS)
		return;
	p = put_text(p, "eow@openssh.com", LEN("eow@openssh.com"));
	*p = 0;
}

static uint32_t hex(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	for (; n--; p++)
		v = v << 4 | (uint32_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	return v;
}

/* RFC 4253, 11.3 and RFC 4254, 5.1. `p`: the packet from its type. The tag of the language fills what the mark has left over. */
static void failure_out(uint8_t *p, struct cut c)
{
	static const char tag[] = "i-default"; /* RFC 2277, 4.5 */
	struct text line, lang;
	uint32_t channel, code, n;

	_Static_assert(LEN(LENS_REWRITE_FAILURE) + FAIL_IDS - LEN(tag) == 7,
		       "both packets are as long");
	if (!skip(&c, 1) || !take(&c, &line) || !take(&c, &lang) || c.left || lang.len ||
	    line.len < LEN(LENS_REWRITE_FAILURE) + FAIL_IDS ||
	    memcmp(line.p, LENS_REWRITE_FAILURE, LEN(LENS_REWRITE_FAILURE)))
		return;
	line.p += LEN(LENS_REWRITE_FAILURE);
	channel = hex(line.p, FAIL_IDS - 1);
	code = hex(line.p + FAIL_IDS - 1, 1);
	n = line.len - (uint32_t)(LEN(LENS_REWRITE_FAILURE) + FAIL_IDS);
	*p++ = MSG_CHANNEL_FAILURE;
	p = put_u32(put_u32(p, channel), code);
	memmove(p + 4, line.p + FAIL_IDS, n);
	(void)put_text(put_u32(p, n) + n, tag, LEN(tag));
}

bool lens_rewrite_hush(uint8_t *p, size_t len, uint32_t *channel)
{
	if (len != FAIL_LEN || p[0] != MSG_CHANNEL_FAILURE)
		return false;
	*channel = u32(p + 1);
	p[0] = MSG_IGNORE;
	memset(put_u32(p + 1, FAIL_LEN - 5), 0, FAIL_LEN - 5);
	return true;
}

void lens_rewrite_out(uint8_t *p, size_t len)
{
	struct cut c = { p + 1, len - 1 };

	if (len && p[0] == MSG_DEBUG)
		failure_out(p, c);
	else if (len && p[0] == MSG_CHANNEL_OPEN)
		open_out(c);
	else if (len && p[0] == MSG_CHANNEL_REQUEST)
		request_out(c);
}
