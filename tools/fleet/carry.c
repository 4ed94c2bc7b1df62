/* SPDX-License-Identifier: ISC */
/*
 * carry.c: writing through.
 *
 *   PostgreSQL: hold the head → the store: catch up with it → the command's work, recorded →
 *   PostgreSQL: add the change, commit → the store: commit, with its place in the history
 *
 * What fails before PostgreSQL has committed fails in both.  Killed after that, the node is one change
 * behind, as any other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "fleet/carry.h"
#include "fleet/catch_up.h"
#include "fleet/change.h"
#include "fleet/node.h"
#include "fleet/snapshot.h"
#include "show/say.h"

#define CLOCK_OFF_MOST 300      /* seconds */
#define ASKS 5                  /* times, a second apart, that a lost outcome is asked for */

static struct carrying {
	const struct tool *tool;
	struct fleet fleet;
	bool is_open;
	struct admin_position position;
} carrying;

static void
let_go(struct carrying *c)
{
	if (c->is_open)
		fleet_close(&c->fleet);
	c->is_open = false;
}

/* Times of the change log are this machine's, and old lines go by them, on all nodes. */
static int
check_clock(struct carrying *c, struct snicert_error *err)
{
	int64_t there = 0, off;

	if (database_run(c->fleet.database, database_first_int, &there, err,
	        "SELECT extract(epoch FROM clock_timestamp())::bigint", "") != 0)
		return -1;
	off = (int64_t)time(NULL) - there;
	if (off >= -CLOCK_OFF_MOST && off <= CLOCK_OFF_MOST)
		return 0;
	return error_set(err, SNICERT_ESYSTEM, "this machine's clock is %lld minutes %s the database's: set it, or the database's",
	    (long long)(off < 0 ? -off : off) / 60, off < 0 ? "behind" : "ahead of");
}

/* What this release writes, an earlier one can't follow. */
static int
check_releases(struct carrying *c, struct admin *admin, struct snicert_error *err)
{
	char names[200];
	int status = node_older(&c->fleet, admin_schema(admin), names, sizeof(names), err);

	return status != 1 ? status : error_set(err, SNICERT_ESTORE, "these nodes have an earlier release, which could not follow "
	    "this change: %s; bring them to this one first (a node that is gone for good: `snicert fleet forget`)", names);
}

/* A damaged store can't say where it stands, so nothing can be made of it that the fleet would follow. */
static int
read_position(struct carrying *c, struct admin *admin, struct snicert_error *err)
{
	struct snicert_error why = {0};

	if (admin_position(admin, &c->position, &why) == 0)
		return 0;
	return error_set(err, (enum snicert_code)why.code, "%s; in a fleet: move the store away, then `snicert fleet forget %s`, "
	    "`snicert init`, `snicert fleet join`", why.text, c->fleet.node);
}

/* A fail-over takes a while, and what renews certificates calls us once. */
static int
open_database(struct carrying *c, struct snicert_error *err)
{
	const struct tool *tool = c->tool;
	int64_t until = clock_ms() + (int64_t)tool->wait * 1000;
	bool said = tool->quiet;

	for (;;) {
		struct snicert_error why = {0};
		bool has_key; /* without one it has not come to the database */

		if (fleet_open(&c->fleet, tool, DATABASE_WRITES, &why) == 0)
			return 0;
		has_key = c->fleet.seal != NULL;
		fleet_close(&c->fleet);
		if (!has_key || clock_ms() >= until ||
		    !database_may_come(tool->config->fleet_database, DATABASE_WRITES))
			return error_set(err, (enum snicert_code)why.code, "%s", why.text);
		if (!said)
			say("%s; waiting up to %u s for it", why.text, tool->wait);
		said = true;
		sleep(1);
	}
}

static int
take_head(struct carrying *c, struct admin *admin, struct snicert_error *err)
{
	struct catch_up_done done;

	if (open_database(c, err) != 0 || fleet_hold_head(&c->fleet, err) != 0 ||
	    read_position(c, admin, err) != 0 || fleet_check_member(&c->fleet, &c->position, err) != 0 ||
	    check_clock(c, err) != 0 || check_releases(c, admin, err) != 0 ||
	    catch_up(&c->fleet, admin, &c->position, &done, err) != 0)
		return -1;
	if (done.copy[0] != '\0')
		say("this store was not of the fleet's history (%s) and is now what the fleet has; what it was is in %s", done.why,
		    done.copy);
	return 0;
}

static int
begin(void *arg, struct admin *admin, struct snicert_error *err)
{
	struct carrying *c = arg;

	c->is_open = true;
	if (take_head(c, admin, err) == 0)
		return 0;
	let_go(c);
	return -1;
}

/* --- the octets of a change ----------------------------------------------------------- */

struct sending {
	struct fleet *fleet;
	struct snicert_error *err;
	int64_t seq, part, size;
	struct history_digest *digest;
	unsigned char *buffer;
	size_t used;
};

static int
send_part(struct sending *s)
{
	size_t used = s->used;

	s->used = 0;
	return used == 0 ? 0 : database_run(s->fleet->database, NULL, NULL, s->err,
	    "INSERT INTO snicert.change_part (seq, part, octets) VALUES ($1, $2::integer, $3)", "iib", s->seq, s->part++, s->buffer,
	    used);
}

static int
send_some(void *arg, const void *octets, size_t length)
{
	const unsigned char *from = octets;
	struct sending *s = arg;

	history_digest_add(s->digest, octets, length);
	s->size += (int64_t)length;
	while (length > 0) {
		size_t some = length < HISTORY_PART - s->used ? length : HISTORY_PART - s->used;

		memcpy(s->buffer + s->used, from, some);
		s->used += some;
		from += some;
		length -= some;
		if (s->used == HISTORY_PART && send_part(s) != 0)
			return -1;
	}
	return 0;
}

