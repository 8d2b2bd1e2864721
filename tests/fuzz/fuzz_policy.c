/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: what decides about a login besides its key: the login's name, lists of addresses and patterns, chains of
 * methods.  Input: two texts separated by NUL.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../provision/login_name.h"
#include "../../provision/match.h"
#include "../../provision/methods.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static void names(const char *text)
{
	char user[STR_NAME_MAX], workspace[STR_NAME_MAX];

	if (!login_name_parse(text, user, workspace)) {
		if (user[0] || workspace[0])
			abort();
		return;
	}
	if (!str_is_name(user, strlen(user)) ||
	    (workspace[0] && !str_is_name(workspace, strlen(workspace))))
		abort();
	/* Nothing of what was sent is lost. */
	if (strlen(text) != strlen(user) + (workspace[0] ? 1 + strlen(workspace) : 0) ||
	    strncmp(text, user, strlen(user)) != 0)
		abort();
}

static void lists(const char *text, const char *list)
{
	static const struct ip v4 = { AF_INET, { 127, 0, 0, 1 } };
	struct err e = { 0 };
	int valid = match_address(NULL, list, &e), got = match_address(&v4, list, &e);

	if ((valid < 0) != (got < 0))
		abort();
	valid = match_source(NULL, list, &e);
	got = match_source(&v4, list, &e);
	if ((valid < 0) != (got < 0))
		abort();
	(void)match_pattern(text, list);
	(void)match_word(text, list);
	if (!match_pattern(text, "*"))
		abort();
}

/* Every chain can be walked to its end, and not past it. */
static void chains(const char *text)
{
	struct methods m;
	struct err e = { 0 };
	char next[128];
	unsigned int done = 0;
	bool complete = false;

	if (methods_parse(text, &m, &e) < 0)
		return;
	while (!complete) {
		int i = 0;

		if (!methods_next(&m, next, sizeof(next))[0] || ++done > 64)
			abort();
		while (i < METHOD_COUNT && !methods_allow(&m, (enum method)i))
			i++;
		if (i == METHOD_COUNT)
			abort();
		complete = methods_complete(&m, (enum method)i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	const char *second;

	if (size > 2048) /* patterns cost length times length */
		return 0;
	text = calloc(1, size + 2);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	second = text + strlen(text) + 1;
	names(text);
	lists(text, second);
	chains(text);
	free(text);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char name[] = "alice+client\0127.0.0.0/8,!10.1.*,fd00::/8";
	static const char chain[] = "publickey,password keyboard-interactive\0*.?,[::1]";
	static const char odd[] = "alice+\0 127.0.0.1/33,!,*";

	emit("name", name, sizeof(name));
	emit("chain", chain, sizeof(chain));
	emit("odd", odd, sizeof(odd));
}
