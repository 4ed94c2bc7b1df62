/* SPDX-License-Identifier: ISC */
/*
 * catch_up.c: changes out of the database, into the store: many to a transaction, with the store's place
 * in it.  Nothing is applied before it is known to be genuine and whole: what SQLite 3.40 reads of a change
 * that is cut never ends.
 */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fleet/catch_up.h"
#include "fleet/snapshot.h"
#include "fleet/spool.h"

#define BATCH_CHANGES 4000
#define BATCH_OCTETS (32u << 20)
#define BATCH_MS 1000

/* Why to stop reading changes. */
enum stop { GO_ON, FAILED, IS_SNAPSHOT, IS_ELSEWHERE };

struct catching {
	struct fleet *fleet;
	struct admin *store;
	struct admin_position *position;        /* the store's */
	char aside[PATH_MAX + 16];              /* a snapshot's file, to become the store's content; "": none */
	struct admin *admin;                    /* what changes are applied to: that, or the store */
	struct admin_position at;               /* its own, as committed */
	struct catch_up_done *done;
	struct snicert_error *err;
	/* The transaction. */
	bool is_open;
	struct admin_position next;
	int64_t changes, octets, began;
	/* The change being read. */
	struct history_change change;           /* seq 0: none */
	struct spool read;
	struct history_digest *digest;
};

/* --- one transaction ------------------------------------------------------------- */

static int
commit(struct catching *c)
{
	if (!c->is_open)
		return 0;
	c->is_open = false;
	if (admin_apply_commit(c->admin, &c->next, c->err) != 0)
		return -1;
	c->at = c->next;
	if (c->admin == c->store)
		*c->position = c->at;
	c->done->changes += c->changes;
	c->changes = c->octets = 0;
	return 0;
}

/* What is not committed is not applied. */
static void
roll_back(struct catching *c)
{
	if (c->is_open)
		admin_apply_rollback(c->admin);
	c->is_open = false;
	c->next = c->at;
	c->changes = c->octets = 0;
}

/* Another program may have followed meanwhile, and this one would apply a change twice. */
static int
begin(struct catching *c)
{
	struct admin_position now;

	if (c->is_open)
		return 0;
	if (admin_apply_begin(c->admin, c->err) != 0)
		return -1;
	c->is_open = true;
	c->began = clock_ms();
	if (admin_position(c->admin, &now, c->err) != 0)
		return -1;
	if (now.is_member == c->next.is_member && now.seq == c->next.seq &&
	    memcmp(now.history, c->next.history, sizeof(now.history)) == 0)
		return 0;
	c->at = *c->position = now;
	return 1;
}

static enum stop
elsewhere(struct catching *c, const char *why)
{
	snprintf(c->done->why, sizeof(c->done->why), "%s", why);
	return IS_ELSEWHERE;
}

/* --- one change -------------------------------------------------------------------- */

static enum stop
is_missing(struct catching *c, int64_t seq)
{
	error_set(c->err, SNICERT_ESTORE, "change %lld is missing in the database", (long long)seq);
	return FAILED;
}

/* The store is at this change. */
static enum stop
step(struct catching *c)
{
	c->next.epoch = c->change.epoch;
	c->next.seq = c->change.seq;
	memcpy(c->next.history, c->change.mac, sizeof(c->next.history));
	c->changes++;
	c->octets += c->read.length;
	if (c->changes >= BATCH_CHANGES || c->octets >= (int64_t)BATCH_OCTETS || clock_ms() - c->began >= BATCH_MS)
		return commit(c) == 0 ? GO_ON : FAILED;
	return GO_ON;
}

static enum stop
apply(struct catching *c)
{
	struct snicert_error why = {0};
	int status = begin(c);

	if (status == 1) { /* read on from where the store is now */
		roll_back(c);
		return GO_ON;
	}
	if (status == 0 && c->change.kind == HISTORY_ROWS)
		status = admin_apply(c->admin, spool_get, &c->read, &why);
	if (status == 1)
		return elsewhere(c, why.text);
	if (status == 0)
		return step(c);
	error_set(c->err, (enum snicert_code)why.code, "%s", why.text);
	return FAILED;
}

