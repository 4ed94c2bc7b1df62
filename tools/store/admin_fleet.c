/* SPDX-License-Identifier: ISC */
/* admin_fleet.c: the store's position in a fleet's history, and transactions as changes. */
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "store/admin_fleet.h"
#include "store/admin_sql.h"

static const struct admin_carrier *carrier;
static void *carrier_arg;

void
admin_carry_by(const struct admin_carrier *by, void *arg)
{
	carrier = by;
	carrier_arg = arg;
}

static int
position_row(void *arg, sqlite3_stmt *row)
{
	struct admin_position *position = arg;

	position->is_member = true;
	snprintf(position->fleet, sizeof(position->fleet), "%s", admin_text(row, 0));
	snprintf(position->node, sizeof(position->node), "%s", admin_text(row, 1));
	position->epoch = sqlite3_column_int64(row, 2);
	position->seq = sqlite3_column_int64(row, 3);
	memcpy(position->history, admin_digest(row, 4), ADMIN_MAC_LENGTH);
	return 1;
}

int
admin_position(struct admin *admin, struct admin_position *out, struct snicert_error *err)
{
	*out = (struct admin_position){0};
	return admin_run(admin, position_row, out, err, "SELECT fleet, node, epoch, seq, history FROM fleet", "") < 0
	    ? -1 : 0;
}

int
admin_set_position(struct admin *admin, const struct admin_position *position, struct snicert_error *err)
{
	if (!position->is_member)
		return admin_run(admin, NULL, NULL, err, "DELETE FROM fleet", "");
	return admin_run(admin, NULL, NULL, err,
	    "INSERT OR REPLACE INTO fleet (one, fleet, node, epoch, seq, history) VALUES (1, ?1, ?2, ?3, ?4, ?5)",
	    "ttiib", position->fleet, position->node, position->epoch, position->seq, position->history,
	    (size_t)ADMIN_MAC_LENGTH);
}

/* --- transactions of the fleet's --------------------------------------------- */

/* A change has what its deletions took along: were that to happen here too, its rows would be missing.
 * Whether references are kept can't be changed within a transaction. */
static void
keep_references(struct admin *admin, bool keep)
{
	sqlite3_db_config(admin->db, SQLITE_DBCONFIG_ENABLE_FKEY, keep ? 1 : 0, NULL);
}

int
admin_apply_begin(struct admin *admin, struct snicert_error *err)
{
	keep_references(admin, false);
	if (admin_execute(admin, "BEGIN IMMEDIATE", err) == 0)
		return 0;
	keep_references(admin, true);
	return -1;
}

int
admin_apply_commit(struct admin *admin, const struct admin_position *position, struct snicert_error *err)
{
	if (admin_set_position(admin, position, err) != 0 || admin_execute(admin, "COMMIT", err) != 0) {
		admin_apply_rollback(admin);
		return -1;
	}
	keep_references(admin, true);
	admin->changed = true;
	admin_await_tick();
	return 0;
}

void
admin_apply_rollback(struct admin *admin)
{
	if (!sqlite3_get_autocommit(admin->db))
		sqlite3_exec(admin->db, "ROLLBACK", NULL, NULL, NULL);
	keep_references(admin, true);
}

/* --- recording and applying --------------------------------------------------- */

#ifdef HAVE_FLEET
/* Where a node stands is its own. */
static int
is_shared(void *unused, const char *table)
{
	(void)unused;
	return strcmp(table, "fleet") != 0;
}

int
admin_record_begin(struct admin *admin, struct snicert_error *err)
{
	int rc = sqlite3session_create(admin->db, "main", &admin->session);

	if (rc == SQLITE_OK) {
		sqlite3session_table_filter(admin->session, is_shared, NULL);
		rc = sqlite3session_attach(admin->session, NULL);
	}
	if (rc == SQLITE_OK)
		return 0;
	admin_record_end(admin);
	return admin_trouble(admin, rc, "its changes can't be recorded", err);
}

void
admin_record_end(struct admin *admin)
{
	if (admin->session != NULL)
		sqlite3session_delete(admin->session);
	admin->session = NULL;
}

struct putting {
	admin_put_fn *put;
	void *arg;
	bool any;
};

static int
put_some(void *arg, const void *octets, int length)
{
	struct putting *putting = arg;

	putting->any = putting->any || length > 0;
	return length <= 0 || putting->put(putting->arg, octets, (size_t)length) == 0 ? SQLITE_OK : SQLITE_ABORT;
}

int
admin_changes_so_far(struct admin *admin, admin_put_fn *put, void *arg, bool *empty, struct snicert_error *err)
{
	struct putting putting = { .put = put, .arg = arg };
	int rc = sqlite3session_changeset_strm(admin->session, put_some, &putting);

	*empty = !putting.any;
	if (rc == SQLITE_OK)
		return 0;
	/* Whoever takes it has said why. */
	return rc == SQLITE_ABORT ? -1 : admin_trouble(admin, rc, "its changes can't be read", err);
}

#else /* nothing is recorded where nothing is carried */
int
admin_record_begin(struct admin *admin, struct snicert_error *err)
{
	(void)admin;
	return error_set(err, SNICERT_EUSAGE, "this snicert was built without fleets");
}

void
admin_record_end(struct admin *admin)
{
	(void)admin;
}

int
admin_changes_so_far(struct admin *admin, admin_put_fn *put, void *arg, bool *empty, struct snicert_error *err)
{
	(void)put;
	(void)arg;
	*empty = true;
	return admin_record_begin(admin, err);
}
#endif

/* --- who carries -------------------------------------------------------------- */

/* Whether this transaction is to be carried: 1, 0; or -1, as it may not be made. */
static int
asks_carrier(struct admin *admin, struct snicert_error *err)
{
	struct admin_position position;

	if (carrier != NULL)
		return 1;
	/* Of a damaged store nothing is known, and `restore` mends it. */
	if (admin_position(admin, &position, NULL) != 0 || !position.is_member)
		return 0;
	return error_set(err, SNICERT_ESTORE, "store %s is of a fleet, and the configuration has no `fleet` section: "
	    "add it, or take the store out of the fleet with `snicert fleet leave`", admin->path);
}

int
admin_carry_begin(struct admin *admin, struct snicert_error *err)
{
	int carries = asks_carrier(admin, err);

	if (carries != 1)
		return carries;
	if (carrier->begin(carrier_arg, admin, err) != 0)
		return -1;
	admin->is_carried = true;
	return 0;
}

void
admin_carry_end(struct admin *admin, bool kept)
{
	admin_record_end(admin);
	if (admin->is_carried)
		carrier->end(carrier_arg, admin, kept);
	admin->is_carried = false;
}

int
admin_carry_commit(struct admin *admin, struct admin_position *next, struct snicert_error *err)
{
	return admin->is_carried ? carrier->commit(carrier_arg, admin, next, err) : 0;
}

int
admin_carry_replace(struct admin *admin, const char *path, struct admin_position *next, struct snicert_error *err)
{
	return carrier->replace(carrier_arg, admin, path, next, err);
}

int
admin_carry_not_kept(const struct snicert_error *why, struct snicert_error *err)
{
	return error_set(err, (enum snicert_code)why->code, "the fleet has the change, only this node could not keep it: "
	    "don't do it again, `snicert follow` gets it (%s)", why->text);
}

void
admin_unlink(const char *path)
{
	unlink(path);
	admin_remove_leftovers(path);
}

int64_t
admin_schema(struct admin *admin)
{
	int64_t schema = 0;

	admin_pragma(admin, "PRAGMA user_version", &schema);
	return schema;
}
