/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client side of an SSH transport (RFC 4253), just enough to put any packet, good or broken, in front of a session:
 * curve25519-sha256, ssh-ed25519 (believed unseen), aes128-gcm@openssh.com.  Never blocks.
 */
#pragma once
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"

#define WIRE_PAYLOAD_MAX (256 * 1024)
#define WIRE_OUT_MAX     (4 * 1024 * 1024)

struct wire_key {
	bool on;
	uint8_t key[16], iv[12];
};

/* How a packet is broken on its way out. */
enum wire_fault { WIRE_GOOD, WIRE_BAD_TAG, WIRE_BAD_LENGTH, WIRE_BAD_PADDING, WIRE_FAULTS };

struct wire {
	int fd;      /* non-blocking, owned; -1 after wire_close */
	bool closed; /* by the other side, or of no use any more */
	struct rng rng;
	uint8_t *out, *in;
	size_t out_len, in_len;
	char version[256];                /* theirs; empty until it came */
	uint8_t mine[1024], theirs[4096]; /* KEXINIT payloads */
	size_t mine_len, theirs_len;
	EVP_PKEY *ephemeral;
	uint8_t pub[32], session_id[32], hash[32];
	unsigned int kexes; /* finished */
	bool kexing;        /* our KEXINIT is out, NEWKEYS has not come */
	struct wire_key tx, rx, next_rx;
	/* Every packet above the transport. The payload is valid during the call. */
	void (*packet)(void *ctx, const uint8_t *payload, size_t len);
	void *ctx;
};

/* Takes `fd`. Nothing is sent. 0 or -1. */
int wire_open(struct wire *w, int fd, uint64_t seed);
void wire_close(struct wire *w);
/* Queue bytes as they are. */
void wire_raw(struct wire *w, const void *bytes, size_t len);
/* Queue one packet, encrypted as the connection stands. */
void wire_send(struct wire *w, const uint8_t *payload, size_t len, enum wire_fault fault);
/* Queue a KEXINIT, unless one is out already; the rest of the key exchange goes by itself. */
void wire_kexinit(struct wire *w);
/* Write what is queued, read and hand out what is there. */
void wire_flush(struct wire *w);
void wire_read(struct wire *w);
