/* SPDX-License-Identifier: ISC */
/* admin_copy.c: backup and restore. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "rename.h"
#include "store/admin_sql.h"
#include "tool.h"

#define PAGES_A_STEP 256

/* What to do once nobody else can write, before copying a page. */
struct locked {
	admin_check_fn *check;
	void *arg;
};

static int go_on_counting(struct admin *copy, struct admin *store, struct snicert_error *err);

static int
when_locked(const struct locked *locked, struct admin *from, struct admin *to, struct snicert_error *err)
{
	if (locked->check != NULL && locked->check(locked->arg, from, err) != 0)
		return -1;
	return go_on_counting(from, to, err);
}

static int
copy_all(struct admin *admin, sqlite3 *to, struct admin *from, const struct locked *locked,
    struct snicert_error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->db, "main");
	int rc = backup == NULL ? sqlite3_errcode(to) : SQLITE_OK, status = 0;

	if (backup != NULL && locked != NULL) {
		rc = sqlite3_backup_step(backup, 0);
		if (rc == SQLITE_OK)
			status = when_locked(locked, from, admin, err);
	}
	if (backup != NULL) {
		/* In one go: a reader must not see a half-restored store.  It waits for others itself. */
		while (rc == SQLITE_OK && status == 0) {
			rc = sqlite3_backup_step(backup, admin->copied == NULL ? -1 : PAGES_A_STEP);
			if (admin->copied != NULL && (rc == SQLITE_OK || rc == SQLITE_DONE))
				admin->copied(admin->copied_arg,
				    sqlite3_backup_pagecount(backup) - sqlite3_backup_remaining(backup),
				    sqlite3_backup_pagecount(backup));
		}
		sqlite3_backup_finish(backup);
		admin_await_tick();
	}
	if (status != 0)
		return -1;
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
		return admin_trouble(admin, SQLITE_BUSY, "can't be copied", err);
	return rc == SQLITE_DONE
	    ? 0
	    : error_set(err, SNICERT_ESTORE, "%s can't be written: %s", sqlite3_db_filename(to, "main"),
	          sqlite3_errstr(rc));
}

void
admin_on_copied(struct admin *admin, admin_copied_fn *copied, void *arg)
{
	admin->copied = copied;
	admin->copied_arg = arg;
}

/* SQLite has a text for a full disk, except at the wrong moment. */
static int
cant_write(sqlite3 *to, const char *path, struct snicert_error *err)
{
	int why = (sqlite3_errcode(to) & 0xff) == SQLITE_IOERR ? sqlite3_system_errno(to) : 0;

	return error_set(err, SNICERT_ESTORE, "%s can't be written: %s", path, why != 0 ? strerror(why) : sqlite3_errmsg(to));
}

