/* SPDX-License-Identifier: ISC */
/* admin_busy.c: how long to wait for another program that writes the store: SQLite has one writer at a time. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "store/admin.h"
#include "store/admin_sql.h"
#include "store/holder.h"

#define SAY_AFTER 2             /* seconds, on a terminal */

static unsigned longest = 30;   /* seconds */

void
admin_wait(unsigned seconds)
{
	longest = seconds;
}

unsigned
admin_waits(void)
{
	return longest;
}

static double
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Begun anew by SQLite with each lock that is wanted: `calls` is 0 then. */
int
admin_busy(void *arg, int calls)
{
	struct admin *admin = arg;
	char who[320];

	if (calls == 0) {
		admin->busy_since = now();
		admin->busy_said = false;
	}
	if (now() - admin->busy_since >= longest)
		return 0;
	if (!admin->busy_said && now() - admin->busy_since >= SAY_AFTER && isatty(STDERR_FILENO)) {
		admin->busy_said = true;
		fprintf(stderr, "snicert: waiting up to %u seconds for %s\n", longest,
		    holder_describe(admin->path, who, sizeof(who)));
	}
	usleep(calls < 20 ? 1000u << (calls / 4) : 50000u);
	return 1;
}
