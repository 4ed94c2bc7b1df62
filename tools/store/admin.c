/* SPDX-License-Identifier: ISC */
/*
 * admin.c: the store, write side: schema, migrations, transactions, care of the
 * file.  The rows are admin_rows.c's.
 *
 * The store is in WAL mode and keeps its WAL file when the last writer closes
 * (SQLITE_FCNTL_PERSIST_WAL): that is what lets the module follow every commit
 * with no write permission at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "safety.h"
#include "store/admin.h"
#include "store/admin_sql.h"
#include "store/holder.h"
#include "tool.h"
#include "walindex.h"

#define PAGES_A_STEP 256
#define WAL_KEPT "67108864" /* octets the WAL file is cut back to */

/* Schema 1.  Later versions are steps behind it, never changes to it. */
static const char *const migrations[] = {
	"CREATE TABLE cert ("
	" id INTEGER PRIMARY KEY,"
	" sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),"
	" der BLOB NOT NULL,"
	" subject BLOB" /* of intermediates: what chains are completed by */
	") STRICT;"
	"CREATE INDEX cert_subject ON cert (subject) WHERE subject IS NOT NULL;"

	"CREATE TABLE chain ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" identity BLOB NOT NULL UNIQUE CHECK (length(identity) = 32),"
	" state TEXT NOT NULL CHECK (state IN ('staged', 'active', 'retired')),"
	" key_type TEXT NOT NULL,"
	" spki BLOB NOT NULL CHECK (length(spki) = 32),"
	" leaf BLOB NOT NULL CHECK (length(leaf) = 32),"
	" not_before INTEGER NOT NULL,"
	" not_after INTEGER NOT NULL,"
	" names TEXT NOT NULL,"
	" subject TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" created INTEGER NOT NULL,"
	" sealed_key BLOB,"
	" key_uri TEXT,"
	" CHECK ((sealed_key IS NULL) <> (key_uri IS NULL))"
	") STRICT;"
	"CREATE INDEX chain_leaf ON chain (leaf);"
	"CREATE INDEX chain_spki ON chain (spki);"
	"CREATE INDEX chain_names ON chain (names) WHERE state = 'active';"
	"CREATE INDEX chain_expiry ON chain (not_after) WHERE state = 'active';"
	"CREATE INDEX chain_retired ON chain (id) WHERE state = 'retired';"

	"CREATE TABLE chain_cert ("
	" chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE,"
	" position INTEGER NOT NULL,"
	" cert INTEGER NOT NULL REFERENCES cert,"
	" PRIMARY KEY (chain, position)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX chain_cert_cert ON chain_cert (cert);"

	"CREATE TABLE binding ("
	" name TEXT NOT NULL,"
	" key_type TEXT NOT NULL,"
	" chain INTEGER NOT NULL REFERENCES chain,"
	" PRIMARY KEY (name, key_type)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX binding_chain ON binding (chain);"

	"CREATE TABLE staged ("
	" chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" PRIMARY KEY (chain, name)"
	") STRICT, WITHOUT ROWID;"

	"CREATE TABLE former ("
	" name TEXT NOT NULL,"
	" key_type TEXT NOT NULL,"
	" sequence INTEGER NOT NULL,"
	" chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE,"
	" PRIMARY KEY (name, key_type, sequence)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX former_chain ON former (chain);"

	"CREATE TABLE change ("
	" sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
	" at INTEGER NOT NULL,"
	" who TEXT NOT NULL,"
	" what TEXT NOT NULL,"
	" name TEXT,"
	" chain INTEGER,"
	" detail TEXT"
	") STRICT;",

	/* Keys made ahead of their certificates; since when a chain waits to be bound. */
	"CREATE TABLE waiting ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" identity BLOB NOT NULL CHECK (length(identity) = 32),"
	" key_type TEXT NOT NULL,"
	" spki BLOB NOT NULL UNIQUE CHECK (length(spki) = 32),"
	" public_key BLOB NOT NULL,"
	" names TEXT NOT NULL,"
	" created INTEGER NOT NULL,"
	" sealed_key BLOB,"
	" key_uri TEXT,"
	" CHECK ((sealed_key IS NULL) <> (key_uri IS NULL))"
	") STRICT;"
	"CREATE TABLE waiting_name ("
	" name TEXT NOT NULL,"
	" waiting INTEGER NOT NULL REFERENCES waiting ON DELETE CASCADE,"
	" PRIMARY KEY (name, waiting)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX waiting_name_waiting ON waiting_name (waiting);"
	"ALTER TABLE staged ADD COLUMN since INTEGER;"
	"CREATE INDEX chain_staged ON chain (id) WHERE state = 'staged';",

	/* Whose a chain is; who changed what, by sudo and in which process. */
	"ALTER TABLE chain ADD COLUMN owner TEXT;"
	"CREATE INDEX chain_owner ON chain (owner) WHERE owner IS NOT NULL;"
	"ALTER TABLE change ADD COLUMN sudo TEXT;"
	"ALTER TABLE change ADD COLUMN pid INTEGER;"
	"UPDATE change SET who = substr(who, 1, instr(who, ' (sudo ') - 1),"
	" sudo = rtrim(substr(who, instr(who, ' (sudo ') + 7), ')') WHERE who LIKE '% (sudo %)';",

	/* What left its chain together; where a chain comes from, and what finds those it renews. */
	"ALTER TABLE former ADD COLUMN step INTEGER;"
	"ALTER TABLE chain ADD COLUMN lineage TEXT;"
	"CREATE INDEX chain_lineage ON chain (lineage) WHERE lineage IS NOT NULL;"
	"CREATE INDEX chain_subject ON chain (subject) WHERE state = 'active';"
	"CREATE INDEX chain_first_name ON chain (substr(names, 1, instr(names || ' ', ' ') - 1)) WHERE state = 'active';",

	/* Issuers by a name in whatever encoding; a chain ends with the first of its certificates
	 * that ends.  admin_date_chains() has the rest, which SQL can't say. */
	"ALTER TABLE chain ADD COLUMN lifetime INTEGER;"
	"DROP INDEX cert_subject;"
	"ALTER TABLE cert ADD COLUMN subject_hash INTEGER;"
	"CREATE INDEX cert_subject_hash ON cert (subject_hash) WHERE subject_hash IS NOT NULL;",
};

