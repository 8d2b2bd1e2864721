/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See lens.h.  The order of libssh's calls for one packet (M: MAC, D: decrypt, E: encrypt, F: final):
 *   AES-GCM             in: D(length) D(rest) F             out: E(length) E(rest)
 *   chacha20-poly1305   in: D(length) D(64 zeros) D(rest)   out: E(64 zeros) E(length) E(rest)
 *   encrypt-then-MAC    in: M(all) D(rest)                  out: E(rest) M(all)
 *   encrypt-and-MAC     in: D(block) D(rest) M(all)         out: M(all) E(all)
 * "rest" begins with the padding length, "all" with the packet length.  A MAC's sequence number is 4 bytes by itself.
 * Only the first two parts of an incoming packet can lie apart in time, with outgoing ones between them.
 */
#include "lens.h"

#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "lens_rewrite.h"
#include "rekey.h"

#define CHACHA_KEY 64 /* bytes that chacha20-poly1305 encrypts for the key of its MAC */
#define BLOCK_MAX  16
#define FORGET_MAX 32768 /* libssh's buffer never becomes smaller than twice this */

enum family { OTHER, GCM, CHACHA, BLOCKS };

struct span {
	const uint8_t *p; /* NULL = nothing */
	size_t len;
};

/* The process' own context of this file: what interposes libcrypto gets no argument of ours. */
static struct {
	bool on;
	const EVP_CIPHER_CTX *keyed; /* chacha20: the MAC's key was made, the packet is next */
	const EVP_CIPHER_CTX *gcm;   /* its packet lies in `open` and waits for the tag */
	struct span open;            /* decrypted, not authentic yet */
	size_t whole;        /* encrypt-and-MAC: length of `open` when it is complete; 0 = none */
	struct span checked; /* what the last MAC went over */
	struct span longest; /* packet at the same place, since the last that was overwritten */
	bool secret;         /* there was one in it */
	bool hush;           /* the next refusal of an open, */
	bool hushed;         /* and that it was one, */
	uint32_t channel;    /* of this channel */
	struct lens_rewrite_modes modes;
} self;

void lens_switch(bool on)
{
	self.on = on;
}

void lens_reset(bool on)
{
	memset(&self, 0, sizeof(self));
	self.on = on;
}

bool lens_is_on(void)
{
	return self.on;
}

uint32_t lens_modes(uint32_t *width, uint8_t *out)
{
	if (!self.on)
		return 0;
	return lens_rewrite_modes_of(&self.modes, width, out);
}

static enum family family_of(const EVP_CIPHER_CTX *ctx)
{
	const EVP_CIPHER *cipher = EVP_CIPHER_CTX_get0_cipher(ctx);

	if (!cipher)
		return OTHER;
	switch (EVP_CIPHER_get_mode(cipher)) {
	case EVP_CIPH_GCM_MODE:
		return GCM;
	case EVP_CIPH_CTR_MODE:
	case EVP_CIPH_CBC_MODE:
		return BLOCKS;
	default:
		return EVP_CIPHER_get_nid(cipher) == NID_chacha20 ? CHACHA : OTHER;
	}
}

/*
 * The packet at `p` has come where others were. Only now is it certain that the buffer, which libssh may have grown and
 * moved, is still the same: it is at the same place.
 */
static void overwrite(uint8_t *p, size_t len)
{
	bool same = self.longest.p == p;

	if (same && self.secret && self.longest.len > len)
		explicit_bzero(p + len, self.longest.len - len);
	if (!same || self.secret || self.longest.len < len)
		self.longest = (struct span){ p, len < FORGET_MAX ? len : FORGET_MAX };
	self.secret = false;
}

/* `p`: padding length, payload, padding. A payload may grow into its padding: libssh asks for no least size. */
static void see_in(uint8_t *p, size_t len)
{
	overwrite(p, len);
	if (len <= 1 || p[0] >= len - 1)
		return;
	rekey_packet_in(p[1]);
	p[0] = (uint8_t)(len - 1 - lens_rewrite_in(p + 1, len - 1 - p[0], p[0], &self.modes));
}

