/* SPDX-License-Identifier: ISC */
/*
 * admin_apply.c: changes that another store has made, made here.
 *
 * SQLite's sqlite3changeset_apply_strm() compiles its statements for each change anew, which is nearly all
 * of its time where changes are small.  So a change is first replayed row by row with statements that are
 * kept, and where anything is not as the change says, nothing of that counts: SQLite's own has the last
 * word, on what order helps and on what stands in the way.
 */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "store/admin_fleet.h"
#include "store/admin_sql.h"

#ifdef HAVE_FLEET
struct getting {
	admin_get_fn *get;
	void *arg;
	int64_t at;
};

static int
get_some(void *arg, void *octets, int *length)
{
	struct getting *getting = arg;
	size_t wanted = (size_t)*length;

	if (getting->get(getting->arg, getting->at, octets, &wanted) != 0)
		return SQLITE_IOERR_READ;
	getting->at += (int64_t)wanted;
	*length = (int)wanted;
	return SQLITE_OK;
}

/* --- row by row ------------------------------------------------------------------- */

#define COLUMNS_MOST 64

/* A row's old and new values, NULL where the change says nothing of a column. */
struct row {
	const char *table;
	int operation, count;           /* SQLITE_INSERT, _UPDATE or _DELETE; columns */
	unsigned char *is_key;          /* of each column */
	sqlite3_value *was[COLUMNS_MOST], *becomes[COLUMNS_MOST];
	uint64_t changed;               /* columns of an update */
};

/* A statement for rows of a kind: of column i, parameter i + 1 is what it was, count + i + 1 what it becomes. */
struct admin_replay {
	char *table;
	int operation;
	uint64_t changed;
	sqlite3_stmt *statement;
	struct admin_replay *next;
};

static bool
read_row(sqlite3_changeset_iter *change, struct row *row)
{
	int indirect;

	row->changed = 0;
	if (sqlite3changeset_op(change, &row->table, &row->count, &row->operation, &indirect) != SQLITE_OK ||
	    sqlite3changeset_pk(change, &row->is_key, NULL) != SQLITE_OK || row->count > COLUMNS_MOST)
		return false;
	for (int i = 0; i < row->count; i++) {
		row->was[i] = row->becomes[i] = NULL;
		if ((row->operation != SQLITE_INSERT && sqlite3changeset_old(change, i, &row->was[i]) != SQLITE_OK) ||
		    (row->operation != SQLITE_DELETE && sqlite3changeset_new(change, i, &row->becomes[i]) != SQLITE_OK))
			return false;
		if (row->operation == SQLITE_UPDATE && row->becomes[i] != NULL)
			row->changed |= UINT64_C(1) << i;
	}
	return true;
}

struct clauses {
	const struct row *row;
	int count;                      /* of the table's columns */
	sqlite3_str *values, *where;
};

static int
add_column(void *arg, sqlite3_stmt *column)
{
	struct clauses *clauses = arg;
	const struct row *row = clauses->row;
	const char *name = admin_text(column, 0);
	int i = clauses->count++;

	if (i >= row->count)
		return 0;
	if (row->was[i] != NULL)
		sqlite3_str_appendf(clauses->where, "%s\"%w\" %s ?%d", sqlite3_str_length(clauses->where) > 0 ? " AND " : "", name,
		    row->is_key[i] ? "=" : "IS", i + 1);
	if (row->becomes[i] == NULL)
		return 0;
	if (sqlite3_str_length(clauses->values) > 0)
		sqlite3_str_appendall(clauses->values, ", ");
	if (row->operation == SQLITE_UPDATE)
		sqlite3_str_appendf(clauses->values, "\"%w\" = ", name);
	sqlite3_str_appendf(clauses->values, "?%d", row->count + i + 1);
	return 0;
}

/* NULL: the table is not what the change was made in, or there is no memory. */
static char *
row_sql(struct admin *admin, const struct row *row)
{
	struct clauses clauses = { row, 0, sqlite3_str_new(admin->db), sqlite3_str_new(admin->db) };
	int status = admin_run(admin, add_column, &clauses, NULL, "SELECT name FROM pragma_table_info(?1)", "t", row->table);
	char *values = sqlite3_str_finish(clauses.values), *where = sqlite3_str_finish(clauses.where), *sql = NULL;

	if (status == 0 && clauses.count == row->count && (values != NULL || where != NULL)) {
		if (row->operation == SQLITE_INSERT)
			sql = sqlite3_mprintf("INSERT INTO main.\"%w\" VALUES (%s)", row->table, values);
		else if (row->operation == SQLITE_DELETE)
			sql = sqlite3_mprintf("DELETE FROM main.\"%w\" WHERE %s", row->table, where);
		else
			sql = sqlite3_mprintf("UPDATE main.\"%w\" SET %s WHERE %s", row->table, values, where);
	}
	sqlite3_free(values);
	sqlite3_free(where);
	return sql;
}