#define SCHEMA_DATED 5 /* the one of that step */

#define SCHEMA ((int)(sizeof(migrations) / sizeof(migrations[0])))

_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == STORE_SCHEMA,
    "store.h says which schema the module reads");

int
admin_trouble(const struct admin *admin, int rc, const char *what, struct snicert_error *err)
{
	const char *mend = "";
	char who[320];

	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_PROTOCOL)
		return error_set(err, SNICERT_ESTORE, "store %s: waited %u s for %s, which is writing: try again, or wait "
		    "longer with --wait", admin->path, admin_waits(), holder_describe(admin->path, who, sizeof(who)));
	if ((rc & 0xff) == SQLITE_FULL)
		mend = "; nothing was changed: make room and try again";
	else if (rc == SQLITE_IOERR_SHORT_READ && admin_wal_is_cut(admin))
		return error_set(err, SNICERT_ESTORE, "store %s: its -wal was removed or emptied while programs have the "
		    "store open: stop those (`fuser %s`), run `snicert verify`, and put a backup in with `snicert restore` "
		    "if something is missing", admin->path, admin->path);
	else if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
		mend = "; put a backup in with `snicert restore`";
	else if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_PERM)
		mend = "; run as the store's owner";
	return error_set(err, rc == SQLITE_NOMEM ? SNICERT_EMEMORY : SNICERT_ESTORE,
	    "store %s: %s: %s%s", admin->path, what,
	    admin->db != NULL ? sqlite3_errmsg(admin->db) : sqlite3_errstr(rc), mend);
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

