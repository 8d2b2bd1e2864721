/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other two conversations of a session under test: a pretended provisiond and a pretended ws-init.  Honest, they
 * answer as the real ones would, with pipes and sockets that speak; hostile, with wrong ids, wrong descriptors, broken
 * lengths, answers late, twice, unasked or never.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "proto/gate.h"
#include "proto/init.h"
#include "rng.h"

#define PEERS_ENDS 512

struct peers_end {
	int fd;    /* -1 = free */
	bool pair; /* both directions */
};

struct peers {
	int prov, init; /* our ends, -1 = closed / not attached */
	bool hostile_prov, hostile_init;
	struct rng rng;
	struct peers_end ends[PEERS_ENDS]; /* the other ends of what a session was given */
	uint32_t ids[64], nids;            /* the last ids that were asked about */
	unsigned int attached;             /* sockets of ws-init that were handed out */
	unsigned int listens;              /* listening sockets that were handed out */
	unsigned int questions;
};

/* Takes `prov`, and sends the welcome on it. */
void peers_open(struct peers *p, int prov, uint64_t seed);
void peers_close(struct peers *p);
/* Answer what was asked. True when there was something. */
bool peers_answer(struct peers *p);
/* Something happens at the other ends: bytes come, are read, a program exits, a peer hangs up. */
void peers_stir(struct peers *p);
/* Every program exits and every other end closes. */
void peers_quiet(struct peers *p);
