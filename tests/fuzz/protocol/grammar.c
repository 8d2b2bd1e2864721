/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See grammar.h. */
#include "grammar.h"

#include <string.h>

#define ROOM 200000

static const char *const odd_words[] = {
	"",        "none", "session", "exec",        "shell", "localhost", "127.0.0.1",
	"::1",     "*",    "/",       "/run/x.sock", "a\nb",  "%s%n",      "\033[2J",
	"ssh-rsa", "sftp", "../",     "-oX",         "xterm", "LC_X",      "255.255.255.255"
};

static void u8(struct grammar *g, uint8_t v)
{
	if (g->n < sizeof(g->p))
		g->p[g->n++] = v;
}

static void u32(struct grammar *g, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		u8(g, (uint8_t)(v >> i));
}

static void bytes(struct grammar *g, const void *s, size_t len)
{
	u32(g, (uint32_t)len);
	for (size_t i = 0; i < len; i++)
		u8(g, ((const uint8_t *)s)[i]);
}

static void text(struct grammar *g, const char *s)
{
	bytes(g, s, strlen(s));
}

static void noise(struct grammar *g, size_t max)
{
	size_t len = rng_below(&g->rng, max);

	u32(g, (uint32_t)len);
	for (size_t i = 0; i < len; i++)
		u8(g, (uint8_t)rng_next(&g->rng));
}

/* `usual`, or now and then something else: a word of note, noise, a very long one. */
static void word(struct grammar *g, const char *usual)
{
	size_t long_one = 1000 + rng_below(&g->rng, 140000);

	switch (rng_below(&g->rng, g->calm ? 240 : 24)) {
	case 0:
		text(g, odd_words[rng_below(&g->rng, sizeof(odd_words) / sizeof(*odd_words))]);
		break;
	case 1:
		noise(g, 300);
		break;
	case 2:
		if (g->n + long_one > ROOM)
			long_one = 0;
		u32(g, (uint32_t)long_one);
		for (size_t i = 0; i < long_one; i++)
			u8(g, 'a');
		break;
	default:
		text(g, usual);
	}
}

static uint32_t number(struct grammar *g, uint32_t usual)
{
	return rng_once(&g->rng, g->calm ? 60 : 6) ? rng_odd(&g->rng) : usual;
}

static bool flip(struct grammar *g)
{
	return rng_next(&g->rng) & 1;
}

static void start(struct grammar *g, uint8_t type)
{
	g->n = 0;
	u8(g, type);
}

static uint32_t some_chan(struct grammar *g)
{
	if (!g->nchans || rng_once(&g->rng, g->calm ? 200 : 8))
		return rng_odd(&g->rng);
	return g->chans[rng_below(&g->rng, g->nchans)].id;
}

/* --- before the login --- */
void grammar_service(struct grammar *g)
{
	start(g, 5);
	text(g, "ssh-userauth");
}

static void key_blob(struct grammar *g, const char *alg)
{
	uint8_t blob[128];
	size_t n = 0, len = strlen(alg);

	blob[n + 3] = (uint8_t)len;
	blob[n] = blob[n + 1] = blob[n + 2] = 0;
	memcpy(blob + 4, alg, len);
	n = 4 + len;
	memcpy(blob + n, "\0\0\0\40", 4);
	memset(blob + n + 4, 7, 32);
	bytes(g, blob, n + 36);
}

static void signature_blob(struct grammar *g, const char *alg)
{
	u32(g, (uint32_t)(8 + strlen(alg) + 64));
	text(g, alg);
	u32(g, 64);
	for (int i = 0; i < 64; i++)
		u8(g, (uint8_t)rng_next(&g->rng));
}

void grammar_login(struct grammar *g)
{
	start(g, 50);
	text(g, "alice");
	text(g, "ssh-connection");
	text(g, "publickey");
	u8(g, 1);
	text(g, "ssh-ed25519");
	key_blob(g, "ssh-ed25519");
	signature_blob(g, "ssh-ed25519");
}

static void auth_publickey(struct grammar *g)
{
	static const char *const algs[] = {
		"ssh-ed25519",
		"ssh-rsa",
		"rsa-sha2-256",
		"rsa-sha2-512",
		"ecdsa-sha2-nistp256",
		"sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com",
		"ssh-ed25519-cert-v01@openssh.com",
		"ssh-rsa-cert-v01@openssh.com",
		"ecdsa-sha2-nistp521-cert-v01@openssh.com",
	};
	const char *alg = rng_once(&g->rng, 2)
				  ? algs[0]
				  : algs[rng_below(&g->rng, sizeof(algs) / sizeof(*algs))];
	bool sign = flip(g);

	u8(g, sign);
	word(g, alg);
	if (rng_once(&g->rng, 4))
		noise(g, 2000);
	else
		key_blob(g, alg);
	if (sign && rng_once(&g->rng, 4))
		noise(g, 600);
	else if (sign)
		signature_blob(g, alg);
}

