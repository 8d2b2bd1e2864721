/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The message of the day: what a terminal is told about the workspace that it has come to. Pure. */
#pragma once
#include "record.h"
#include "spec.h"
#include <stddef.h>
#include <stdint.h>

#define MOTD_FILE_MAX 2048 /* of [gate] motd */

struct motd {
	const struct record *rec;
	const struct spec *spec;
	const char *user, *host; /* the unix user inside; name of the machine */
	bool created;            /* by this login */
	uint64_t now;            /* seconds since the epoch */
	const char *text;        /* of the administrator, may be empty */
	const char *note;        /* what the user should know of this workspace, or NULL */
};

/* Lines that end in \n, at most eight of them, then the text. Cut to fit. Returns buf. */
const char *motd_write(const struct motd *m, char *buf, size_t size);
