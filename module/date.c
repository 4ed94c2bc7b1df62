/* SPDX-License-Identifier: ISC */
/*
 * date.c: the proleptic Gregorian calendar.  Years begin in March here, so that the leap day comes
 * last; and 400 years late, so that none is negative.
 */
#include <stdio.h>

#include "date.h"

#define DAY 86400
#define ERA 146097              /* days in 400 years */
#define EPOCH (719468 + ERA)    /* 1970-01-01 in days since 1 March 400 years before year 0 */
#define LEAST (-62167219200)    /* 0000-01-01T00:00:00Z */
#define MOST 253402300799       /* 9999-12-31T23:59:59Z */

/* Days of the months before `month`, 0 for March: 31, 30, 31, 30, 31 repeated. */
static int
days_before(int month)
{
	return (153 * month + 2) / 5;
}

int64_t
date_join(const struct tm *tm)
{
	int month = (tm->tm_mon + 10) % 12;
	int64_t year = (int64_t)tm->tm_year + 1900 + 400 - (tm->tm_mon < 2 ? 1 : 0);
	int64_t day = 365 * year + year / 4 - year / 100 + year / 400 + days_before(month) + tm->tm_mday - 1;

	return (day - EPOCH) * DAY + tm->tm_hour * 3600 + tm->tm_min * 60 + tm->tm_sec;
}

static void
set_day(struct tm *out, int64_t day)
{
	int in_era = (int)(day % ERA);
	/* Without earlier leap days: every 4 years, except 100, except 400. */
	int year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int in_year = in_era - (365 * year + year / 4 - year / 100);
	int month = (5 * in_year + 2) / 153;

	out->tm_mday = in_year - days_before(month) + 1;
	out->tm_mon = (month + 2) % 12;
	out->tm_year = (int)(day / ERA) * 400 + year - 400 - 1900 + (out->tm_mon < 2 ? 1 : 0);
}

bool
date_split(int64_t unix_time, struct tm *out)
{
	int64_t seconds;
	int rest;

	*out = (struct tm){0};
	if (unix_time < LEAST || unix_time > MOST)
		return false;
	seconds = unix_time + (int64_t)EPOCH * DAY;
	set_day(out, seconds / DAY);
	rest = (int)(seconds % DAY);
	out->tm_hour = rest / 3600;
	out->tm_min = rest / 60 % 60;
	out->tm_sec = rest % 60;
	return true;
}

/* The compiler checks the callers' formats instead: date.h. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

void
date_print(char *out, size_t size, const char *format, int64_t unix_time)
{
	struct tm tm;

	if (!date_split(unix_time, &tm) || strftime(out, size, format, &tm) == 0)
		snprintf(out, size, "?");
}
