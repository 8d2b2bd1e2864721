/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: what ws-init reads for a login besides the account: the asker's environment, /etc/environment, terminal
 * modes.  Input: a selector byte, then the block, the file or the modes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#include "../../provision/init/env.h"
#include "../../provision/init/modes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static void check_env(const struct env *v)
{
	if (v->nvars > ENV_VARS_MAX || v->nbytes > ENV_BYTES_MAX || v->vars[v->nvars])
		abort();
	for (size_t i = 0; i < v->nvars; i++) {
		const char *one = v->vars[i], *eq = strchr(one, '=');

		if (!eq || eq == one || strncmp(one, "LD_", 3) == 0)
			abort();
		for (const char *p = one; p < eq; p++)
			if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
				    "0123456789",
				    *p))
				abort();
		for (size_t k = 0; k < i; k++) /* each name once */
			if (strncmp(v->vars[k], one, (size_t)(eq - one) + 1) == 0)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct env v;
	struct termios t = { .c_cc = { 3, 28, 127 } };

	if (!size)
		return 0;
	memset(&v, 0, sizeof(v));
	if (data[0] == 'm') {
		modes_apply(data + 1, size - 1, &t);
		return 0;
	}
	if (data[0] == 'b')
		env_add_block(&v, data + 1, size - 1);
	else
		env_add_lines(&v, (const char *)data + 1, size - 1);
	check_env(&v);
	env_set(&v, "PATH", "/bin");
	check_env(&v);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char block[] = "bLANG=C.UTF-8\0LC_ALL=de\0LD_PRELOAD=/x\0PATH=/y\0LANG=x";
	static const char file[] = "f# comment\nexport A=\"b c\"\nPATH='/bin'\nLD_X=1\n=\nB";
	static const uint8_t modes[] = {
		'm', 3, 0, 0, 0, 127, 42, 0, 0, 0, 0, 128, 0, 0, 0x96, 0, 0
	};

	emit("block", block, sizeof(block));
	emit("file", file, sizeof(file) - 1);
	emit("modes", modes, sizeof(modes));
}