static int
execute(struct admin *admin, const char *sql, struct snicert_error *err)
{
	int rc = sqlite3_exec(admin->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : admin_trouble(admin, rc, "failed", err);
}

int
admin_begin(struct admin *admin, struct snicert_error *err)
{
	admin->owners = 0; /* others may have written meanwhile */
	admin->step = 0;
	return execute(admin, "BEGIN IMMEDIATE", err);
}

int
admin_snapshot(struct admin *admin, struct snicert_error *err)
{
	return execute(admin, "BEGIN", err);
}

/* Servers look for commits once a tick of the kernel's clock, one to ten milliseconds
 * (module/lookup.c): in the next one, each handshake has what was committed in this. */
static void
await_tick(void)
{
	const struct timespec nap = { .tv_nsec = 500000 };
	struct timespec then, now;
	int naps = 0;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &then);
	do {
		nanosleep(&nap, NULL);
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	} while (now.tv_sec == then.tv_sec && now.tv_nsec == then.tv_nsec && ++naps < 1000);
}

int
admin_commit(struct admin *admin, struct snicert_error *err)
{
	if (admin_log_prune(admin, err) == 0 && execute(admin, "COMMIT", err) == 0) {
		admin->changed = true;
		await_tick();
		return 0;
	}
	admin_rollback(admin);
	return -1;
}

void
admin_rollback(struct admin *admin)
{
	/* SQLite leaves none where it had no memory for one. */
	if (admin != NULL && admin->db != NULL && !sqlite3_get_autocommit(admin->db))
		sqlite3_exec(admin->db, "ROLLBACK", NULL, NULL, NULL);
}

int
admin_savepoint(struct admin *admin, struct snicert_error *err)
{
	return execute(admin, "SAVEPOINT part", err);
}

int
admin_release(struct admin *admin, bool keep, struct snicert_error *err)
{
	return execute(admin, keep ? "RELEASE part" : "ROLLBACK TO part; RELEASE part", err);
}

/* PRAGMA answers; the texts differ from call to call, so nothing is kept. */
static int
pragma(struct admin *admin, const char *sql, int64_t *out)
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

static int
migrate(struct admin *admin, struct snicert_error *err)
{
	int64_t from = 0;
	char sql[64];
	int rc;

	if (admin_begin(admin, err) != 0)
		return -1;
	/* Only now: somebody else may have done it while this one waited. */
	rc = pragma(admin, "PRAGMA user_version", &from);
	if (rc != SQLITE_OK || from >= SCHEMA) {
		admin_rollback(admin);
		if (rc == SQLITE_OK && from > SCHEMA)
			return error_set(err, SNICERT_ESTORE, "store %s belongs to a newer release: install that", admin->path);
		return rc == SQLITE_OK ? 0 : admin_trouble(admin, rc, "can't be read", err);
	}
	for (int64_t i = from; i < SCHEMA; i++) {
		if (execute(admin, migrations[i], err) != 0 ||
		    (i + 1 == SCHEMA_DATED && admin_date_chains(admin, err) != 0)) {
			admin_rollback(admin);
			return -1;
		}
	}
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", SCHEMA);
	if (execute(admin, sql, err) != 0) {
		admin_rollback(admin);
		return -1;
	}
	return admin_commit(admin, err);
}

/* Whose file it is, and how old. */
static int
check_schema(struct admin *admin, enum admin_mode mode, struct snicert_error *err)
{
	int64_t application = 0, schema = 0;
	int rc = pragma(admin, "PRAGMA application_id", &application);

	if (rc == SQLITE_OK)
		rc = pragma(admin, "PRAGMA user_version", &schema);
	if (rc != SQLITE_OK)
		return admin_trouble(admin, rc, "can't be read", err);
	if (application != STORE_APPLICATION_ID)
		return error_set(err, SNICERT_ESTORE,
		    "%s is not a snicert store: give the right path",
		    admin->path);
	if (schema > SCHEMA)
		return error_set(err, SNICERT_ESTORE,
		    "store %s has schema %lld, this release knows %d: install the newer snicert",
		    admin->path, (long long)schema, SCHEMA);
	if (schema < SCHEMA && mode == ADMIN_WRITE)
		return migrate(admin, err);
	if (schema < SCHEMA)
		return error_set(err, SNICERT_ESTORE,
		    "store %s has the older schema %lld: run a command that writes, such as "
		    "`snicert verify`, as its owner", admin->path, (long long)schema);
	return 0;
}

