/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clocks and stamps.  gmtime_r(3) reads TZ and /etc/localtime on its first call, which a sandboxed session may not and
 * ws-init must not do; the calendar is computed here.
 */
#include "base/clk.h"
#include "base/str.h"

#include <inttypes.h>
#include <time.h>

uint64_t clk_now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clk_wall_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec;
}

/* Proleptic Gregorian date of a day number; eras of 400 years that begin on a 1st of March. */
static void date(uint64_t days, uint64_t *year, unsigned int *month, unsigned int *day)
{
	uint64_t z = days + 719468; /* from 0000-03-01 to 1970-01-01 */
	uint64_t era = z / 146097;
	unsigned int doe = (unsigned int)(z % 146097);
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2 ? 1 : 0);
}

const char *clk_text(uint64_t wall_s, char *buf, size_t size)
{
	unsigned int month, day, s = (unsigned int)(wall_s % 86400);
	uint64_t year;

	date(wall_s / 86400, &year, &month, &day);
	(void)str_format(buf, size, "%04" PRIu64 "-%02u-%02uT%02u:%02u:%02uZ", year, month, day,
			 s / 3600, s / 60 % 60, s % 60);
	return buf;
}
