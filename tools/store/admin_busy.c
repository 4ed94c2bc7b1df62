/* SPDX-License-Identifier: ISC */
/* admin_busy.c: how long to wait for another writer of the store: SQLite allows one at a time. */
#include <stdbool.h>
#include <unistd.h>

#include "clock.h"
#include "show/say.h"
#include "store/admin.h"
#include "store/admin_sql.h"
#include "store/holder.h"

/* Milliseconds: people don't notice less, and it happens whenever two write at once. */
#define SAY_AFTER 300

static unsigned longest = 30;   /* seconds */
static bool says = true;

void
admin_wait(unsigned seconds)
{
	longest = seconds;
}

void
admin_wait_says(bool wanted)
{
	says = wanted;
}

unsigned
admin_waits(void)
{
	return longest;
}

/* SQLite starts over with each lock it wants: `calls` is 0 then. */
int
admin_busy(void *arg, int calls)
{
	struct admin *admin = arg;
	int64_t now = clock_ms(), waited;
	char who[360];

	if (calls == 0) {
		admin->busy_since = now;
		admin->busy_said = false;
	}
	waited = now - admin->busy_since;
	if (waited >= 1000 * (int64_t)longest)
		return 0;
	if (!admin->busy_said && waited >= SAY_AFTER && says) {
		admin->busy_said = true;
		say("waiting up to %u seconds for %s", longest,
		    holder_describe(admin->path, who, sizeof(who)));
	}
	usleep(calls < 20 ? 1000u << (calls / 4) : 50000u);
	return 1;
}