static int
connect_file(struct admin *admin, enum admin_mode mode, struct snicert_error *err)
{
	int persist = 1;
	int rc = sqlite3_open_v2(admin->path, &admin->db,
	    (mode == ADMIN_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
	        SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return admin_trouble(admin, rc, "can't be opened", err);
	sqlite3_extended_result_codes(admin->db, 1);
	sqlite3_busy_handler(admin->db, admin_busy, admin);
	sqlite3_db_config(admin->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(admin->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_file_control(admin->db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
	sqlite3_exec(admin->db,
	    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
	    "PRAGMA secure_delete = ON; PRAGMA journal_size_limit = " WAL_KEPT, NULL, NULL, NULL);
	return 0;
}

static struct admin *
admin_new(const char *path, struct snicert_error *err)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	if (admin == NULL || (admin->path = strdup(path)) == NULL) {
		free(admin);
		error_set(err, SNICERT_EMEMORY, "no memory");
		return NULL;
	}
	return admin;
}

/* Whoever may write the store need not be told to, after an upgrade, before he looks. */
static int
bring_up_to_date(const char *path, struct snicert_error *err)
{
	struct admin *admin = admin_new(path, err);
	int64_t application = 0, schema = SCHEMA;
	int status = 0;

	if (admin == NULL)
		return -1;
	/* What is amiss with the file is found by the one who opens it to look. */
	if (connect_file(admin, ADMIN_READ, NULL) == 0 &&
	    pragma(admin, "PRAGMA application_id", &application) == SQLITE_OK &&
	    pragma(admin, "PRAGMA user_version", &schema) == SQLITE_OK &&
	    application == STORE_APPLICATION_ID && schema > 0 && schema < SCHEMA) {
		admin_close(admin);
		if ((status = admin_open(&admin, path, ADMIN_WRITE, err)) != 0)
			return -1;
	}
	admin_close(admin);
	return status;
}

int
admin_open(struct admin **out, const char *path, enum admin_mode mode, struct snicert_error *err)
{
	struct admin *admin;
	struct stat st;
	uid_t keeper;

	if (stat(path, &st) != 0) {
		if (errno == ENOENT)
			return error_set(err, SNICERT_ESTORE,
			    "there is no store at %s: make one with `snicert init`", path);
		return error_system(err, "store %s", path);
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, SNICERT_ESTORE, "store %s is not a regular file", path);
	if (!tool_may(path, R_OK))
		return error_system(err, "store %s can't be read (run as its owner, or in its group)", path);
	if (mode == ADMIN_WRITE && !tool_may(path, W_OK))
		return error_system(err, "store %s can't be written (run as its owner)", path);
	if (safety_folders(path, &keeper, err) != 0 || safety_check(path, &st, SAFETY_STORE, keeper, err) != 0)
		return -1;
	if (mode == ADMIN_READ && tool_may(path, W_OK) && bring_up_to_date(path, err) != 0)
		return -1;
	walindex_keep_open();
	admin = admin_new(path, err);
	if (admin == NULL)
		return -1;
	if (connect_file(admin, mode, err) != 0 || check_schema(admin, mode, err) != 0) {
		admin_close(admin);
		return -1;
	}
	*out = admin;
	return 0;
}

void
admin_close(struct admin *admin)
{
	if (admin == NULL)
		return;
	admin_rollback(admin);
	for (size_t i = 0; i < ADMIN_STATEMENTS; i++)
		sqlite3_finalize(admin->cache[i].statement);
	if (admin->changed)
		admin_checkpoint(admin);
	sqlite3_close(admin->db);
	free(admin->path);
	free(admin);
}

/* A WAL of a store that was deleted must not be taken for the new one's. */
static void
remove_leftovers(const char *path)
{
	static const char *const tails[] = { "-wal", "-shm", "-journal" };
	char name[4200];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (snprintf(name, sizeof(name), "%s%s", path, tails[i]) < (int)sizeof(name))
			unlink(name);
}

#define THERE_ALREADY "%s is there already: nothing was changed"

static int
create_file(const char *path, gid_t group, struct snicert_error *err)
{
	mode_t mode = group == (gid_t)-1 ? 0600 : 0640;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return error_set(err, SNICERT_ESTORE, THERE_ALREADY, path);
	if (fd < 0)
		return error_system(err, "can't create %s", path);
	/* Group and mode before SQLite makes the WAL and its index, which take them over. */
	if ((group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) != 0) || fchmod(fd, mode) != 0) {
		error_system(err, "can't give %s to the group", path);
		close(fd);
		unlink(path);
		return -1;
	}
	close(fd);
	return 0;
}

int
admin_create(const char *path, gid_t group, struct snicert_error *err)
{
	char sql[128];
	struct admin *admin;
	int status = -1;

	if (access(path, F_OK) != 0)
		remove_leftovers(path);
	if (create_file(path, group, err) != 0)
		return -1;
	admin = admin_new(path, err);
	if (admin == NULL)
		return -1;
	snprintf(sql, sizeof(sql), "PRAGMA journal_mode = WAL; PRAGMA application_id = %d",
	    STORE_APPLICATION_ID);
	if (connect_file(admin, ADMIN_WRITE, err) == 0 && execute(admin, sql, err) == 0 &&
	    migrate(admin, err) == 0 && admin_log(admin, "init", NULL, 0, NULL, err) == 0)
		status = 0;
	admin_close(admin);
	if (status != 0) {
		unlink(path);
		remove_leftovers(path);
	}
	return status;
}

/* What is done once nobody else can write, and before a page is copied. */
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
		/* In one go: a reader must not meet a store half restored.  It waits for others by itself. */
		while (rc == SQLITE_OK && status == 0) {
			rc = sqlite3_backup_step(backup, admin->copied == NULL ? -1 : PAGES_A_STEP);
			if (admin->copied != NULL && (rc == SQLITE_OK || rc == SQLITE_DONE))
				admin->copied(admin->copied_arg,
				    sqlite3_backup_pagecount(backup) - sqlite3_backup_remaining(backup),
				    sqlite3_backup_pagecount(backup));
		}
		sqlite3_backup_finish(backup);
		await_tick();
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

/* A state of the store is held on to, or a commit would have the copy begin again. */
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
	if ((!own || execute(admin, "BEGIN", err) == 0) &&
	    admin_number(admin, &any, err, "SELECT count(*) FROM sqlite_schema", "") == 0)
		status = copy_all(admin, to, admin, NULL, err);
	if (own)
		admin_rollback(admin);
	/* One file that stands alone: no WAL beside it. */
	if (status == 0 && sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
		status = error_set(err, SNICERT_ESTORE, "%s: %s", path, sqlite3_errmsg(to));
	sqlite3_close(to);
	return status;
}

/* A file that has come meanwhile is left alone. */
static int
give_name(const char *part, const char *path, struct snicert_error *err)
{
	if (renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ||
	    (errno == EINVAL && link(part, path) == 0)) /* not all file systems can do either */
		return 0;
	if (errno == EEXIST)
		return error_set(err, SNICERT_ESTORE, THERE_ALREADY, path);
	return error_system(err, "can't create %s", path);
}

/* Under another name until it is whole: what has the name of a backup is one. */
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
		return error_set(err, SNICERT_ESTORE, THERE_ALREADY, path);
	}
	unlink(part); /* of one that was killed */
	if (create_file(part, (gid_t)-1, err) == 0) {
		status = write_copy(admin, part, err);
		if (status == 0)
			status = give_name(part, path, err);
		unlink(part);
		remove_leftovers(part);
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

/* Before a page of it is copied. */
static int
check_backup(struct admin *from, int64_t *schema, struct snicert_error *err)
{
	struct snicert_error first = {0};
	int64_t application = 0;
	int faults = 0;

	if (pragma(from, "PRAGMA application_id", &application) != SQLITE_OK ||
	    pragma(from, "PRAGMA user_version", schema) != SQLITE_OK ||
	    application != STORE_APPLICATION_ID || *schema < 1 || *schema > SCHEMA) {
		/* Which says why, unless it was but a moment's trouble. */
		if (check_schema(from, ADMIN_READ, &first) == 0)
			return error_set(err, SNICERT_ESTORE, "the backup %s can't be read: nothing was changed; try again",
			    from->path);
		return error_set(err, (enum snicert_code)first.code, "%s", first.text);
	}
	if (admin_integrity(from, count_fault, &faults, &first) != 0 || faults > 0)
		return error_set(err, SNICERT_ESTORE,
		    "the backup %s is damaged: nothing was changed; take another one", from->path);
	return 0;
}

/* A database of no name: "" is a file that SQLite removes, ":memory:" is none. */
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

/* All tables with their columns, and what would act by itself.  Caller frees. */
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

/* Whether it has the tables of this release, and no others. */
static int
check_shape(struct admin *from, const char *path, struct snicert_error *err)
{
	struct admin fresh = {0};
	char *wanted = NULL, *got = NULL;
	int status = -1;

	if (open_scratch(&fresh, ":memory:", err) == 0 && migrate(&fresh, err) == 0) {
		wanted = shape(&fresh);
		got = shape(from);
		if (wanted != NULL && got != NULL && strcmp(wanted, got) == 0)
			status = 0;
		else
			error_set(err, SNICERT_ESTORE, "the backup %s has not the tables of a store: nothing was "
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
 * The copy's change log goes on where the store's ends, for those who follow it.  While
 * the store is being copied into its connection can't be asked, so another one is.
 */
static int
go_on_counting(struct admin *copy, struct admin *store, struct snicert_error *err)
{
	struct admin now = { .path = store->path };
	struct snicert_error why = {0};
	int64_t before = 0, after = 0;
	int status = connect_file(&now, ADMIN_READ, err);

	/* A backup is what mends a store whose log is damaged: that can't be in its way. */
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

/*
 * By way of a copy, where it is brought up to date if it is of an older release, and gets
 * the log's line: whoever is killed leaves the store as before, or with all of that.
 */
static int
copy_checked(struct admin *admin, struct admin *from, int64_t schema, const struct locked *locked,
    struct snicert_error *err)
{
	struct admin scratch = {0};
	int status = -1;

	if (open_scratch(&scratch, "", err) == 0 && copy_all(&scratch, scratch.db, from, NULL, err) == 0) {
		scratch.path = from->path;
		if (schema < SCHEMA && migrate(&scratch, NULL) != 0)
			error_set(err, SNICERT_ESTORE, "the backup %s has not the tables of schema %lld: nothing was "
			    "changed; take another one", from->path, (long long)schema);
		else if (check_shape(&scratch, from->path, err) == 0)
			status = copy_all(admin, admin->db, &scratch, locked, err);
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
	int64_t schema = SCHEMA;
	int status = -1;

	if (!tool_may(path, R_OK))
		return error_system(err, "can't read the backup %s", path);
	if (connect_file(&from, ADMIN_READ, err) == 0 && check_backup(&from, &schema, err) == 0)
		status = copy_checked(admin, &from, schema, &locked, err);
	close_borrowed(&from);
	return status;
}

struct integrity {
	void (*each)(void *arg, const char *fault);
	void *arg;
};

static int
integrity_row(void *arg, sqlite3_stmt *row)
{
	struct integrity *integrity = arg;
	const char *text = (const char *)sqlite3_column_text(row, 0);

	if (text != NULL && strcmp(text, "ok") != 0)
		integrity->each(integrity->arg, text);
	return 0;
}

int
admin_integrity(struct admin *admin, void (*each)(void *arg, const char *fault), void *arg,
    struct snicert_error *err)
{
	struct integrity integrity = { each, arg };

	if (admin_run(admin, integrity_row, &integrity, err, "PRAGMA integrity_check", "") != 0)
		return -1;
	return admin_run(admin, integrity_row, &integrity, err,
	    "SELECT 'table ' || \"table\" || ifnull(' row ' || rowid, '') || ' refers to no row of ' || parent"
	    " FROM pragma_foreign_key_check", "");
}
