/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a login needs, and how far it has come ([auth] methods): alternatives, each a chain of methods that are completed
 * in order; one complete chain is a login.  Pure functions.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METHODS_ALTERNATIVES_MAX 8
#define METHODS_CHAIN_MAX        8

enum method { METHOD_PUBLICKEY, METHOD_PASSWORD, METHOD_INTERACTIVE, METHOD_COUNT };

struct methods {
	uint32_t n;
	struct {
		uint8_t len, at; /* methods of the chain, how many are done */
		uint8_t chain[METHODS_CHAIN_MAX];
	} alternatives[METHODS_ALTERNATIVES_MAX];
	uint32_t done; /* methods completed in all */
};

/* "publickey,password keyboard-interactive". 0, or -EINVAL. */
int methods_parse(const char *text, struct methods *out, struct err *e);
const char *methods_name(enum method m);
/* May this method be tried now? */
bool methods_allow(const struct methods *m, enum method method);
/* Can it ever be? */
bool methods_mention(const struct methods *m, enum method method);
/* One method was completed. True: the login is. */
bool methods_complete(struct methods *m, enum method method);
/* What can be tried now, each once: "publickey,password". Returns buf. */
const char *methods_next(const struct methods *m, char *buf, size_t size);
