/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See wire.h. */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX (512 * 1024)

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

int wire_open(struct wire *w, int fd, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->fd = fd;
	w->rng.s = seed;
	w->out = malloc(WIRE_OUT_MAX);
	w->in = malloc(IN_MAX);
	return w->out && w->in ? 0 : -1;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->closed = true;
	EVP_PKEY_free(w->ephemeral);
	free(w->out);
	free(w->in);
	w->ephemeral = NULL;
	w->out = w->in = NULL;
}

void wire_raw(struct wire *w, const void *bytes, size_t len)
{
	/* A peer that does not read for so long gets a connection that ends. */
	if (w->closed || w->out_len + len > WIRE_OUT_MAX) {
		w->closed = true;
		return;
	}
	memcpy(w->out + w->out_len, bytes, len);
	w->out_len += len;
}

/* One packet of AES-128-GCM: 4 bytes of length in clear, text, tag. The counter moves on. */
static bool gcm(struct wire_key *k, int encrypt, uint8_t *packet, size_t len, uint8_t tag[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n, ok;

	ok = EVP_CipherInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, k->iv, encrypt) &&
	     EVP_CipherUpdate(c, NULL, &n, packet, 4) &&
	     (encrypt || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, tag)) &&
	     EVP_CipherUpdate(c, packet + 4, &n, packet + 4, (int)len) &&
	     EVP_CipherFinal_ex(c, packet + 4 + n, &n) &&
	     (!encrypt || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag));
	EVP_CIPHER_CTX_free(c);
	for (int i = 11; i >= 4 && ++k->iv[i] == 0; i--)
		;
	return ok;
}

void wire_send(struct wire *w, const uint8_t *payload, size_t len, enum wire_fault fault)
{
	static uint8_t p[WIRE_PAYLOAD_MAX + 512];
	size_t block = w->tx.on ? 16 : 8, skip = w->tx.on ? 4 : 0;
	size_t pad = block - (5 - skip + len) % block, body;
	uint8_t tag[16] = { 0 };

	if (len > WIRE_PAYLOAD_MAX)
		return;
	if (pad < 4)
		pad += block;
	body = 1 + len + pad;
	put32(p, (uint32_t)body);
	p[4] = (uint8_t)pad;
	memcpy(p + 5, payload, len);
	rng_fill(&w->rng, p + 5 + len, pad);
	if (fault == WIRE_BAD_PADDING)
		p[4] = (uint8_t)rng_next(&w->rng);
	if (fault == WIRE_BAD_LENGTH)
		put32(p, rng_odd(&w->rng));
	if (w->tx.on)
		gcm(&w->tx, 1, p, body, tag);
	if (fault == WIRE_BAD_TAG)
		tag[rng_below(&w->rng, 16)] ^= 1;
	wire_raw(w, p, 4 + body);
	if (w->tx.on)
		wire_raw(w, tag, 16);
}

/* --- key exchange --- */
static size_t add_string(uint8_t *p, const void *s, size_t len)
{
	put32(p, (uint32_t)len);
	memcpy(p + 4, s, len);
	return 4 + len;
}

void wire_kexinit(struct wire *w)
{
	static const char *const lists[10] = { "curve25519-sha256",
					       "ssh-ed25519",
					       "aes128-gcm@openssh.com",
					       "aes128-gcm@openssh.com",
					       "hmac-sha2-256",
					       "hmac-sha2-256",
					       "none",
					       "none",
					       "",
					       "" };
	size_t n = 17;

	if (w->kexing)
		return;
	w->kexing = true;
	w->mine[0] = 20;
	rng_fill(&w->rng, w->mine + 1, 16);
	for (size_t i = 0; i < 10; i++)
		n += add_string(w->mine + n, lists[i], strlen(lists[i]));
	memset(w->mine + n, 0, 5);
	w->mine_len = n + 5;
	wire_send(w, w->mine, w->mine_len, WIRE_GOOD);
}

static void ecdh_init(struct wire *w)
{
	uint8_t p[64] = { 30 }, seed[32];
	size_t n = 32;

	rng_fill(&w->rng, seed, sizeof(seed));
	EVP_PKEY_free(w->ephemeral);
	w->ephemeral = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, seed, 32);
	EVP_PKEY_get_raw_public_key(w->ephemeral, w->pub, &n);
	wire_send(w, p, 1 + add_string(p + 1, w->pub, 32), WIRE_GOOD);
}

static bool shared_secret(struct wire *w, const uint8_t theirs[32], uint8_t secret[32])
{
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, theirs, 32);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(w->ephemeral, NULL);
	size_t n = 32;
	bool ok = peer && c && EVP_PKEY_derive_init(c) == 1 &&
		  EVP_PKEY_derive_set_peer(c, peer) == 1 && EVP_PKEY_derive(c, secret, &n) == 1;

	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(peer);
	return ok;
}