/* A change is whole: judge it, then apply it. */
static enum stop
finish(struct catching *c)
{
	const struct history_change *change = &c->change;
	unsigned char digest[32];
	bool is_whole;

	history_digest_end(c->digest, digest);
	c->digest = NULL;
	if (change->seq <= c->next.seq) /* somebody else was first */
		return GO_ON;
	is_whole = change->kind == HISTORY_STORE ||
	    (c->read.length == change->size && memcmp(digest, change->digest, sizeof(digest)) == 0);
	if (history_check_change(c->fleet->seal, c->fleet->id, change, c->err) != 0)
		return FAILED;
	if (!is_whole) {
		error_set(c->err, SNICERT_ESTORE, "change %lld in the database is damaged: it is not what was put there",
		    (long long)change->seq);
		return FAILED;
	}
	if (change->seq != c->next.seq + 1)
		return is_missing(c, c->next.seq + 1);
	if (memcmp(change->previous, c->next.history, sizeof(change->previous)) != 0)
		return elsewhere(c, "its last change is not the fleet's");
	if (change->schema > STORE_SCHEMA || change->kind > HISTORY_EPOCH) {
		error_set(c->err, SNICERT_ESTORE, "change %lld is of a newer release: install that; until then this node "
		    "serves what it has", (long long)change->seq);
		return FAILED;
	}
	return change->kind == HISTORY_STORE ? IS_SNAPSHOT : apply(c);
}

static void
start(struct catching *c, const struct database_row *row)
{
	struct history_change *change = &c->change;
	const unsigned char *previous = database_digest(row, 9), *digest = database_digest(row, 10);
	const unsigned char *mac = database_digest(row, 11), *key;
	size_t length;

	*change = (struct history_change){ .seq = database_int(row, 0), .kind = (enum history_kind)database_int(row, 1),
		.epoch = database_int(row, 2), .at = database_int(row, 3), .schema = database_int(row, 6),
		.size = database_int(row, 7) };
	snprintf(change->node, sizeof(change->node), "%s", database_text(row, 4));
	snprintf(change->who, sizeof(change->who), "%s", database_text(row, 5));
	key = database_octets(row, 8, &length);
	if (length == sizeof(change->key))
		memcpy(change->key, key, length);
	if (previous != NULL && digest != NULL && mac != NULL) {
		memcpy(change->previous, previous, sizeof(change->previous));
		memcpy(change->digest, digest, sizeof(change->digest));
		memcpy(change->mac, mac, sizeof(change->mac));
	}
	spool_reset(&c->read);
	c->digest = history_digest_new();
}

static int
add_part(struct catching *c, const struct database_row *row)
{
	size_t length;
	const unsigned char *octets = database_octets(row, 13, &length);

	if (c->read.length + (int64_t)length > c->change.size)
		return 0; /* its digest will not be right */
	history_digest_add(c->digest, octets, length);
	return spool_add(&c->read, octets, length, c->err);
}

/* A change's row, without its octets. */
#define COLUMNS "c.seq, c.kind, c.epoch, c.at, c.node, c.who, c.schema, c.size, c.key, c.previous, c.digest, c.mac"

static int
take_row(void *arg, const struct database_row *row)
{
	struct catching *c = arg;

	if (c->change.seq != database_int(row, 0)) {
		enum stop stop = c->change.seq == 0 ? GO_ON : finish(c);

		if (stop != GO_ON)
			return (int)stop;
		start(c, row);
	}
	return database_is_null(row, 13) || add_part(c, row) == 0 ? 0 : FAILED;
}

/* --- all of them -------------------------------------------------------------------- */

/* The changes up to the head, or to what is no rows.  Whatever stops it, what was read before that holds. */
static enum stop
read_changes(struct catching *c)
{
	int64_t before = c->at.seq;
	int status;

	c->next = c->at;
	c->change.seq = 0;
	status = database_run(c->fleet->database, take_row, c, c->err,
	    "SELECT " COLUMNS ", p.part, p.octets FROM snicert.change c LEFT JOIN snicert.change_part p USING (seq)"
	    " WHERE c.seq > $1::bigint AND c.seq <= $2::bigint ORDER BY c.seq, p.part", "ii", before, c->fleet->head.seq);
	if (status == 0 && c->change.seq != 0)
		status = (int)finish(c);
	if (status == 0 && c->next.seq == before && c->at.seq == before)
		status = (int)is_missing(c, before + 1);
	if (commit(c) != 0 || status < 0)
		status = FAILED;
	return (enum stop)status;
}

