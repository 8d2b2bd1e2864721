/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One log line per call, in one write(2), so that lines of several processes on one pipe never mix.  Called by process
 * mains and request handlers only; library code fills a struct err instead.  Holds the only global state of the base.
 */
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *ident = "sshbay";
static enum log_level limit = LOG_LEVEL_NOTE;
static int out = STDERR_FILENO;
static int journal; /* out is systemd's: prefix <N> */

static const struct {
	const char *word;
	int priority; /* syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error: ", 3 },
	[LOG_LEVEL_WARN] = { "warning: ", 4 },
	[LOG_LEVEL_NOTE] = { "", 5 },
	[LOG_LEVEL_DETAIL] = { "", 7 },
};

/* JOURNAL_STREAM=DEV:INO names the stream that systemd gave us (systemd.exec(5)). */
static int is_journal(int fd)
{
	const char *text = getenv("JOURNAL_STREAM");
	char mine[64];
	struct stat st;

	if (!text || fstat(fd, &st) < 0)
		return 0;
	(void)str_format(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(text, mine) == 0;
}

void log_setup(const char *name, enum log_level max)
{
	ident = name;
	limit = max;
	journal = is_journal(out);
}

void log_to_fd(int fd)
{
	out = fd;
	journal = is_journal(fd);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES], vis[LINE_MAX_BYTES - 96], line[LINE_MAX_BYTES];
	int saved = errno, n;
	size_t len;
	va_list ap;

	if (level > limit || level > LOG_LEVEL_DETAIL)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	(void)str_vis(text, len, vis, sizeof(vis));
	if (journal)
		(void)str_format(line, sizeof(line) - 1, "<%d>%.40s: %s", levels[level].priority,
				 ident, vis);
	else
		(void)str_format(line, sizeof(line) - 1, "%.40s: %s%s", ident, levels[level].word,
				 vis);
	len = strlen(line);
	line[len++] = '\n';
	/* A log that cannot be written is no reason to stop serving. */
	if (write(out, line, len) < 0)
		errno = 0;
	errno = saved;
}
