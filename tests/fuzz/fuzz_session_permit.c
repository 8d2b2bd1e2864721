/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: what a login may do, against what a client asks for.  Input: a byte of flags, a byte that says which list the
 * next text is, that list (entries end with a newline), a zero byte, the host that is asked for.
 */
#include "../../sshd-gate/session/permit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

static struct session s;
static struct gate_permit p;

static void ask(const char *host, uint32_t port)
{
	bool open = permit_open(&s, host, port), listens = permit_listen(&s, host, port),
	     forward = s.permitted && s.may & GATE_MAY_FORWARD;
	char exact[512];

	if ((open || listens || permit_unix(&s)) && !forward)
		abort();
	/* A list with exactly this in it allows it, and nothing else of that length. */
	if (!forward || !port || port > 65535 || strlen(host) > 400 || strchr(host, '*') ||
	    (host[0] == '[' && strchr(host, ']')))
		return;
	memset(&p, 0, sizeof(p));
	p.flags = GATE_MAY_FORWARD;
	p.open.len = (uint32_t)snprintf(exact, sizeof(exact), "%s:%u", host, port) + 1;
	memcpy(p.open.data, exact, p.open.len);
	if (permit_take(&s, &p) < 0 || !permit_open(&s, host, port) ||
	    permit_open(&s, host, port == 1 ? 2 : port - 1) || permit_unix(&s))
		abort();
	(void)snprintf(exact, sizeof(exact), "%sx", host);
	if (permit_open(&s, exact, port))
		abort();
}

static void environment(void)
{
	static uint8_t block[4096];
	uint32_t len = 0;

	if (permit_environment(&s, block, &len, sizeof(block)) == 0 && len && block[len - 1])
		abort();
	if (len > sizeof(block))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end;
	char host[512] = "";
	uint8_t *list;
	uint32_t n, cap;

	if (size < 4)
		return 0;
	memset(&p, 0, sizeof(p));
	p.flags = data[0];
	list = data[1] % 3 == 0   ? p.open.data
	       : data[1] % 3 == 1 ? p.listen.data
				  : p.environment.data;
	cap = data[1] % 3 == 0   ? sizeof(p.open.data)
	      : data[1] % 3 == 1 ? sizeof(p.listen.data)
				 : sizeof(p.environment.data);
	end = memchr(data + 2, 0, size - 2);
	n = (uint32_t)((end ? end : data + size) - (data + 2));
	if (n > cap)
		return 0;
	memcpy(list, data + 2, n);
	for (uint32_t i = 0; i < n; i++)
		if (list[i] == '\n')
			list[i] = 0;
	*(data[1] % 3 == 0   ? &p.open.len
	  : data[1] % 3 == 1 ? &p.listen.len
			     : &p.environment.len) = n;
	if (end) {
		size_t left = (size_t)(data + size - end) - 1;

		memcpy(host, end + 1, left < sizeof(host) ? left : sizeof(host) - 1);
	}
	/* A list that ends in the midst of an entry is none. */
	if ((permit_take(&s, &p) == 0) != (n == 0 || list[n - 1] == 0))
		abort();
	if (s.permitted) {
		environment();
		ask(host, data[0] * 256U + data[1]);
	}
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char open[] = "\xff\0localhost:80\n[::1]:*\n*:22\n\0localhost";
	static const char listen[] = "\xff\1*:8080\nlocalhost:65535\n\0::1";
	static const char env[] = "\xff\2A=1\nLONG=xxxxxxxxxxxxxxxxxxxxx\nNOVALUE\n=\n\0";

	emit("open", open, sizeof(open) - 1);
	emit("listen", listen, sizeof(listen) - 1);
	emit("env", env, sizeof(env) - 1);
}
