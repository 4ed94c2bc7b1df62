/* SPDX-License-Identifier: ISC */
/* member.c: founding, joining, leaving. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "fleet/member.h"
#include "fleet/node.h"
#include "fleet/schema.h"
#include "fleet/snapshot.h"

/* Where an administrator of the database has made them (--print-sql) this role need not be able to. */
static int
make_tables(struct fleet *fleet, struct snicert_error *err)
{
	struct snicert_error why = {0};
	int64_t fleets = 0;
	int status;

	status = database_run(fleet->database, database_first_int, &fleets, &why, "SELECT 1 FROM snicert.fleet", "");
	if (status == 0 && fleets > 0)
		return error_set(err, SNICERT_ESTORE, "there is a fleet in %s already: `snicert fleet join` makes this store one of it",
		    database_describe(fleet->database));
	if (status == 0)
		return 0;
	if (database_trouble(fleet->database) != DATABASE_NO_TABLES)
		return error_set(err, (enum snicert_code)why.code, "%s", why.text);
	error_clear(&why);
	if (database_execute(fleet->database, schema_sql, &why) == 0)
		return 0;
	if (database_trouble(fleet->database) != DATABASE_FORBIDDEN)
		return error_set(err, (enum snicert_code)why.code, "%s", why.text);
	return error_set(err, SNICERT_EPERM, "this role may not make the fleet's tables: have the administrator of the database run "
	    "what `snicert fleet init --print-sql` prints, and make this role a member of snicert_writer");
}

static int
not_yet(struct admin *admin, struct snicert_error *err)
{
	struct admin_position position;

	if (admin_position(admin, &position, err) != 0)
		return -1;
	return !position.is_member ? 0 : error_set(err, SNICERT_ESTORE, "the store is of a fleet already: take it out with "
	    "`snicert fleet leave` first");
}

static int
insert_fleet(struct fleet *fleet, const struct admin_position *position, struct history_snapshot *snapshot,
    const char *path, struct snicert_error *err)
{
	if (database_execute(fleet->database, "BEGIN", err) != 0)
		return -1;
	if (database_run(fleet->database, NULL, NULL, err, "INSERT INTO snicert.fleet (id, version) VALUES ($1, $2::integer)", "ti",
	        position->fleet, (int64_t)SCHEMA_VERSION) == 0 &&
	    database_run(fleet->database, NULL, NULL, err, "INSERT INTO snicert.head (epoch, seq, history) VALUES ($1, $2, $3)",
	        "iib", position->epoch, position->seq, position->history, sizeof(position->history)) == 0 &&
	    snapshot_put(fleet, path, snapshot, err) == 0 && database_execute(fleet->database, "COMMIT", err) == 0)
		return 0;
	database_execute(fleet->database, "ROLLBACK", NULL);
	return -1;
}

/* Of what is committed: by another connection, as one that writes can't be copied from. */
static int
copy(const struct fleet *fleet, const char *path, struct snicert_error *err)
{
	struct admin *reader = NULL;
	int status = admin_open(&reader, fleet->tool->config->store_path, ADMIN_READ, err);

	if (status == 0)
		status = admin_backup(reader, path, err);
	admin_close(reader);
	return status;
}

/* The store is held from the copy to its place in the history: nobody changes it in between. */
static int
found(struct fleet *fleet, struct admin *admin, struct admin_position *position, const char *path,
    struct snicert_error *err)
{
	struct history_snapshot snapshot = { .epoch = position->epoch, .seq = position->seq, .at = (int64_t)time(NULL),
		.schema = admin_schema(admin) };

	memcpy(snapshot.history, position->history, sizeof(snapshot.history));
	if (admin_apply_begin(admin, err) != 0)
		return -1;
	if (not_yet(admin, err) == 0 && copy(fleet, path, err) == 0 &&
	    insert_fleet(fleet, position, &snapshot, path, err) == 0)
		return admin_apply_commit(admin, position, err);
	admin_apply_rollback(admin);
	return -1;
}

int
member_found(struct fleet *fleet, struct admin *admin, struct admin_position *position, struct snicert_error *err)
{
	char path[PATH_MAX];
	int status;

	*position = (struct admin_position){ .is_member = true, .epoch = 1 };
	if (not_yet(admin, err) != 0 || make_tables(fleet, err) != 0 || history_new_id(position->fleet, err) != 0 ||
	    history_new_id(position->node, err) != 0 ||
	    history_start(fleet->seal, position->fleet, position->history, err) != 0)
		return -1;
	snprintf(fleet->id, sizeof(fleet->id), "%s", position->fleet);
	snprintf(path, sizeof(path), "%s.snapshot", fleet->tool->config->store_path);
	admin_unlink(path); /* left by a killed run */
	status = found(fleet, admin, position, path, err);
	admin_unlink(path);
	return status;
}

/* A machine that was set up anew, or a name that was given twice: a person knows which. */
static int
name_is_free(struct fleet *fleet, struct snicert_error *err)
{
	int64_t rows = 0;

	if (database_run(fleet->database, database_first_int, &rows, err, "SELECT 1 FROM snicert.node WHERE name = $1", "t", fleet->node) != 0)
		return -1;
	return rows == 0 ? 0 : node_taken(fleet, err);
}

int
member_join(struct fleet *fleet, struct admin *admin, bool replace, struct admin_position *position,
    struct catch_up_done *done, struct snicert_error *err)
{
	const char *store = fleet->tool->config->store_path;
	struct admin_totals totals;
	char copy[PATH_MAX] = "";

	if (not_yet(admin, err) != 0 || fleet_head(fleet, err) != 0 || name_is_free(fleet, err) != 0 ||
	    admin_totals(admin, &totals, err) != 0)
		return -1;
	if (totals.chains > 0 && !replace)
		return error_set(err, SNICERT_ESTORE, "store %s has %lld chain%s of its own: with --replace the fleet's store takes its "
		    "place, and a copy of it stays", store, (long long)totals.chains, totals.chains == 1 ? "" : "s");
	if (totals.chains > 0) {
		for (int i = 0; i < 1000 && (i == 0 || access(copy, F_OK) == 0); i++)
			snprintf(copy, sizeof(copy), i == 0 ? "%s.before-fleet" : "%s.before-fleet.%d", store, i);
		if (admin_backup(admin, copy, err) != 0)
			return -1;
	}
	if (catch_up_anew(fleet, admin, position, done, err) != 0)
		return -1;
	snprintf(done->copy, sizeof(done->copy), "%s", copy);
	return 0;
}

int
member_leave(struct admin *admin, struct snicert_error *err)
{
	const struct admin_position none = {0};

	return admin_apply_begin(admin, err) == 0 ? admin_apply_commit(admin, &none, err) : -1;
}
