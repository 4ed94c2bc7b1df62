/* SPDX-License-Identifier: ISC */
/* age.c: how long ago or until. */
#include <inttypes.h>
#include <stdio.h>

#include "show/age.h"

#define DAY 86400

int64_t
age_days(int64_t seconds)
{
	return seconds / DAY;
}

const char *
age_text(int64_t left, char buffer[AGE_SIZE])
{
	int64_t days = age_days(left), count = days < 0 ? -days : days;
	const char *before = left < 0 ? "" : "in ", *behind = left < 0 ? " ago" : "";

	if (count == 0)
		snprintf(buffer, AGE_SIZE, "%sless than a day%s", before, behind);
	else
		snprintf(buffer, AGE_SIZE, "%s%" PRId64 " day%s%s", before, count, count == 1 ? "" : "s", behind);
	return buffer;
}
