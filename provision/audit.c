/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit log of provisiond's main process.  What a peer or tenant can influence arrives here as plain strings and
 * leaves as printable ASCII inside JSON: no value can end its line, its string or the terminal that shows it.
 */
#include "audit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clk.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"

#define LINE_MAX_BYTES 4096 /* with the newline */
#define VALUE_MAX      257  /* with NUL */
#define USER_MAX       65   /* of the field "user": no user's name is longer than half of it */

/* The log is one per process, like stderr. */
static struct {
	int fd;
	char path[PATH_MAX];
	char boot_id[37];
	uint64_t seq;
	bool torn;    /* the file does not end in a newline: a write was cut short */
	bool failing; /* reported already */
	void (*subscriber)(void *ctx, const char *line);
	void *ctx;
} audit = { .fd = -1 };

static bool ends_torn(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int open_log(const char *path, bool *torn, struct err *e)
{
	auto_fd int fd = open(
		path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		0640);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open audit log '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "open audit log '%s': not a regular file", path);
	*torn = ends_torn(fd, st.st_size);
	return fd_take(&fd);
}

int audit_open(const char *path, struct err *e)
{
	bool torn = false;
	int fd = -1;

	if (*path) {
		fd = open_log(path, &torn, e);
		if (fd < 0)
			return fd;
	}
	fd_close(&audit.fd);
	audit.fd = fd;
	audit.torn = torn;
	audit.failing = false;
	return str_copy(audit.path, sizeof(audit.path), path);
}

void audit_subscribe(void (*fn)(void *ctx, const char *line), void *ctx)
{
	audit.subscriber = fn;
	audit.ctx = ctx;
}

/* A line being put together. What does not fit is left out, and `cut` says so. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool cut;
};

/* Room kept for what ends a line. */
#define TAIL ",\"cut\":true}\n"

static void append(struct line *l, const char *text)
{
	size_t n = strlen(text);

	if (l->cut || l->len + n + sizeof(TAIL) > sizeof(l->text)) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->len, text, n + 1);
	l->len += n;
}

static void append_number(struct line *l, const char *key, uint64_t value)
{
	char field[128];

	snprintf(field, sizeof(field), ",\"%s\":%" PRIu64, key, value);
	append(l, field);
}

/* str_vis leaves printable ASCII; JSON wants its own two escapes on top. */
static void append_text(struct line *l, const char *key, const char *value)
{
	char vis[VALUE_MAX], field[2 * VALUE_MAX + 80];
	size_t n;
	const char *p;

	str_vis(value, strnlen(value, VALUE_MAX), vis,
		strcmp(key, "user") == 0 ? USER_MAX : sizeof(vis));
	n = (size_t)snprintf(field, 72, ",\"%.60s\":\"", key);
	for (p = vis; *p; p++) {
		if (*p == '"' || *p == '\\')
			field[n++] = '\\';
		field[n++] = *p;
	}
	memcpy(field + n, "\"", 2);
	append(l, field);
}

static void stamp(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%09ldZ", now.tv_nsec);
}

static void put_together(struct line *l, const char *event, const struct audit_field *fields,
			 unsigned int n)
{
	char ts[64];
	unsigned int i;

	if (!audit.boot_id[0] && proc_boot_id(audit.boot_id, NULL) < 0)
		(void)str_copy(audit.boot_id, sizeof(audit.boot_id), "unknown");
	stamp(ts, sizeof(ts));
	snprintf(l->text, sizeof(l->text), "{\"ts\":\"%s\"", ts);
	l->len = strlen(l->text);
	append_number(l, "mono", clk_now_us());
	append_text(l, "boot_id", audit.boot_id);
	append_number(l, "seq", ++audit.seq);
	append_number(l, "pid", (uint64_t)getpid());
	append_text(l, "ev", event);
	for (i = 0; i < n; i++) {
		if (fields[i].text)
			append_text(l, fields[i].key, fields[i].text);
		else
			append_number(l, fields[i].key, fields[i].number);
	}
	l->len += (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s",
				   l->cut ? TAIL : "}\n");
}

/* A log that was removed is begun again; one that was moved away is followed until the next reload. */
static void reopen_removed(void)
{
	struct stat st;
	int fd;

	if (fstat(audit.fd, &st) < 0 || st.st_nlink > 0)
		return;
	fd = open_log(audit.path, &audit.torn, NULL);
	if (fd < 0)
		return;
	fd_close(&audit.fd);
	audit.fd = fd;
}

static int write_line(const struct line *l)
{
	char whole[LINE_MAX_BYTES + 1];
	size_t lead = audit.torn ? 1 : 0;
	ssize_t n;
	int ret = fault_point("audit.write");

	if (ret < 0)
		return ret;
	/* One write: lines of several writers never mix. A half-written line is ended before the next begins. */
	whole[0] = '\n';
	memcpy(whole + lead, l->text, l->len);
	do {
		n = write(audit.fd, whole, lead + l->len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	audit.torn = (size_t)n < lead + l->len && (n > 0 || audit.torn);
	return (size_t)n < lead + l->len ? -ENOSPC : 0;
}

void audit_write(const char *event, const struct audit_field *fields, unsigned int n)
{
	struct line l = { .len = 0 };
	int ret = 0;

	put_together(&l, event, fields, n);
	if (audit.fd >= 0) {
		reopen_removed();
		ret = write_line(&l);
		if (ret < 0 && !audit.failing)
			log_error(
				"write audit log '%s': %s (events are lost until this is repaired)",
				audit.path, strerror(-ret));
		else if (ret == 0 && audit.failing)
			log_note("audit log '%s' can be written again", audit.path);
		audit.failing = ret < 0;
	}
	l.text[l.len - 1] = '\0';
	if (audit.subscriber)
		audit.subscriber(audit.ctx, l.text);
}
