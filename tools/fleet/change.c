/* SPDX-License-Identifier: ISC */
/* change.c: adding a change. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fleet/change.h"
#include "store/admin_log.h"

struct history_change
change_next(const struct fleet *fleet, enum history_kind kind, int64_t schema)
{
	struct history_change change = { .kind = kind, .epoch = fleet->head.epoch, .seq = fleet->head.seq + 1,
		.at = (int64_t)time(NULL), .schema = schema };

	snprintf(change.node, sizeof(change.node), "%s", fleet->node);
	admin_log_user(change.who, sizeof(change.who));
	memcpy(change.previous, fleet->head.history, sizeof(change.previous));
	return change;
}

int
change_add(struct fleet *fleet, struct history_change *change, struct snicert_error *err)
{
	if (history_sign_change(fleet->seal, fleet->id, change, err) != 0)
		return -1;
	if (database_run(fleet->database, NULL, NULL, err,
	        "INSERT INTO snicert.change (seq, kind, epoch, at, node, who, schema, size, key, previous, digest, mac)"
	        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", "iiiittiibbbb", change->seq,
	        (int64_t)change->kind, change->epoch, change->at, change->node, change->who, change->schema, change->size,
	        change->key, sizeof(change->key), change->previous, sizeof(change->previous), change->digest,
	        sizeof(change->digest), change->mac, sizeof(change->mac)) != 0)
		return -1;
	return database_run(fleet->database, NULL, NULL, err,
	    "UPDATE snicert.head SET epoch = $1, seq = $2, history = $3", "iib", change->epoch, change->seq, change->mac,
	    sizeof(change->mac));
}

int
change_ring(struct fleet *fleet, struct snicert_error *err)
{
	return database_run(fleet->database, NULL, NULL, err, "SELECT pg_notify('" CHANGE_BELL "', '')", "");
}