static void auth(struct grammar *g)
{
	static const char *const methods[] = {
		"none",      "password",  "keyboard-interactive", "hostbased", "publickey",
		"publickey", "publickey", "gssapi-with-mic"
	};
	uint32_t m = rng_below(&g->rng, sizeof(methods) / sizeof(*methods));

	start(g, 50);
	word(g, "alice");
	word(g, "ssh-connection");
	word(g, methods[m]);
	if (m >= 4 && m <= 6) {
		auth_publickey(g);
	} else if (m == 1) {
		u8(g, rng_once(&g->rng, 4));
		word(g, "secret");
	} else if (m == 7) {
		u32(g, number(g, 1));
		noise(g, 40);
	} else if (m) {
		word(g, "");
		word(g, "");
	}
}

static void answers(struct grammar *g)
{
	uint32_t n = number(g, 1);

	start(g, 61);
	u32(g, n);
	for (uint32_t i = 0; i < n && i < 40; i++)
		word(g, "123456");
}

/* --- channels --- */
void grammar_open(struct grammar *g, const char *kind)
{
	start(g, 90);
	word(g, kind);
	u32(g, number(g, g->opened++));
	u32(g, number(g, 1 << 20));
	u32(g, number(g, 32768));
	if (strcmp(kind, "direct-tcpip") == 0 || strcmp(kind, "forwarded-tcpip") == 0) {
		word(g, "127.0.0.1");
		u32(g, number(g, 80));
		word(g, "::1");
		u32(g, number(g, 4000));
	} else if (strncmp(kind, "direct-st", 9) == 0) {
		word(g, "/run/x.sock");
		word(g, "");
		u32(g, 0);
	} else if (strcmp(kind, "x11") == 0) {
		word(g, "127.0.0.1");
		u32(g, number(g, 6000));
	}
}

static void pty(struct grammar *g)
{
	static const uint8_t modes[] = { 3, 0, 0, 0, 127, 53, 0, 0, 0, 1, 128, 0, 0, 0x96, 0, 0 };

	word(g, "xterm");
	for (uint32_t i = 0; i < 4; i++)
		u32(g, number(g, 80));
	if (flip(g))
		bytes(g, modes, sizeof(modes));
	else
		noise(g, rng_once(&g->rng, 8) ? 5000 : 40);
}

void grammar_request(struct grammar *g, uint32_t chan, const char *kind)
{
	start(g, 98);
	u32(g, chan);
	word(g, kind);
	u8(g, flip(g));
	if (strcmp(kind, "pty-req") == 0) {
		pty(g);
	} else if (strcmp(kind, "exec") == 0) {
		word(g, "id");
	} else if (strcmp(kind, "subsystem") == 0) {
		word(g, "sftp");
	} else if (strcmp(kind, "env") == 0) {
		word(g, flip(g) ? "LC_ALL" : "LANG");
		word(g, "C.UTF-8");
	} else if (strcmp(kind, "signal") == 0) {
		word(g, "TERM");
	} else if (strcmp(kind, "window-change") == 0) {
		for (uint32_t i = 0; i < 4; i++)
			u32(g, number(g, 120));
	} else if (strcmp(kind, "x11-req") == 0) {
		u8(g, flip(g));
		word(g, "MIT-MAGIC-COOKIE-1");
		word(g, "0123456789abcdef0123456789abcdef");
		u32(g, number(g, 0));
	} else if (strcmp(kind, "exit-status") == 0 || strcmp(kind, "break") == 0) {
		u32(g, number(g, 0));
	}
}

static void request(struct grammar *g)
{
	static const char *const kinds[] = { "exec",    "exec",
					     "shell",   "subsystem",
					     "pty-req", "env",
					     "signal",  "window-change",
					     "x11-req", "auth-agent-req@openssh.com",
					     "break",   "exit-status",
					     "env",     "eow@openssh.com" };

	grammar_request(g, some_chan(g), kinds[rng_below(&g->rng, sizeof(kinds) / sizeof(*kinds))]);
}

static void data(struct grammar *g)
{
	bool extended = rng_once(&g->rng, 8);

	start(g, extended ? 95 : 94);
	u32(g, some_chan(g));
	if (extended)
		u32(g, number(g, 1));
	noise(g, rng_once(&g->rng, 6) ? 60000 : 200);
}

void grammar_close(struct grammar *g, uint32_t chan)
{
	start(g, 97);
	u32(g, chan);
}

void grammar_refuse(struct grammar *g, uint32_t id)
{
	start(g, 92);
	u32(g, id);
	u32(g, 1);
	text(g, "no");
	text(g, "");
}

static void confirm(struct grammar *g)
{
	start(g, 91);
	u32(g, some_chan(g));
	u32(g, number(g, 3));
	u32(g, number(g, 1 << 20));
	u32(g, number(g, 32768));
}

