/* SPDX-License-Identifier: ISC */
/*
 * admin.c: the store, write side: creating it, opening it, transactions.
 *
 * The store is in WAL mode and keeps its WAL file when the last writer closes
 * (SQLITE_FCNTL_PERSIST_WAL): that lets the module follow every commit without any write
 * permission.
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

#include "acl.h"
#include "error.h"
#include "safety.h"
#include "store/admin.h"
#include "store/admin_sql.h"
#include "store/holder.h"
#include "tool.h"
#include "walindex.h"

#define WAL_KEPT "67108864" /* octets the WAL file is cut back to */

int
admin_begin_here(struct admin *admin, struct snicert_error *err)
{
	admin->owners = 0; /* others may have written meanwhile */
	admin->step = 0;
	/* For admin_bind(): not within a savepoint, which may be rolled back. */
	if (admin_execute(admin, "BEGIN IMMEDIATE; CREATE TEMP TABLE IF NOT EXISTS fresh"
	        " (name TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM temp.fresh", err) != 0)
		return -1;
	return admin_prune_begin(admin, err);
}

int
admin_begin(struct admin *admin, struct snicert_error *err)
{
	if (admin_carry_begin(admin, err) != 0)
		return -1;
	if (admin_begin_here(admin, err) == 0 && (!admin->is_carried || admin_record_begin(admin, err) == 0))
		return 0;
	admin_rollback(admin);
	return -1;
}

int
admin_snapshot(struct admin *admin, struct snicert_error *err)
{
	return admin_execute(admin, "BEGIN", err);
}

/* Servers look for commits once per tick of the kernel's clock, one to ten milliseconds
 * (module/lookup.c): in the next tick, each handshake sees this commit. */
void
admin_await_tick(void)
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

/* Where it now stands in a fleet's history, if it does, is in the same transaction. */
static int
commit_at(struct admin *admin, const struct admin_position *next, struct snicert_error *err)
{
	struct snicert_error why = {0};

	if ((!next->is_member || admin_set_position(admin, next, &why) == 0) && admin_execute(admin, "COMMIT", &why) == 0)
		return 0;
	if (next->is_member)
		return admin_carry_not_kept(&why, err);
	return error_set(err, (enum snicert_code)why.code, "%s", why.text);
}

int
admin_commit(struct admin *admin, struct snicert_error *err)
{
	struct admin_position next = {0};

	if (admin_prune(admin, err) != 0 || admin_log_prune(admin, err) != 0 || admin_carry_commit(admin, &next, err) != 0 ||
	    commit_at(admin, &next, err) != 0) {
		admin_rollback(admin);
		return -1;
	}
	admin->changed = true;
	tool_changed();
	admin_await_tick();
	admin_carry_end(admin, true);
	return 0;
}

void
admin_rollback(struct admin *admin)
{
	if (admin == NULL)
		return;
	/* SQLite returns no handle if it ran out of memory. */
	if (admin->db != NULL && !sqlite3_get_autocommit(admin->db))
		sqlite3_exec(admin->db, "ROLLBACK", NULL, NULL, NULL);
	admin_carry_end(admin, false);
}

int
admin_savepoint(struct admin *admin, struct snicert_error *err)
{
	return admin_execute(admin, "SAVEPOINT part", err);
}

int
admin_release(struct admin *admin, bool keep, struct snicert_error *err)
{
	return admin_execute(admin, keep ? "RELEASE part" : "ROLLBACK TO part; RELEASE part", err);
}

int
admin_connect(struct admin *admin, enum admin_mode mode, struct snicert_error *err)
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

/* After an upgrade, whoever may write the store needn't upgrade it before looking. */
static int
bring_up_to_date(const char *path, struct snicert_error *err)
{
	struct admin *admin = admin_new(path, err);
	int64_t application = 0, schema = STORE_SCHEMA;
	int status = 0;

	if (admin == NULL)
		return -1;
	/* The reader's own open finds what is wrong with the file. */
	if (admin_connect(admin, ADMIN_READ, NULL) == 0 &&
	    admin_pragma(admin, "PRAGMA application_id", &application) == SQLITE_OK &&
	    admin_pragma(admin, "PRAGMA user_version", &schema) == SQLITE_OK &&
	    application == STORE_APPLICATION_ID && schema > 0 && schema < STORE_SCHEMA) {
		admin_close(admin);
		admin = NULL;
		status = admin_open(&admin, path, ADMIN_WRITE, err);
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
			    "there is no store at %s: create one with `snicert init`", path);
		return error_system(err, "store %s", path);
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, SNICERT_ESTORE, "store %s is not a regular file", path);
	if (!tool_may(path, R_OK))
		return error_system(err, "store %s can't be read (run as its owner, or in its group)", path);
	if (mode == ADMIN_WRITE && !tool_may(path, W_OK))
		return error_system(err, "store %s can't be written (run as its owner)", path);
	if (safety_directories(path, &keeper, err) != 0 || safety_check(path, &st, SAFETY_STORE, keeper, err) != 0)
		return -1;
	if (mode == ADMIN_READ && tool_may(path, W_OK) && bring_up_to_date(path, err) != 0)
		return -1;
	walindex_keep_open();
	admin = admin_new(path, err);
	if (admin == NULL)
		return -1;
	if (admin_connect(admin, mode, err) != 0 || admin_check_schema(admin, mode, err) != 0) {
		admin_close(admin);
		return -1;
	}
	admin_share(admin);
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
	admin_replay_free(admin);
	if (admin->changed)
		admin_checkpoint(admin);
	sqlite3_close(admin->db);
	free(admin->path);
	free(admin);
}

/* A deleted store's WAL must not pass for the new one's. */
void
admin_remove_leftovers(const char *path)
{
	static const char *const tails[] = { "-wal", "-shm", "-journal" };
	char name[4200];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (snprintf(name, sizeof(name), "%s%s", path, tails[i]) < (int)sizeof(name))
			unlink(name);
}


int
admin_create_file(const char *path, gid_t group, bool listed, struct snicert_error *err)
{
	mode_t mode = group == (gid_t)-1 ? 0600 : 0640;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return error_set(err, SNICERT_ESTORE, ADMIN_THERE_ALREADY, path);
	if (fd < 0)
		return error_system(err, "can't create %s", path);
	/* Group and mode before SQLite creates the WAL and its index: they inherit them. */
	if ((group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) != 0) ||
	    (listed ? acl_fchmod(fd, mode) : fchmod(fd, mode)) != 0) {
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
		admin_remove_leftovers(path);
	if (admin_create_file(path, group, true, err) != 0)
		return -1;
	admin = admin_new(path, err);
	if (admin == NULL)
		return -1;
	snprintf(sql, sizeof(sql), "PRAGMA journal_mode = WAL; PRAGMA application_id = %d",
	    STORE_APPLICATION_ID);
	if (admin_connect(admin, ADMIN_WRITE, err) == 0 && admin_execute(admin, sql, err) == 0 &&
	    admin_migrate(admin, err) == 0 && admin_log(admin, "init", NULL, 0, NULL, err) == 0)
		status = 0;
	admin_share(admin);
	admin_close(admin);
	if (status != 0) {
		unlink(path);
		admin_remove_leftovers(path);
	}
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
