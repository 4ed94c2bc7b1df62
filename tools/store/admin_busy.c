/* SPDX-License-Identifier: ISC */
/* admin_busy.c: how long to wait for another program that writes the store: SQLite has one writer at a time. */
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "show/say.h"
#include "store/admin.h"
#include "store/admin_sql.h"
#include "store/holder.h"

#define SAY_AFTER 2000          /* milliseconds, on a terminal */

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

/* Begun anew by SQLite with each lock that is wanted: `calls` is 0 then. */
int
admin_busy(void *arg, int calls)
{
	struct admin *admin = arg;
	int64_t now = clock_ms(), waited;
	char who[320];

	if (calls == 0) {
		admin->busy_since = now;
		admin->busy_said = false;
	}
	waited = now - admin->busy_since;
	if (waited >= 1000 * (int64_t)longest)
		return 0;
	if (!admin->busy_said && waited >= SAY_AFTER && isatty(STDERR_FILENO)) {
		admin->busy_said = true;
		say("waiting up to %u seconds for %s", longest,
		    holder_describe(admin->path, who, sizeof(who)));
	}
	usleep(calls < 20 ? 1000u << (calls / 4) : 50000u);
	return 1;
}
