/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: packets through the lens, both ways.  Input: the payload of a packet, the type first, and four bytes of
 * padding.  Nothing beyond them may be touched (AddressSanitizer looks on), and the type stays.
 */
#include "../../sshd-gate/session/lens_rewrite.h"

#include <stdlib.h>
#include <string.h>

#define PADDING 4 /* RFC 4253 section 6: at least */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lens_rewrite_modes modes;
	uint8_t out[LENS_REWRITE_MODES_MAX];
	uint32_t width = (uint32_t)modes.last << 16 | 80;
	uint8_t *p = malloc(size + PADDING);
	size_t len;

	if (!p)
		return 0;
	memcpy(p, data, size);
	memset(p + size, 0, PADDING);
	len = lens_rewrite_in(p, size, PADDING, &modes);
	if (len < size || len > size + PADDING || (size && p[0] != data[0]))
		abort();
	if (lens_rewrite_modes_of(&modes, &width, out) > sizeof(out) || width != 80)
		abort();
	memcpy(p, data, size);
	lens_rewrite_out(p, size);
	if (size && p[0] != data[0] && (data[0] != 4 || p[0] != 92))
		abort();
	memcpy(p, data, size);
	if (lens_rewrite_hush(p, size, &width) && (data[0] != 92 || p[0] != 2))
		abort();
	free(p);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const void *data, size_t size))
{
	static const char listen[] = "P\0\0\0\x1fstreamlocal-forward@openssh.com\1\0\0\0\2/s";
	static const char open[] =
		"Z\0\0\0\x1e"
		"direct-streamlocal@openssh.com\0\0\0\1\0\0\2\0\0\0\3\0\0\0\0\2/s\0\0\0\0\0\0\0\0";
	static const char pty[] =
		"b\0\0\0\0\0\0\0\7pty-"
		"req\1\0\0\0\2vt\0\0\0P\0\0\0\x18\0\0\0\0\0\0\0\0\0\0\0\6\3\0\0\0\x08";
	static const char exec[] = "b\0\0\0\0\0\0\0\4exec\1\0\0\0\3a\0b";
	static const char unix_out[] =
		"Z\0\0\0\x0f"
		"forwarded-tcpip\0\0\0\1\0\0\2\0\0\0\3\0\0\0\0\x0c" LENS_REWRITE_UNIX_OUT
		"/s\0\0\0\0\0\0\0\0\0\0\0";

	static const char failure[] =
		"\4\0\0\0\0\x17" LENS_REWRITE_FAILURE "0000000a2refused\0\0\0\0";
	static const char wordless[] = "\\\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0";

	static const char alive[] = "P\0\0\0\x15keepalive@openssh.com\1";

	emit("alive", alive, sizeof(alive) - 1);
	emit("listen", listen, sizeof(listen) - 1);
	emit("open", open, sizeof(open) - 1);
	emit("pty", pty, sizeof(pty));
	emit("exec", exec, sizeof(exec) - 1);
	emit("unix-out", unix_out, sizeof(unix_out));
	emit("failure", failure, sizeof(failure) - 1);
	emit("wordless", wordless, sizeof(wordless));
}
