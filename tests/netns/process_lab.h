/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What /proc tells about another process: its credentials, whether it lives, how much it has worked.  For tests that
 * watch the processes they started.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define PROCESS_WAIT_MS 10000

static int field(pid_t pid, const char *name, char *out, size_t cap)
{
	char path[64], line[256];
	FILE *f;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	while (!found && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
			snprintf(out, cap, "%s", line + strlen(name) + 2);
			out[strcspn(out, "\n")] = 0;
			found = 1;
		}
	fclose(f);
	return found;
}

static int status_is(pid_t pid, const char *name, const char *value)
{
	char got[256] = "";
	int good = field(pid, name, got, sizeof(got)) && strcmp(got, value) == 0;

	if (!good)
		printf("# %s of %d is '%s', not '%s'\n", name, pid, got, value);
	return good;
}

static int alive(pid_t pid)
{
	char got[256];

	return pid > 0 && field(pid, "State", got, sizeof(got)) && got[0] != 'Z';
}

static int wait_dead(pid_t pid)
{
	for (int i = 0; i < PROCESS_WAIT_MS / 10 && alive(pid); i++)
		usleep(10000);
	return !alive(pid);
}

/* In clock ticks, user and system. */
static uint64_t cpu_ticks(pid_t pid)
{
	char path[64], buf[1024];
	unsigned long long u = 0, s = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f && fgets(buf, sizeof(buf), f))
		sscanf(strrchr(buf, ')') + 2,
		       "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &u, &s);
	if (f)
		fclose(f);
	return u + s;
}
