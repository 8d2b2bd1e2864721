/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: the text of records.  Input: u8; even: what follows is the file as it is; odd: what follows is put below a
 * header whose checksum fits, so that the reader behind it is reached.  What loads must save and load to the same.
 */
#include "record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/dev/shm/sshbay-fuzz-XXXXXX";
static int dirfd_ = -1;
static char header[8192]; /* up to the checksum */

static void leave(void)
{
	(void)record_remove(dirfd_, "alice", NULL);
	unlinkat(dirfd_, "alice.ini.damaged", 0);
	rmdir(dir);
}

/* The header is whatever a saved record begins with. */
static void enter(void)
{
	struct record r = { .slot = 1 };
	char text[8192], *sum;
	size_t len;

	if (!mkdtemp(dir) || (dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	atexit(leave);
	snprintf(r.name, sizeof(r.name), "alice");
	if (record_save(dirfd_, &r, NULL) < 0 ||
	    path_read(dirfd_, "alice.ini", text, sizeof(text), &len, NULL) < 0)
		abort();
	sum = strstr(text, "checksum = ");
	if (!sum)
		abort();
	sum[strlen("checksum = ")] = '\0';
	memcpy(header, text, sizeof(header));
}

static uint32_t crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = ~UINT32_C(0);

	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (UINT32_C(0x82f63b78) & -(crc & 1));
	}
	return ~crc;
}

static void put(const uint8_t *data, size_t size, int fit)
{
	char text[16384];
	size_t n = 0;

	if (fit)
		n = (size_t)snprintf(text, sizeof(text), "%s%08" PRIx32 "\n", header,
				     crc32c(data, size));
	if (size > sizeof(text) - n)
		size = sizeof(text) - n;
	if (size)
		memcpy(text + n, data, size);
	if (path_write_atomic(dirfd_, "alice.ini",
			      &(struct path_content){ text, n + size, 0600, false }, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r, again;
	struct err e = { 0 };
	int fell_back, ret;

	if (size < 1)
		return 0;
	if (dirfd_ < 0)
		enter();
	(void)record_remove(dirfd_, "alice", NULL);
	put(data + 1, size - 1, data[0] & 1);
	ret = record_load(dirfd_, "alice", &r, &fell_back, &e);
	if (ret < 0) {
		if (ret != -EUCLEAN || !e.text[0])
			abort();
		return 0;
	}
	if (strcmp(r.name, "alice") != 0 || fell_back || !memchr(r.note, 0, sizeof(r.note)) ||
	    r.state >= RECORD_NSTATES)
		abort();
	if (r.generation == UINT64_MAX)
		return 0;
	if (record_save(dirfd_, &r, NULL) < 0 ||
	    record_load(dirfd_, "alice", &again, &fell_back, NULL) < 0)
		abort();
	/* An ifindex is never negative in a file; everything else is kept as it is. */
	if (fell_back || memcmp(&r, &again, sizeof(r)) != 0)
		abort();
	return 0;
}
