/* SPDX-License-Identifier: ISC */
/* admin_run.c: running SQL, and its errors. */
#include <stdarg.h>
#include <string.h>

#include "error.h"
#include "store/admin_sql.h"
#include "store/holder.h"

int
admin_trouble(const struct admin *admin, int rc, const char *what, struct snicert_error *err)
{
	const char *fix = "";
	char who[320];

	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_PROTOCOL)
		return error_set(err, SNICERT_ESTORE, "store %s: waited %u s for %s, which is writing: try again, or wait "
		    "longer with --wait", admin->path, admin_waits(), holder_describe(admin->path, who, sizeof(who)));
	if ((rc & 0xff) == SQLITE_FULL)
		fix = "; nothing was changed: make room and try again";
	else if (rc == SQLITE_IOERR_SHORT_READ && admin_wal_is_cut(admin))
		return error_set(err, SNICERT_ESTORE, "store %s: its -wal was removed or emptied while programs have the "
		    "store open: stop those (`fuser %s`), run `snicert verify`, and restore a backup with `snicert restore` "
		    "if something is missing", admin->path, admin->path);
	else if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
		fix = "; restore a backup with `snicert restore`";
	else if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_PERM)
		fix = "; run as the store's owner";
	else
		fix = store_fix(admin->path, rc);
	return error_set(err, rc == SQLITE_NOMEM ? SNICERT_EMEMORY : SNICERT_ESTORE,
	    "store %s: %s: %s%s", admin->path, what,
	    admin->db != NULL ? sqlite3_errmsg(admin->db) : sqlite3_errstr(rc), fix);
}

static sqlite3_stmt *
statement_for(struct admin *admin, const char *sql, struct snicert_error *err)
{
	size_t i;
	int rc;

	for (i = 0; i < ADMIN_STATEMENTS && admin->cache[i].sql != NULL; i++)
		if (admin->cache[i].sql == sql)
			return admin->cache[i].statement;
	if (i == ADMIN_STATEMENTS) {
		i = ADMIN_STATEMENTS - 1;
		sqlite3_finalize(admin->cache[i].statement);
		admin->cache[i].sql = NULL;
	}
	rc = sqlite3_prepare_v3(admin->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
	    &admin->cache[i].statement, NULL);
	if (rc != SQLITE_OK) {
		admin_trouble(admin, rc, "its tables don't fit", err);
		return NULL;
	}
	admin->cache[i].sql = sql;
	return admin->cache[i].statement;
}

static int
bind_all(sqlite3_stmt *statement, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *types != '\0' && rc == SQLITE_OK; types++, i++) {
		if (*types == 'i') {
			rc = sqlite3_bind_int64(statement, i, va_arg(ap, int64_t));
		} else if (*types == 't') {
			rc = sqlite3_bind_text(statement, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		} else {
			const void *data = va_arg(ap, const void *);

			rc = sqlite3_bind_blob64(statement, i, data, va_arg(ap, size_t), SQLITE_TRANSIENT);
		}
	}
	return rc;
}

static int
run_list(struct admin *admin, admin_row_fn *row, void *arg, struct snicert_error *err,
    const char *sql, const char *types, va_list ap)
{
	sqlite3_stmt *statement = statement_for(admin, sql, err);
	int rc, status = 0;

	if (statement == NULL)
		return -1;
	rc = bind_all(statement, types, ap);
	if (rc == SQLITE_OK) {
		while (status == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW)
			if (row != NULL)
				status = row(arg, statement);
	}
	if (status == 0 && rc != SQLITE_DONE && rc != SQLITE_OK)
		status = admin_trouble(admin, rc, "failed", err);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return status;
}

int
admin_run(struct admin *admin, admin_row_fn *row, void *arg, struct snicert_error *err,
    const char *sql, const char *types, ...)
{
	va_list ap;
	int status;

	va_start(ap, types);
	status = run_list(admin, row, arg, err, sql, types, ap);
	va_end(ap);
	return status;
}

static int
take_number(void *arg, sqlite3_stmt *row)
{
	*(int64_t *)arg = sqlite3_column_int64(row, 0);
	return 1;
}

int
admin_number(struct admin *admin, int64_t *out, struct snicert_error *err, const char *sql,
    const char *types, ...)
{
	va_list ap;
	int status;

	va_start(ap, types);
	status = run_list(admin, take_number, out, err, sql, types, ap);
	va_end(ap);
	return status < 0 ? -1 : 0;
}

int
admin_execute(struct admin *admin, const char *sql, struct snicert_error *err)
{
	int rc = sqlite3_exec(admin->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : admin_trouble(admin, rc, "failed", err);
}

int
admin_pragma(struct admin *admin, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(admin->db, sql, -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

const unsigned char *
admin_digest(sqlite3_stmt *row, int column)
{
	static const unsigned char none[STORE_DIGEST_LENGTH];
	const void *octets = sqlite3_column_blob(row, column);

	return octets != NULL && sqlite3_column_bytes(row, column) == STORE_DIGEST_LENGTH ? octets : none;
}

const char *
admin_text(sqlite3_stmt *row, int column)
{
	const unsigned char *octets = sqlite3_column_text(row, column);

	return octets != NULL ? (const char *)octets : "";
}
