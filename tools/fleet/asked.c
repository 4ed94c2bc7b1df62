/* SPDX-License-Identifier: ISC */
/* asked.c: statistics of the nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "fleet/asked.h"

#define FORGOTTEN_DAYS 90       /* an unknown name that nobody has asked for */

static int
tell_counts(struct fleet *fleet, const struct stats_totals *totals, struct snicert_error *err)
{
	uint64_t own = totals->outcomes[STATS_EXACT] + totals->outcomes[STATS_WILDCARD];

	return database_run(fleet->database, NULL, NULL, err,
	    "UPDATE snicert.node SET handshakes = $2, by_name = $3, unknown = $4 WHERE name = $1", "tiii", fleet->node,
	    (int64_t)totals->handshakes, (int64_t)own, (int64_t)totals->reasons[STATS_UNKNOWN]);
}

static int
tell_name(struct fleet *fleet, const struct stats_unknown *name, struct snicert_error *err)
{
	return database_run(fleet->database, NULL, NULL, err,
	    "INSERT INTO snicert.unknown (node, name, address, count, missed, first, last, windows)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (node, name) DO UPDATE SET address = excluded.address,"
	    " count = excluded.count, missed = excluded.missed, first = excluded.first, last = excluded.last,"
	    " windows = excluded.windows", "tttiiiii", fleet->node, name->name, name->address, (int64_t)name->count,
	    (int64_t)name->missed, name->first, name->last, (int64_t)name->windows);
}

static int
tell_names(struct fleet *fleet, const struct stats_unknown *list, size_t count, int64_t since, struct snicert_error *err)
{
	int status = database_execute(fleet->database, "BEGIN", err);

	for (size_t i = 0; i < count && status == 0; i++)
		if (list[i].last >= since)
			status = tell_name(fleet, &list[i], err);
	if (status == 0)
		status = database_run(fleet->database, NULL, NULL, err, "DELETE FROM snicert.unknown WHERE node = $1 AND last < $2",
		    "ti", fleet->node, (int64_t)time(NULL) - (int64_t)FORGOTTEN_DAYS * 86400);
	if (status == 0)
		return database_execute(fleet->database, "COMMIT", err);
	database_execute(fleet->database, "ROLLBACK", NULL);
	return -1;
}

int
asked_tell(struct fleet *fleet, int64_t since, struct snicert_error *err)
{
	struct stats_reader *reader = NULL;
	struct stats_unknown *list = NULL;
	struct stats_totals totals;
	size_t count = 0;
	int status;

	if (stats_read_open(&reader, fleet->tool->config->stats_path, NULL) != 0)
		return 0;
	stats_read_totals(reader, &totals);
	status = stats_read_unknown(reader, &list, &count) != 0 ? error_set(err, SNICERT_EMEMORY, "no memory")
	    : tell_counts(fleet, &totals, err);
	stats_read_close(reader);
	if (status == 0)
		status = tell_names(fleet, list, count, since, err);
	free(list);
	return status;
}

/* --- all of them ----------------------------------------------------------------- */

struct gathering {
	struct stats_unknown *list;
	size_t count, room;
	struct snicert_error *err;
};

static int
unknown_row(void *arg, const struct database_row *row)
{
	struct gathering *gathering = arg;
	struct stats_unknown *name;

	if (gathering->count == gathering->room) {
		size_t room = gathering->room == 0 ? 64 : 2 * gathering->room;
		struct stats_unknown *more = reallocarray(gathering->list, room, sizeof(*more));

		if (more == NULL)
			return error_set(gathering->err, SNICERT_EMEMORY, "no memory");
		gathering->list = more;
		gathering->room = room;
	}
	name = &gathering->list[gathering->count++];
	*name = (struct stats_unknown){ .count = (uint64_t)database_int(row, 2), .missed = (uint64_t)database_int(row, 3),
		.first = database_int(row, 4), .last = database_int(row, 5), .windows = (uint32_t)database_int(row, 6) };
	snprintf(name->name, sizeof(name->name), "%s", database_text(row, 0));
	snprintf(name->address, sizeof(name->address), "%s", database_text(row, 1));
	return 0;
}

int
asked_unknown(struct fleet *fleet, struct stats_unknown **out, size_t *count, struct snicert_error *err)
{
	struct gathering gathering = { .err = err };

	if (database_run(fleet->database, unknown_row, &gathering, err,
	        "SELECT name, min(address), sum(count)::bigint, sum(missed)::bigint, min(first), max(last),"
	        " max(windows) FROM snicert.unknown GROUP BY name ORDER BY 3 DESC, name", "") != 0) {
		free(gathering.list);
		return -1;
	}
	*out = gathering.list;
	*count = gathering.count;
	return 0;
}