/* --- starting over ------------------------------------------------------------------- */

/* "store.db.was-SEQ": nothing that a person did is thrown away. */
static int
keep_copy(struct catching *c)
{
	const char *store = c->fleet->tool->config->store_path;
	char path[4200];

	for (int i = 1; i < 1000; i++) {
		snprintf(path, sizeof(path), i == 1 ? "%s.was-%lld" : "%s.was-%lld.%d", store, (long long)c->position->seq, i);
		if (access(path, F_OK) != 0)
			break;
	}
	if (admin_backup(c->store, path, c->err) != 0)
		return -1;
	snprintf(c->done->copy, sizeof(c->done->copy), "%s", path);
	return 0;
}

static void
drop_aside(struct catching *c)
{
	if (c->aside[0] == '\0')
		return;
	if (c->admin != c->store)
		admin_close(c->admin);
	c->admin = c->store;
	c->at = *c->position;
	admin_unlink(c->aside);
	c->aside[0] = '\0';
}

/* What a snapshot has, with its place in the history. */
static int
open_aside(struct catching *c, const struct history_snapshot *snapshot)
{
	struct admin_position at = { .is_member = true, .epoch = snapshot->epoch, .seq = snapshot->seq };
	struct admin *admin = NULL;

	memcpy(at.history, snapshot->history, sizeof(at.history));
	snprintf(at.fleet, sizeof(at.fleet), "%s", c->fleet->id);
	snprintf(at.node, sizeof(at.node), "%s", c->position->node);
	if (at.node[0] == '\0' && history_new_id(at.node, c->err) != 0)
		return -1;
	if (admin_open(&admin, c->aside, ADMIN_WRITE, c->err) != 0)
		return -1;
	c->admin = admin;
	if (admin_apply_begin(admin, c->err) != 0 || admin_apply_commit(admin, &at, c->err) != 0)
		return -1;
	c->at = at;
	c->done->snapshot = snapshot->seq;
	return 0;
}

/* From the newest snapshot that is not before `least`: who has a part of this history never goes back in it.
 * The store stays what it is until the changes after the snapshot are in, too. */
static int
start_over(struct catching *c, int64_t least)
{
	struct history_snapshot snapshot;
	int status = snapshot_newest(c->fleet, c->fleet->head.seq, &snapshot, c->err);

	if (status == 0 && snapshot.seq < least)
		return error_set(c->err, SNICERT_ESTORE, "change %lld is missing in the database, and no snapshot is after it",
		    (long long)least);
	if (status == 1)
		return error_set(c->err, SNICERT_ESTORE, "there is no snapshot in the database for this node to start from: make one "
		    "with `snicert fleet snapshot` on a node that serves the fleet's store");
	if (status != 0)
		return -1;
	drop_aside(c);
	snprintf(c->aside, sizeof(c->aside), "%s.fleet", c->fleet->tool->config->store_path);
	admin_unlink(c->aside); /* left by a killed run */
	if (snapshot_fetch(c->fleet, &snapshot, c->aside, c->err) == 0 && open_aside(c, &snapshot) == 0)
		return 0;
	drop_aside(c);
	return -1;
}

/* It is at the head. */
static int
take_aside(struct catching *c)
{
	struct admin_position at = c->at;
	int status;

	if (c->aside[0] == '\0')
		return 0;
	admin_close(c->admin);
	c->admin = c->store;
	status = admin_replace(c->store, c->aside, &at, c->err);
	if (status == 0)
		*c->position = at;
	drop_aside(c);
	return status;
}

static int
take_change(void *arg, const struct database_row *row)
{
	start(arg, row);
	return 0;
}