static int
send_rows(struct carrying *c, struct admin *admin, struct history_change *change, bool *empty, struct snicert_error *err)
{
	struct sending sending = { .fleet = &c->fleet, .err = err, .seq = change->seq, .digest = history_digest_new(),
		.buffer = malloc(HISTORY_PART) };
	int status = sending.buffer == NULL || sending.digest == NULL ? error_set(err, SNICERT_EMEMORY, "no memory")
	    : admin_changes_so_far(admin, send_some, &sending, empty, err);

	if (status == 0)
		status = send_part(&sending);
	change->size = sending.size;
	history_digest_end(sending.digest, change->digest);
	free(sending.buffer);
	return status;
}

/* --- one change --------------------------------------------------------------------- */

static int
take_mac(void *arg, const struct database_row *row)
{
	const unsigned char *mac = database_digest(row, 0);

	if (mac != NULL)
		memcpy(arg, mac, ADMIN_MAC_LENGTH);
	return 0;
}

/* The connection broke at commit.  1: the change is there, 0: it isn't; -1: nobody knows. */
static int
ask_outcome(struct carrying *c, const struct history_change *change)
{
	unsigned char mac[ADMIN_MAC_LENGTH] = {0};
	struct fleet again;

	for (int i = 0; i < ASKS; i++) {
		int status = -1;

		sleep(1);
		/* For writing, as what a standby lacks may be there. */
		if (fleet_open(&again, c->tool, DATABASE_WRITES, NULL) == 0)
			status = database_run(again.database, take_mac, mac, NULL, "SELECT mac FROM snicert.change WHERE seq = $1", "i",
			    change->seq);
		fleet_close(&again);
		if (status == 0)
			return memcmp(mac, change->mac, sizeof(mac)) == 0 ? 1 : 0;
	}
	return -1;
}

static int
commit_change(struct carrying *c, const struct history_change *change, struct snicert_error *err)
{
	struct snicert_error why = {0};
	int outcome;

	if (change_ring(&c->fleet, err) != 0)
		return -1;
	if (database_execute(c->fleet.database, "COMMIT", &why) == 0)
		return 0;
	outcome = database_trouble(c->fleet.database) == DATABASE_LOST ? ask_outcome(c, change) : 0;
	if (outcome == 1)
		return 0;
	if (outcome == 0)
		return error_set(err, (enum snicert_code)why.code, "%s; nothing was changed", why.text);
	return error_set(err, (enum snicert_code)why.code, "the database went away while it took change %lld, so nobody knows yet "
	    "whether it has it: `snicert fleet` tells once it is back (%s)", (long long)change->seq, why.text);
}

static int
make_change(struct carrying *c, struct history_change *change, struct admin_position *next, struct snicert_error *err)
{
	if (change_add(&c->fleet, change, err) != 0 || commit_change(c, change, err) != 0)
		return -1;
	*next = c->position;
	next->epoch = change->epoch;
	next->seq = change->seq;
	memcpy(next->history, change->mac, sizeof(next->history));
	c->position = *next;
	return 0;
}

/* Between the look at the head and the store's transaction it may have left the fleet. */
static int
check_place(const struct carrying *c, struct admin *admin, struct snicert_error *err)
{
	struct admin_position now;

	if (admin_position(admin, &now, err) != 0)
		return -1;
	return now.is_member && now.seq == c->position.seq ? 0
	    : error_set(err, SNICERT_ESTORE, "the store's place in the fleet has changed meanwhile; nothing was changed: try again");
}

static int
commit(void *arg, struct admin *admin, struct admin_position *next, struct snicert_error *err)
{
	struct carrying *c = arg;
	struct history_change change = change_next(&c->fleet, HISTORY_ROWS, admin_schema(admin));
	bool empty = false;

	if (check_place(c, admin, err) != 0 || send_rows(c, admin, &change, &empty, err) != 0)
		return -1;
	return empty ? 0 : make_change(c, &change, next, err);
}

static int
replace(void *arg, struct admin *admin, const char *path, struct admin_position *next, struct snicert_error *err)
{
	struct carrying *c = arg;
	struct history_change change = change_next(&c->fleet, HISTORY_STORE, admin_schema(admin));
	struct history_snapshot snapshot = { .epoch = change.epoch, .seq = change.seq, .at = change.at,
		.schema = change.schema };
	int64_t after;

	/* The snapshot bears the change's MAC, and the change the digest of the store. */
	if (snapshot_digest(path, change.digest, &change.size, err) != 0 ||
	    history_sign_change(c->fleet.seal, c->fleet.id, &change, err) != 0)
		return -1;
	memcpy(snapshot.history, change.mac, sizeof(snapshot.history));
	after = change.size;
	if (snapshot_put(&c->fleet, path, &snapshot, err) != 0)
		return -1;
	if (snapshot.size != after)
		return error_set(err, SNICERT_ESTORE, "%s was changed while it was read", path);
	return make_change(c, &change, next, err);
}

/* Best effort: `snicert follow` tells it too, where it runs. */
static void
tell_position(struct carrying *c)
{
	struct snicert_error err = {0};

	node_say(&c->fleet, &c->position, "", &err);
}

static void
end(void *arg, struct admin *admin, bool kept)
{
	struct carrying *c = arg;

	(void)admin;
	if (c->is_open && kept)
		tell_position(c);
	let_go(c);
}

void
carry_to_fleet(const struct tool *tool)
{
	static const struct admin_carrier carrier = { begin, commit, replace, end };

	carrying.tool = tool;
	admin_carry_by(fleet_is_configured(tool) ? &carrier : NULL, &carrying);
}