void
admin_replay_free(struct admin *admin)
{
	struct admin_replay *replay;

	while ((replay = admin->replays) != NULL) {
		admin->replays = replay->next;
		sqlite3_finalize(replay->statement);
		free(replay->table);
		free(replay);
	}
}

static sqlite3_stmt *
compile(struct admin *admin, const struct row *row)
{
	struct admin_replay *replay = calloc(1, sizeof(*replay));
	char *sql = row_sql(admin, row);

	if (replay == NULL || sql == NULL || (replay->table = strdup(row->table)) == NULL ||
	    sqlite3_prepare_v3(admin->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &replay->statement, NULL) != SQLITE_OK) {
		sqlite3_free(sql);
		if (replay != NULL)
			free(replay->table);
		free(replay);
		return NULL;
	}
	sqlite3_free(sql);
	replay->operation = row->operation;
	replay->changed = row->changed;
	replay->next = admin->replays;
	admin->replays = replay;
	return replay->statement;
}

/* Our few tables make a few dozen kinds of rows. */
static sqlite3_stmt *
statement_of(struct admin *admin, const struct row *row)
{
	for (struct admin_replay *replay = admin->replays; replay != NULL; replay = replay->next)
		if (replay->operation == row->operation && replay->changed == row->changed &&
		    strcmp(replay->table, row->table) == 0)
			return replay->statement;
	return compile(admin, row);
}

static bool
replay_row(struct admin *admin, sqlite3_changeset_iter *change)
{
	struct row row;
	sqlite3_stmt *statement = read_row(change, &row) ? statement_of(admin, &row) : NULL;
	int rc = SQLITE_OK;
	bool done;

	if (statement == NULL)
		return false;
	for (int i = 0; i < row.count && rc == SQLITE_OK; i++) {
		if (row.was[i] != NULL)
			rc = sqlite3_bind_value(statement, i + 1, row.was[i]);
		if (rc == SQLITE_OK && row.becomes[i] != NULL)
			rc = sqlite3_bind_value(statement, row.count + i + 1, row.becomes[i]);
	}
	done = rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_DONE && sqlite3_changes(admin->db) == 1;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return done;
}

/* Whether all was as the change says; otherwise nothing is changed. */
static bool
replay_all(struct admin *admin, struct getting getting)
{
	sqlite3_changeset_iter *change = NULL;
	int rc;

	if (admin_savepoint(admin, NULL) != 0)
		return false;
	rc = sqlite3changeset_start_strm(&change, get_some, &getting);
	while (rc == SQLITE_OK && (rc = sqlite3changeset_next(change)) == SQLITE_ROW)
		rc = replay_row(admin, change) ? SQLITE_OK : SQLITE_ABORT;
	if (sqlite3changeset_finalize(change) != SQLITE_OK)
		rc = SQLITE_ABORT;
	return admin_release(admin, rc == SQLITE_DONE, NULL) == 0 && rc == SQLITE_DONE;
}

/* --- SQLite's own ------------------------------------------------------------------ */

/* What stood in the way first. */
struct conflict {
	bool any;
	char text[160];
};

static const char *
conflict_text(int conflict)
{
	switch (conflict) {
	case SQLITE_CHANGESET_DATA:
		return "a row differs";
	case SQLITE_CHANGESET_NOTFOUND:
		return "a row is missing";
	case SQLITE_CHANGESET_CONFLICT:
		return "a row is there already";
	default:
		return "a row does not fit";
	}
}

static int
on_conflict(void *arg, int what, sqlite3_changeset_iter *change)
{
	struct conflict *conflict = arg;
	const char *table = "?";
	int columns, operation, indirect;

	if (!conflict->any && what != SQLITE_CHANGESET_FOREIGN_KEY)
		sqlite3changeset_op(change, &table, &columns, &operation, &indirect);
	if (!conflict->any)
		snprintf(conflict->text, sizeof(conflict->text), "%s in the table %s", conflict_text(what), table);
	conflict->any = true;
	return SQLITE_CHANGESET_ABORT;
}

int
admin_apply(struct admin *admin, admin_get_fn *get, void *arg, struct snicert_error *err)
{
	struct getting getting = { get, arg, 0 };
	struct conflict conflict = {0};
	int rc;

	if (replay_all(admin, getting))
		return 0;
	rc = sqlite3changeset_apply_strm(admin->db, get_some, &getting, NULL, on_conflict, &conflict);
	if (conflict.any) {
		error_set(err, SNICERT_ESTORE, "store %s is not what the fleet's other stores are: %s", admin->path,
		    conflict.text);
		return 1;
	}
	return rc == SQLITE_OK ? 0 : admin_trouble(admin, rc, "a change of the fleet's can't be applied", err);
}

#else
void
admin_replay_free(struct admin *admin)
{
	(void)admin;
}

int
admin_apply(struct admin *admin, admin_get_fn *get, void *arg, struct snicert_error *err)
{
	(void)get;
	(void)arg;
	return admin_record_begin(admin, err);
}
#endif