/* Whoever may write the head could make a node start over: the head must be what the last change says. */
static int
check_head(struct catching *c)
{
	const struct fleet_head *head = &c->fleet->head;

	c->change.seq = 0;
	if (database_run(c->fleet->database, take_change, c, c->err, "SELECT " COLUMNS " FROM snicert.change c WHERE c.seq = $1",
	        "i", head->seq) != 0)
		return -1;
	history_digest_end(c->digest, (unsigned char[32]){0});
	c->digest = NULL;
	if (c->change.seq == head->seq && c->change.epoch == head->epoch &&
	    memcmp(c->change.mac, head->history, sizeof(head->history)) == 0)
		return history_check_change(c->fleet->seal, c->fleet->id, &c->change, c->err);
	return error_set(c->err, SNICERT_ESTORE, "the head of the history in the database is not its last change: somebody "
	    "altered it");
}

static enum stop
judge(struct catching *c)
{
	const struct fleet_head *head = &c->fleet->head;
	const struct admin_position *position = c->position;
	int64_t oldest = 0;

	if (!position->is_member)
		return IS_SNAPSHOT;
	if (position->seq == head->seq) {
		if (memcmp(position->history, head->history, sizeof(head->history)) == 0)
			return GO_ON;
		return check_head(c) == 0 ? elsewhere(c, "its last change is not the fleet's") : FAILED;
	}
	if (position->seq > head->seq) {
		if (position->epoch < head->epoch && check_head(c) != 0)
			return FAILED;
		if (position->epoch < head->epoch)
			return elsewhere(c, "the database has lost changes that it had");
		error_set(c->err, SNICERT_ESTORE, "this node has change %lld, and the database ends with change %lld: if a fail-over "
		    "lost changes, say so with `snicert fleet promote`; a standby may only be late",
		    (long long)position->seq, (long long)head->seq);
		return FAILED;
	}
	if (database_run(c->fleet->database, database_first_int, &oldest, c->err,
	        "SELECT coalesce(min(seq), 0) FROM snicert.change WHERE seq > $1::bigint", "i", position->seq) != 0)
		return FAILED;
	return oldest == position->seq + 1 || oldest == 0 ? GO_ON : IS_SNAPSHOT;
}

static int
go_on(struct catching *c)
{
	enum stop stop = judge(c);

	/* Each time round the store is further on, or it was no part of this history. */
	for (;;) {
		int status = 0;

		if (stop == IS_ELSEWHERE && c->aside[0] != '\0')
			return error_set(c->err, SNICERT_ESTORE, "the changes after the snapshot do not fit it: make another with "
			    "`snicert fleet snapshot` on a node that serves the fleet's store");
		if (stop == IS_ELSEWHERE)
			status = keep_copy(c) == 0 ? start_over(c, 0) : -1;
		else if (stop == IS_SNAPSHOT)
			status = start_over(c, c->at.is_member ? c->at.seq + 1 : 0);
		if (stop == FAILED || status != 0)
			return -1;
		if (c->at.seq >= c->fleet->head.seq)
			return take_aside(c);
		stop = read_changes(c);
	}
}

static int
catch_up_as(bool is_member, struct fleet *fleet, struct admin *admin, struct admin_position *position,
    struct catch_up_done *done, struct snicert_error *err)
{
	struct catching c = { .fleet = fleet, .store = admin, .admin = admin, .position = position, .done = done, .err = err };
	char path[PATH_MAX];
	int status = -1;

	snprintf(path, sizeof(path), "%s", fleet->tool->config->store_path);
	c.read = (struct spool)SPOOL_EMPTY(dirname(path));
	*done = (struct catch_up_done){ .snapshot = -1 };
	/* One that has left may have changes of its own by now. */
	if (admin_position(admin, position, err) == 0 && (!is_member || fleet_check_member(fleet, position, err) == 0)) {
		c.at = c.next = *position;
		status = go_on(&c);
	}
	roll_back(&c);
	drop_aside(&c);
	history_digest_end(c.digest, (unsigned char[32]){0});
	spool_free(&c.read);
	return status;
}

int
catch_up(struct fleet *fleet, struct admin *admin, struct admin_position *position, struct catch_up_done *done,
    struct snicert_error *err)
{
	return catch_up_as(true, fleet, admin, position, done, err);
}

int
catch_up_anew(struct fleet *fleet, struct admin *admin, struct admin_position *position, struct catch_up_done *done,
    struct snicert_error *err)
{
	return catch_up_as(false, fleet, admin, position, done, err);
}