/* libssh's buffer, which it passes on as const and sends from. */
static void see_out(const uint8_t *p, size_t len)
{
	uint8_t *payload = (uint8_t *)(uintptr_t)p + 1;

	if (len <= 1 || p[0] >= len - 1)
		return;
	if (self.hush && lens_rewrite_hush(payload, len - 1 - p[0], &self.channel)) {
		self.hush = false;
		self.hushed = true;
		return;
	}
	lens_rewrite_out(payload, len - 1 - p[0]);
}

void lens_hush(void)
{
	self.hush = self.on;
	self.hushed = false;
}

bool lens_hushed(uint32_t *channel)
{
	*channel = self.channel;
	self.hush = false;
	return self.hushed;
}

void lens_forget(void)
{
	self.secret = true;
}

static size_t whole_of(const uint8_t *p)
{
	return 4 +
	       (size_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

/* Is this the packet itself, and not the length or the key of the MAC before it? */
static bool is_chacha_packet(const EVP_CIPHER_CTX *ctx, size_t len)
{
	if (len <= 4)
		return false;
	if (self.keyed != ctx && len == CHACHA_KEY) {
		self.keyed = ctx;
		return false;
	}
	self.keyed = NULL;
	return true;
}

void lens_encrypting(const EVP_CIPHER_CTX *ctx, const uint8_t *in, size_t len)
{
	struct span checked = self.checked;

	if (!self.on)
		return;
	self.checked.p = NULL;
	switch (family_of(ctx)) {
	case GCM:
		if (len <= 4)
			return;
		break;
	case CHACHA:
		if (!is_chacha_packet(ctx, len))
			return;
		break;
	case BLOCKS:
		/* Encrypt-and-MAC: seen before its MAC was made. */
		if (checked.p != in || checked.len != len)
			break;
		rekey_packet_out(len > 5 ? in[5] : 0);
		return;
	default:
		return;
	}
	rekey_packet_out(len > 1 ? in[1] : 0);
	see_out(in, len);
}

/* Encrypt-and-MAC: collect the packet's first block and its rest. */
static void collect(uint8_t *out, size_t len)
{
	if (self.whole && self.open.len < self.whole && self.open.len + len == self.whole) {
		/* libssh's buffer may have moved when it grew. */
		self.open.p = out - self.open.len;
		self.open.len = self.whole;
		return;
	}
	self.whole = len >= 4 && len <= BLOCK_MAX ? whole_of(out) : 0;
	self.open = (struct span){ out, len };
}

void lens_decrypted(const EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t len)
{
	struct span checked = self.checked;

	if (!self.on)
		return;
	self.checked.p = NULL;
	switch (family_of(ctx)) {
	case GCM:
		self.gcm = len > 4 && out ? ctx : NULL;
		self.open = (struct span){ out, len };
		break;
	case CHACHA:
		if (is_chacha_packet(ctx, len))
			see_in(out, len);
		break;
	case BLOCKS:
		if (checked.p && in == checked.p + 4 && len + 4 == checked.len)
			see_in(out, len);
		else
			collect(out, len);
		break;
	default:
		break;
	}
}

void lens_authentic(const EVP_CIPHER_CTX *ctx)
{
	if (self.on && self.gcm == ctx && self.open.p)
		see_in((uint8_t *)(uintptr_t)self.open.p, self.open.len);
	self.gcm = NULL;
}

/* An incoming packet that is complete but for its MAC. */
static bool is_incoming(const uint8_t *data, size_t len)
{
	return self.whole && self.open.p == data && self.open.len == len && self.whole == len;
}

void lens_digesting(const uint8_t *data, size_t len)
{
	if (!self.on || len <= 4 || is_incoming(data, len))
		return;
	self.checked = (struct span){ data, len };
	/*
	 * Encrypt-and-MAC, outgoing. Ciphertext (encrypt-then-MAC) is not told apart here: that a client's own looks like
	 * one of our marks by accident has no chance, and by intent costs that client its connection.
	 */
	if (whole_of(data) == len)
		see_out(data + 4, len - 4);
}

void lens_digested(uint8_t *data, size_t len)
{
	if (!self.on || len <= 4 || !is_incoming(data, len))
		return;
	self.whole = 0;
	self.checked.p = NULL;
	/* A wrong MAC ends the connection before anything comes of it. */
	see_in(data + 4, len - 4);
}
