/* SPDX-License-Identifier: ISC */
/*
 * use.c: names that nobody asks for.  The statistics remember the last use of only so many names,
 * and only since they started; if they can't tell, we don't call a name unused.
 */
#include <stdio.h>
#include <string.h>

#include "stats/use.h"
#include "store/admin_names.h"

#define DAY 86400

struct counting {
	const struct stats_reader *reader;
	int64_t before;                 /* unused if not used since then */
	struct use_counts *out;
};

int64_t
use_latest(const struct stats_use *use)
{
	return use->used == STATS_NOT_USED ? use->since : use->day + DAY;
}

static int
count_name(void *arg, const char *name, int64_t chain)
{
	struct counting *counting = arg;
	struct use_counts *out = counting->out;
	struct stats_use use;

	(void)chain;
	stats_read_use(counting->reader, name, &use);
	if (use_latest(&use) > counting->before) {
		out->untold += use.used != STATS_USED;
		return 0;
	}
	if (out->unused < USE_SHOWN)
		snprintf(out->names[out->unused], sizeof(out->names[0]), "%s", name);
	out->unused++;
	return 0;
}

int
use_count(struct admin *admin, const struct stats_reader *reader, int64_t now, struct use_counts *out,
    struct snicert_error *err)
{
	struct counting counting = { reader, now - (int64_t)USE_DAYS * DAY, out };

	memset(out, 0, sizeof(*out));
	return admin_each_name(admin, count_name, &counting, err);
}