/* RFC 4251: a positive number, without leading zeros. */
static size_t add_mpint(uint8_t *p, const uint8_t *n, size_t len)
{
	size_t extra;

	for (; len && !*n; n++)
		len--;
	extra = len && *n & 0x80;
	put32(p, (uint32_t)(len + extra));
	p[4] = 0;
	memcpy(p + 4 + extra, n, len);
	return 4 + extra + len;
}

static void derive(const struct wire *w, const uint8_t *k, size_t klen, struct wire_key out[2])
{
	uint8_t room[128], h[32];
	size_t n = klen;

	memcpy(room, k, klen);
	memcpy(room + n, w->hash, 32);
	n += 32;
	memcpy(room + n + 1, w->session_id, 32);
	for (int i = 0; i < 4; i++) { /* A, B: initial vectors; C, D: keys; client's first */
		room[n] = (uint8_t)('A' + i);
		EVP_Digest(room, n + 33, h, NULL, EVP_sha256(), NULL);
		if (i < 2)
			memcpy(out[i].iv, h, 12);
		else
			memcpy(out[i - 2].key, h, 16);
	}
	out[0].on = out[1].on = true;
}

static void ecdh_reply(struct wire *w, const uint8_t *p, size_t len)
{
	static const char version[] = "SSH-2.0-fuzz";
	static const uint8_t newkeys = 21;
	static uint8_t room[16384];
	uint8_t secret[32], k[40];
	struct wire_key keys[2];
	uint32_t key_len = len > 5 ? get32(p + 1) : 0;
	const uint8_t *q = p + 5 + key_len + 4;
	size_t n = 0, klen;

	if (!w->ephemeral || key_len > 1024 || len < 5 + key_len + 36 ||
	    !shared_secret(w, q, secret)) {
		w->closed = true;
		return;
	}
	n += add_string(room + n, version, strlen(version));
	n += add_string(room + n, w->version, strlen(w->version));
	n += add_string(room + n, w->mine, w->mine_len);
	n += add_string(room + n, w->theirs, w->theirs_len);
	n += add_string(room + n, p + 5, key_len);
	n += add_string(room + n, w->pub, 32);
	n += add_string(room + n, q, 32);
	klen = add_mpint(k, secret, 32);
	memcpy(room + n, k, klen);
	EVP_Digest(room, n + klen, w->hash, NULL, EVP_sha256(), NULL);
	if (!w->kexes)
		memcpy(w->session_id, w->hash, 32);
	derive(w, k, klen, keys);
	wire_send(w, &newkeys, 1, WIRE_GOOD);
	w->tx = keys[0];
	w->next_rx = keys[1];
}

static void transport_packet(struct wire *w, const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case 20:
		w->theirs_len = len < sizeof(w->theirs) ? len : 0;
		memcpy(w->theirs, p, w->theirs_len);
		wire_kexinit(w);
		ecdh_init(w);
		return;
	case 31:
		ecdh_reply(w, p, len);
		return;
	case 21:
		w->rx = w->next_rx;
		w->kexing = false;
		w->kexes++;
		return;
	default:
		if (w->packet)
			w->packet(w->ctx, p, len);
	}
}

/* --- reading and writing --- */
void wire_flush(struct wire *w)
{
	ssize_t n;

	if (w->fd < 0 || !w->out_len)
		return;
	n = send(w->fd, w->out, w->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		w->closed = true;
	if (n <= 0)
		return;
	w->out_len -= (size_t)n;
	memmove(w->out, w->out + n, w->out_len);
}

static size_t take_version(struct wire *w)
{
	uint8_t *end = memchr(w->in, '\n', w->in_len);
	size_t n;

	if (!end)
		return 0;
	n = (size_t)(end - w->in);
	if (n > 8 && n < sizeof(w->version) && memcmp(w->in, "SSH-", 4) == 0) {
		memcpy(w->version, w->in, n);
		w->version[strcspn(w->version, "\r\n")] = 0;
	}
	return n + 1;
}

/* Bytes used, 0 = more are needed. */
static size_t take_packet(struct wire *w)
{
	size_t tail = w->rx.on ? 16 : 0;
	uint32_t len;

	if (w->in_len < 4)
		return 0;
	len = get32(w->in);
	if (len < 6 || len > IN_MAX - 64) {
		w->closed = true;
		return 0;
	}
	if (w->in_len < 4 + len + tail)
		return 0;
	if (tail && !gcm(&w->rx, 0, w->in, len, w->in + 4 + len)) {
		w->closed = true;
		return 0;
	}
	if (w->in[4] + 2U <= len)
		transport_packet(w, w->in + 5, len - w->in[4] - 1);
	return 4 + len + tail;
}

void wire_read(struct wire *w)
{
	size_t used;
	ssize_t n;

	if (w->fd < 0)
		return;
	n = recv(w->fd, w->in + w->in_len, IN_MAX - w->in_len, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		w->closed = true;
	if (n <= 0)
		return;
	w->in_len += (size_t)n;
	do {
		used = w->version[0] ? take_packet(w) : take_version(w);
		w->in_len -= used;
		memmove(w->in, w->in + used, w->in_len);
	} while (used && !w->closed);
}
