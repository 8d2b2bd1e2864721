/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets of SSH (RFC 4250 to 4254 and OpenSSH's PROTOCOL): well formed as a rule, with odd numbers and names in them, and
 * then, often, broken at some byte.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"

#define GRAMMAR_CHANS 128

struct grammar {
	struct rng rng;
	uint8_t p[256 * 1024]; /* the packet */
	size_t n;
	bool authenticated;
	bool calm; /* mostly well-formed, so that a connection lives long */
	struct {
		uint32_t id; /* the session's number */
		bool closed; /* we have said CLOSE */
	} chans[GRAMMAR_CHANS];
	uint32_t nchans, opened;
	bool wants_reply; /* the packet is a global request that will be answered */
};

/* A whole packet for where the connection stands, into g->p. */
void grammar_any(struct grammar *g);
/* Break the packet in g->p. */
void grammar_break(struct grammar *g);
/* Well-formed ones of the way to a login and a channel. */
void grammar_service(struct grammar *g);
void grammar_login(struct grammar *g);
void grammar_open(struct grammar *g, const char *kind);
void grammar_request(struct grammar *g, uint32_t chan, const char *kind);
void grammar_forward(struct grammar *g, const char *kind);
void grammar_close(struct grammar *g, uint32_t chan);
/* Refuse what the session has opened as channel `id`. */
void grammar_refuse(struct grammar *g, uint32_t id);