/* Hold a snapshot, or a commit would restart the copy. */
static int
write_copy(struct admin *admin, const char *path, struct snicert_error *err)
{
	sqlite3 *to = NULL;
	bool own = sqlite3_get_autocommit(admin->db) != 0;
	int64_t any;
	int status = -1;

	if (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		sqlite3_close(to);
		return error_set(err, SNICERT_ESTORE, "can't write %s", path);
	}
	if ((!own || admin_execute(admin, "BEGIN", err) == 0) &&
	    admin_number(admin, &any, err, "SELECT count(*) FROM sqlite_schema", "") == 0)
		status = copy_all(admin, to, admin, NULL, err);
	if (own)
		admin_rollback(admin);
	/* A self-contained file: no WAL beside it. */
	if (status == 0 && sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
		status = cant_write(to, path, err);
	sqlite3_close(to);
	return status;
}

/* Never overwrite a file that has appeared. */
static int
give_name(const char *part, const char *path, struct snicert_error *err)
{
	if (rename_by(part, path, RENAME_NOREPLACE) == 0 ||
	    (errno == EINVAL && link(part, path) == 0)) /* some file systems support neither */
		return 0;
	if (errno == EEXIST)
		return error_set(err, SNICERT_ESTORE, ADMIN_THERE_ALREADY, path);
	return error_system(err, "can't create %s", path);
}

/* Under another name until complete: a file with a backup's name is one. */
int
admin_backup(struct admin *admin, const char *path, struct snicert_error *err)
{
	size_t size = strlen(path) + sizeof(".part");
	char *part = malloc(size);
	int status = -1;

	if (part == NULL)
		return error_set(err, SNICERT_EMEMORY, "no memory");
	snprintf(part, size, "%s.part", path);
	if (access(path, F_OK) == 0) {
		free(part);
		return error_set(err, SNICERT_ESTORE, ADMIN_THERE_ALREADY, path);
	}
	unlink(part); /* left by a killed run */
	if (admin_create_file(part, (gid_t)-1, false, err) == 0) {
		status = write_copy(admin, part, err);
		if (status == 0)
			status = give_name(part, path, err);
		unlink(part);
		admin_remove_leftovers(part);
	}
	free(part);
	return status;
}

static void
count_fault(void *arg, const char *fault)
{
	(void)fault;
	++*(int *)arg;
}

/* Before copying any page. */
static int
check_backup(struct admin *from, int64_t *schema, struct snicert_error *err)
{
	struct snicert_error first = {0};
	int64_t application = 0;
	int faults = 0;

	if (admin_pragma(from, "PRAGMA application_id", &application) != SQLITE_OK ||
	    admin_pragma(from, "PRAGMA user_version", schema) != SQLITE_OK ||
	    application != STORE_APPLICATION_ID || *schema < 1 || *schema > STORE_SCHEMA) {
		/* It says why, unless the trouble was momentary. */
		if (admin_check_schema(from, ADMIN_READ, &first) == 0)
			return error_set(err, SNICERT_ESTORE, "the backup %s can't be read: nothing was changed; try again",
			    from->path);
		return error_set(err, (enum snicert_code)first.code, "%s", first.text);
	}
	if (admin_integrity(from, count_fault, &faults, &first) != 0 || faults > 0)
		return error_set(err, SNICERT_ESTORE,
		    "the backup %s is damaged: nothing was changed; take another one", from->path);
	return 0;
}

/* A temporary database: "" is a file that SQLite removes, ":memory:" is none. */
static int
open_scratch(struct admin *scratch, const char *where, struct snicert_error *err)
{
	scratch->path = (char *)(uintptr_t)"for a restore";
	if (sqlite3_open_v2(where, &scratch->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	        SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return admin_trouble(scratch, SQLITE_CANTOPEN, "can't be made", err);
	return 0;
}

static void
close_borrowed(struct admin *admin)
{
	for (size_t i = 0; i < ADMIN_STATEMENTS; i++)
		sqlite3_finalize(admin->cache[i].statement);
	sqlite3_close(admin->db);
}

static int
copy_text(void *arg, sqlite3_stmt *row)
{
	const char *text = (const char *)sqlite3_column_text(row, 0);
	char *copy = strdup(text == NULL ? "" : text);

	if (copy == NULL)
		return -1;
	*(char **)arg = copy;
	return 1;
}

/* All tables with their columns, and triggers and the like.  Caller frees. */
static char *
shape(struct admin *admin)
{
	char *text = NULL;

	admin_run(admin, copy_text, &text, NULL,
	    "SELECT group_concat(item, char(10)) FROM (SELECT m.name || '.' || x.name || ' ' || x.type"
	    " || x.\"notnull\" || x.pk AS item FROM sqlite_schema m, pragma_table_xinfo(m.name) x"
	    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
	    " UNION ALL SELECT type || ' ' || name FROM sqlite_schema WHERE type IN ('view', 'trigger')"
	    " ORDER BY item)", "");
	return text;
}

/* Whether it has exactly the tables of this release. */
static int
check_shape(struct admin *from, const char *path, struct snicert_error *err)
{
	struct admin fresh = {0};
	char *wanted = NULL, *got = NULL;
	int status = -1;

	if (open_scratch(&fresh, ":memory:", err) == 0 && admin_migrate(&fresh, err) == 0) {
		wanted = shape(&fresh);
		got = shape(from);
		if (wanted != NULL && got != NULL && strcmp(wanted, got) == 0)
			status = 0;
		else
			error_set(err, SNICERT_ESTORE, "the backup %s doesn't have the tables of a store: nothing was "
			    "changed; take another one", path);
	}
	free(wanted);
	free(got);
	close_borrowed(&fresh);
	return status;
}

static int
last_change(struct admin *admin, int64_t *sequence, struct snicert_error *err)
{
	*sequence = 0;
	return admin_number(admin, sequence, err, "SELECT max(sequence) FROM change", "");
}

/*
 * The copy's change log continues from the store's, for those who follow it.  The store's
 * connection can't be queried while it is copied into, so we use another.
 */
static int
go_on_counting(struct admin *copy, struct admin *store, struct snicert_error *err)
{
	struct admin now = { .path = store->path };
	struct snicert_error why = {0};
	int64_t before = 0, after = 0;
	int status = admin_connect(&now, ADMIN_READ, err);

	/* A backup repairs a store with a damaged log, so that must not stop it. */
	if (status == 0 && last_change(&now, &before, &why) != 0 && (sqlite3_errcode(now.db) & 0xff) != SQLITE_CORRUPT)
		status = error_set(err, (enum snicert_code)why.code, "%s", why.text);
	close_borrowed(&now);
	if (status != 0 || last_change(copy, &after, err) != 0)
		return -1;
	if (after < before && admin_run(copy, NULL, NULL, err,
	    "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'change'", "i", before) != 0)
		return -1;
	return admin_log(copy, "restore", NULL, 0, copy->path, err);
}

/* The store's place in a fleet is not the backup's; a damaged store's is lost. */
static int
keep_position(struct admin *copy, struct admin *store, struct snicert_error *err)
{
	struct admin_position position;

	admin_position(store, &position, NULL);
	return admin_set_position(copy, &position, err);
}

/* To the fleet first, as a change that replaces whole stores; by a file, which others read in parts. */
static int
carry(struct admin *admin, struct admin *scratch, const struct locked *locked, struct snicert_error *err)
{
	struct admin_position next = {0};
	char part[4200];
	int status = -1;

	snprintf(part, sizeof(part), "%s.restore", admin->path);
	admin_unlink(part); /* left by a killed run */
	if (when_locked(locked, scratch, admin, err) == 0 && admin_backup(scratch, part, err) == 0 &&
	    admin_carry_replace(admin, part, &next, err) == 0)
		status = admin_set_position(scratch, &next, err);
	admin_unlink(part);
	return status;
}

static int
carry_and_take(struct admin *admin, struct admin *scratch, const struct locked *locked, struct snicert_error *err)
{
	struct snicert_error why = {0};

	if (carry(admin, scratch, locked, err) != 0)
		return -1;
	return copy_all(admin, admin->db, scratch, NULL, &why) == 0 ? 0 : admin_carry_not_kept(&why, err);
}

/*
 * Through a copy, which is upgraded if it is from an older release, and gets the log's line:
 * a killed run leaves the store unchanged, or with all of that.
 */
static int
copy_checked(struct admin *admin, struct admin *from, int64_t schema, const struct locked *locked,
    struct snicert_error *err)
{
	struct admin scratch = {0};
	int status = -1;

	if (open_scratch(&scratch, "", err) == 0 && copy_all(&scratch, scratch.db, from, NULL, err) == 0) {
		scratch.path = from->path;
		if (schema < STORE_SCHEMA && admin_migrate(&scratch, NULL) != 0)
			error_set(err, SNICERT_ESTORE, "the backup %s doesn't have the tables of schema %lld: nothing was "
			    "changed; take another one", from->path, (long long)schema);
		else if (check_shape(&scratch, from->path, err) == 0 && keep_position(&scratch, admin, err) == 0)
			status = admin->is_carried ? carry_and_take(admin, &scratch, locked, err)
			    : copy_all(admin, admin->db, &scratch, locked, err);
		admin->changed = admin->changed || status == 0;
	}
	close_borrowed(&scratch);
	return status;
}

int
admin_restore(struct admin *admin, const char *path, admin_check_fn *check, void *arg,
    struct snicert_error *err)
{
	const struct locked locked = { check, arg };
	struct admin from = { .path = (char *)(uintptr_t)path };
	int64_t schema = STORE_SCHEMA;
	int status = -1;

	if (!tool_may(path, R_OK))
		return error_system(err, "can't read the backup %s", path);
	if (admin_connect(&from, ADMIN_READ, err) == 0 && check_backup(&from, &schema, err) == 0 &&
	    admin_carry_begin(admin, err) == 0)
		status = copy_checked(admin, &from, schema, &locked, err);
	admin_carry_end(admin, status == 0);
	close_borrowed(&from);
	return status;
}

int
admin_replace(struct admin *admin, const char *path, const struct admin_position *position, struct snicert_error *err)
{
	struct admin from = { .path = (char *)(uintptr_t)path };
	int status = -1;

	if (admin_connect(&from, ADMIN_WRITE, err) == 0 && check_shape(&from, path, err) == 0 &&
	    admin_set_position(&from, position, err) == 0)
		status = copy_all(admin, admin->db, &from, NULL, err);
	admin->changed = admin->changed || status == 0;
	close_borrowed(&from);
	return status;
}
