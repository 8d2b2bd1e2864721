/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is logged in.  The files are the tenant's: regular files only, a short lock, a bounded scan, and no failure here
 * ever fails a login.
 */
#include "login.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <utmp.h>

#include "base/fd.h"
#include "base/ip.h"
#include "base/str.h"

#define RECORDS_MAX 4096 /* utmp records that are looked at */
#define LOCK_TRIES  10   /* of 1 ms each */

static int open_log(const char *path, int flags)
{
	auto_fd int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct timespec ms = { 0, 1000000 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
			return fd_take(&fd);
		nanosleep(&ms, NULL);
	}
	return -1;
}

/* Offset of the record for this line, of a dead one that can be reused, or of the end. */
static off_t find_slot(int fd, const struct utmp *want)
{
	struct utmp got;
	off_t at = 0, dead = -1;

	for (int i = 0; i < RECORDS_MAX; i++, at += (off_t)sizeof(got)) {
		if (pread(fd, &got, sizeof(got), at) != (ssize_t)sizeof(got))
			return dead >= 0 ? dead : at;
		if (strncmp(got.ut_line, want->ut_line, sizeof(got.ut_line)) == 0 &&
		    got.ut_type >= INIT_PROCESS && got.ut_type <= DEAD_PROCESS)
			return at;
		if (dead < 0 && got.ut_type == DEAD_PROCESS)
			dead = at;
	}
	return dead;
}

static void fill(struct utmp *u, uint32_t number, short type)
{
	char line[sizeof(u->ut_line)];
	struct timespec now;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	memset(u, 0, sizeof(*u));
	u->ut_type = type;
	u->ut_tv.tv_sec = (int32_t)now.tv_sec;
	u->ut_tv.tv_usec = (int32_t)(now.tv_nsec / 1000);
	str_format(line, sizeof(line), "pts/%u", number);
	n = strlen(line);
	memcpy(u->ut_line, line, n);
	memcpy(u->ut_id, line + n - 4, sizeof(u->ut_id)); /* "pts/0": at least five characters */
}

static bool put_utmp(const struct utmp *u)
{
	auto_fd int fd = open_log("/run/utmp", O_RDWR);
	off_t at = fd < 0 ? -1 : find_slot(fd, u);

	return at >= 0 && pwrite(fd, u, sizeof(*u), at) == (ssize_t)sizeof(*u);
}

static void put_wtmp(const struct utmp *u)
{
	auto_fd int fd = open_log("/var/log/wtmp", O_WRONLY | O_APPEND);

	if (fd >= 0)
		(void)!write(fd, u, sizeof(*u));
}

bool login_record(uint32_t number, const char *user, const char *host)
{
	struct utmp u;
	struct ip ip;

	fill(&u, number, USER_PROCESS);
	u.ut_pid = getpid();
	u.ut_session = getsid(0);
	/* Fixed-size fields that need no NUL when full. */
	memcpy(u.ut_user, user, strnlen(user, sizeof(u.ut_user)));
	if (host)
		memcpy(u.ut_host, host, strnlen(host, sizeof(u.ut_host)));
	if (host && ip_parse(host, &ip, NULL) == 0)
		memcpy(u.ut_addr_v6, ip.b, ip.family == AF_INET ? 4 : 16);
	put_wtmp(&u);
	return put_utmp(&u);
}

int login_logout_work(struct job_helper *h, int *fd, struct err *e)
{
	struct utmp u;

	fill(&u, *(const uint32_t *)h->request, DEAD_PROCESS);
	put_wtmp(&u);
	put_utmp(&u);
	return 0;
}