static void on_channel(struct grammar *g, uint8_t type)
{
	start(g, type);
	u32(g, some_chan(g));
	if (type == 93)
		u32(g, number(g, 65536));
}

/* --- global requests --- */
void grammar_forward(struct grammar *g, const char *kind)
{
	start(g, 80);
	word(g, kind);
	g->wants_reply = !rng_once(&g->rng, 4);
	u8(g, g->wants_reply);
	if (strstr(kind, "streamlocal")) {
		word(g, "/tmp/s.sock");
	} else if (strstr(kind, "tcpip")) {
		word(g, "localhost");
		u32(g, number(g, 0));
	}
}

static void global(struct grammar *g)
{
	static const char *const kinds[] = {
		"tcpip-forward",
		"tcpip-forward",
		"cancel-tcpip-forward",
		"streamlocal-forward@openssh.com",
		"cancel-streamlocal-forward@openssh.com",
		"keepalive@openssh.com",
		"no-more-sessions@openssh.com",
		"hostkeys-prove-00@openssh.com",
	};

	grammar_forward(g, kinds[rng_below(&g->rng, sizeof(kinds) / sizeof(*kinds))]);
}

static void transport(struct grammar *g)
{
	static const uint8_t types[] = { 1, 2, 3, 4, 6, 7, 20, 21, 30, 31, 32, 33, 34 };

	start(g, types[rng_below(&g->rng, sizeof(types))]);
	if (g->p[0] == 1 || g->p[0] == 3)
		u32(g, rng_odd(&g->rng));
	if (g->p[0] == 4)
		u8(g, 1);
	for (uint32_t k = rng_below(&g->rng, 4); k; k--)
		word(g, "text");
	if (g->p[0] == 1 && !rng_once(&g->rng, 8))
		g->p[0] = 2; /* a good end is not interesting often */
}

static void unknown(struct grammar *g)
{
	start(g, (uint8_t)rng_next(&g->rng));
	for (uint32_t k = rng_below(&g->rng, rng_once(&g->rng, 8) ? 30000 : 80); k; k--)
		u8(g, (uint8_t)rng_next(&g->rng));
}

void grammar_any(struct grammar *g)
{
	static const char *const kinds[] = { "session",
					     "session",
					     "session",
					     "direct-tcpip",
					     "direct-tcpip",
					     "x11",
					     "auth-agent@openssh.com",
					     "forwarded-tcpip",
					     "direct-streamlocal@openssh.com" };
	uint32_t what = rng_below(&g->rng, 100);

	g->wants_reply = false;
	if (!g->authenticated && what < 97) {
		if (what < 75)
			auth(g);
		else if (what < 90)
			answers(g);
		else
			grammar_service(g);
		return;
	}
	/* Answers that nobody asked for end a connection at once: seldom. */
	what = rng_below(&g->rng, 100);
	if ((what >= 76 && what < 85) || what >= 92)
		what = rng_once(&g->rng, g->calm ? 100 : 6) ? what : rng_below(&g->rng, 76);
	if (what < 16)
		grammar_open(g, kinds[rng_below(&g->rng, sizeof(kinds) / sizeof(*kinds))]);
	else if (what < 42)
		request(g);
	else if (what < 58)
		data(g);
	else if (what < 66)
		on_channel(g, 93);
	else if (what < 71)
		on_channel(g, 96);
	else if (what < 76)
		on_channel(g, 97);
	else if (what < 79)
		on_channel(g, flip(g) ? 99 : 100);
	else if (what < 83)
		confirm(g);
	else if (what < 85)
		grammar_refuse(g, some_chan(g));
	else if (what < 92)
		global(g);
	else if (what < 94)
		start(g, flip(g) ? 81 : 82);
	else if (what < 97)
		transport(g);
	else
		unknown(g);
}

void grammar_break(struct grammar *g)
{
	uint32_t at = rng_below(&g->rng, g->n), v = rng_odd(&g->rng);

	switch (rng_below(&g->rng, 5)) {
	case 0: /* cut */
		g->n = at;
		break;
	case 1: /* too long */
		for (uint32_t k = rng_below(&g->rng, 40); k; k--)
			u8(g, (uint8_t)rng_next(&g->rng));
		break;
	case 2: /* a length that lies */
		if (g->n > 5) {
			at = 1 + rng_below(&g->rng, g->n - 4 < 60 ? g->n - 4 : 60);
			for (int i = 0; i < 4; i++)
				g->p[at + (uint32_t)i] = (uint8_t)(v >> (24 - 8 * i));
		}
		break;
	case 3: /* a bit */
		if (g->n)
			g->p[at] ^= (uint8_t)(1U << rng_below(&g->rng, 8));
		break;
	default: /* another type */
		if (g->n)
			g->p[0] = (uint8_t)rng_next(&g->rng);
	}
}
