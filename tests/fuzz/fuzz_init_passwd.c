/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The account files of a workspace are its tenant's: any bytes, in any order.  Whatever is composed from them has to
 * parse again and say what was meant.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/env.h"
#include "init/modes.h"
#include "init/passwd.h"
#include "init/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char passwd[] =
		"root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000:,,,:/home/alice:\n",
			  group[] = "root:x:0:\nsudo:x:27:bob,alice\nalice:x:1000:\n",
			  shadow[] = "root:*:19000:0:99999:7:::\nalice:!:1::::::\n",
			  bad[] = "alice:x:4294967296:1:::\nalice:x:-1:1::/:/\n:::\nsudo:x:27",
			  env[] = "A=b\nexport LANG=\"x y\" # c\nLD_PRELOAD=z\n",
			  addrs[] = "::1 STREAM x\n10.0.0.1 DGRAM\n";

	emit("passwd", passwd, sizeof(passwd) - 1);
	emit("group", group, sizeof(group) - 1);
	emit("shadow", shadow, sizeof(shadow) - 1);
	emit("bad", bad, sizeof(bad) - 1);
	emit("env", env, sizeof(env) - 1);
	emit("addresses", addrs, sizeof(addrs) - 1);
}

static void check_members(struct passwd_text t, struct passwd_out *out)
{
	bool was = passwd_is_member(t, "sudo", "alice");

	if (passwd_edit_member(t, "sudo", "alice", !was, out) == 0) {
		struct passwd_text now = { out->data, out->len };

		/* Taken out of the first line only: a second one of that name may still list it. */
		assert(was || passwd_is_member(now, "sudo", "alice"));
		assert(passwd_has_line(now, "sudo"));
	}
}

static void check_append(struct passwd_text t, struct passwd_out *out)
{
	struct account a;
	bool had = passwd_has_line(t, "fuzz");

	if (passwd_append(t, "fuzz:x:1234:1234::/home/fuzz:/bin/sh", out) < 0)
		return;
	t = (struct passwd_text){ out->data, out->len };
	assert(passwd_find(t, "fuzz", &a) || had);
	assert(had || (a.uid == 1234 && strcmp(a.home, "/home/fuzz") == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char space[PASSWD_FILE_MAX];
	static struct env env;
	struct passwd_out out = { .data = space, .cap = sizeof(space) };
	/* A copy of exactly this size, so that a sanitizer sees a read past it. */
	char *copy = malloc(size ? size : 1);
	struct passwd_text t = { copy, size };
	struct ip ips[RESOLVE_MAX];
	struct termios modes = { 0 };
	struct account a = { .name = "alice" };
	uint32_t id;

	assert(copy);
	memcpy(copy, data, size);
	if (passwd_find(t, "alice", &a))
		assert(a.home[0] == '/' && a.shell[0] == '/' && a.uid != UINT32_MAX);
	passwd_groups(t, &a);
	assert(a.ngroups >= 1 && a.ngroups <= PASSWD_GROUPS_MAX);
	passwd_find_group(t, "sudo", &id);
	id = passwd_free_id(t, t);
	assert(id == 0 || (id >= PASSWD_ID_FIRST && id <= PASSWD_ID_LAST));
	check_append(t, &out);
	check_members(t, &out);
	memset(&env, 0, offsetof(struct env, bytes));
	env.nbytes = 0;
	env_add_lines(&env, copy, size);
	env_add_block(&env, (const uint8_t *)copy, size);
	for (size_t i = 0; i < env.nvars; i++)
		assert(strchr(env.vars[i], '=') && strncmp(env.vars[i], "LD_", 3) != 0);
	assert(resolve_parse(copy, size, ips) <= RESOLVE_MAX);
	modes_apply((const uint8_t *)copy, size, &modes);
	free(copy);
	return 0;
}
