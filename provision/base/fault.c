/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failure injection for the test build (-DSSHBAY_FAULTS); empty otherwise.  SSHBAY_FAULT holds a comma list of
 * POINT=ERROR, POINT=ERROR*TIMES, POINT=kill, POINT=hang, #N=ERROR or #N=kill.  A list that cannot be read aborts: a test that injects nothing
 * would pass for the wrong reason.
 */
#include "base/fault.h"

#ifdef SSHBAY_FAULTS
#include "base/num.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERRNO_LAST 133
#define SPECS_MAX  16

static unsigned long passed, hit[SPECS_MAX]; /* by place in the list */

static int error_number(const char *name)
{
	for (int i = 1; i <= ERRNO_LAST; i++) {
		const char *known = strerrorname_np(i);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	fprintf(stderr, "SSHBAY_FAULT: unknown error '%s'\n", name);
	abort();
}

static int hits(const char *where, const char *name)
{
	uint64_t nth;

	if (where[0] != '#')
		return strcmp(where, name) == 0;
	if (num_u64(where + 1, 1, UINT32_MAX, &nth, NULL) < 0) {
		fprintf(stderr, "SSHBAY_FAULT: bad point '%s'\n", where);
		abort();
	}
	return nth == passed;
}

/* Is one that is to fail so many times only done with that? */
static int used_up(char *what, unsigned int place)
{
	char *times = strchr(what, '*');
	uint64_t n;

	if (!times)
		return 0;
	*times = '\0';
	if (place >= SPECS_MAX || num_u64(times + 1, 1, UINT32_MAX, &n, NULL) < 0) {
		fprintf(stderr, "SSHBAY_FAULT: bad count '%s'\n", times + 1);
		abort();
	}
	return hit[place]++ >= n;
}

int fault_point(const char *name)
{
	const char *spec = getenv("SSHBAY_FAULT");
	char copy[512], *save = NULL;
	unsigned int place = 0;

	passed++;
	if (!spec || !*spec)
		return 0;
	if (strlen(spec) >= sizeof(copy))
		abort();
	strcpy(copy, spec);
	for (char *one = strtok_r(copy, ",", &save); one;
	     one = strtok_r(NULL, ",", &save), place++) {
		char *eq = strchr(one, '=');

		if (!eq) {
			fprintf(stderr, "SSHBAY_FAULT: no '=' in '%s'\n", one);
			abort();
		}
		*eq = '\0';
		if (!hits(one, name) || used_up(eq + 1, place))
			continue;
		if (strcmp(eq + 1, "kill") == 0)
			(void)raise(SIGKILL);
		if (strcmp(eq + 1, "hang") == 0)
			for (;;)
				(void)pause();
		return -error_number(eq + 1);
	}
	return 0;
}
#endif
