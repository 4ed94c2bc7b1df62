/* SPDX-License-Identifier: ISC */
/* admin_sql.h: running SQL, for admin*.c only. */
#ifndef SNICERT_ADMIN_SQL_H
#define SNICERT_ADMIN_SQL_H

/* The session extension's part of the header. */
#define SQLITE_ENABLE_SESSION 1
#define SQLITE_ENABLE_PREUPDATE_HOOK 1
#include <sqlite3.h>

#include "store/admin.h"
#include "store/admin_fleet.h"

#define ADMIN_STATEMENTS 64

struct admin {
	sqlite3 *db;
	char *path;
	char user[64];          /* who runs this; "": not asked */
	bool changed;           /* committed: admin_checkpoint() is due */
	bool take;              /* admin_take() */
	int64_t busy_since;     /* admin_busy(), by clock_ms() */
	bool busy_said;
	int64_t step;           /* marks former chains of this transaction; 0: not asked */
	sqlite3_session *session; /* records this transaction; NULL: nobody wants it */
	struct admin_replay *replays; /* admin_apply.c's statements */
	bool is_carried;        /* to a fleet, by whom admin_fleet.h says */
	int owners;             /* whether any chain has an owner: 1, -1 no, 0 not asked */
	void (*copied)(void *arg, int done, int all); /* admin_on_copied() */
	void *copied_arg;
	/* Statements already prepared, by their text's address. */
	struct {
		const char *sql;
		sqlite3_stmt *statement;
	} cache[ADMIN_STATEMENTS];
};

/** Called for each row; nonzero ends the statement with it. */
typedef int admin_row_fn(void *arg, sqlite3_stmt *row);

/**
 * Run one statement; its text must be a string literal (kept by address).  `types` lists the
 * arguments: i int64_t, t text or NULL, b blob (pointer, size_t; a NULL pointer is NULL).
 * Returns 0, a callback's value, or -1 with *err set.
 */
int admin_run(struct admin *, admin_row_fn *row, void *arg, struct snicert_error *err,
    const char *sql, const char *types, ...);

/** The first column of the first row; without a row, *out doesn't change. */
int admin_number(struct admin *, int64_t *out, struct snicert_error *err, const char *sql,
    const char *types, ...);

/** Statements with varying texts: nothing is cached, nothing returned. */
int admin_execute(struct admin *, const char *sql, struct snicert_error *err);

/** Reads a PRAGMA; SQLite's code. */
int admin_pragma(struct admin *, const char *sql, int64_t *out);

/** A digest in a row, which may be too short in a store that somebody tampered with; the same for text. */
const unsigned char *admin_digest(sqlite3_stmt *row, int column);
const char *admin_text(sqlite3_stmt *row, int column);

/** Open admin->path as it is. */
int admin_connect(struct admin *, enum admin_mode, struct snicert_error *err);

/** Whether the file is ours, and its schema; upgrades it to write. */
int admin_check_schema(struct admin *, enum admin_mode, struct snicert_error *err);
int admin_migrate(struct admin *, struct snicert_error *err);

#define ADMIN_THERE_ALREADY "%s exists already: nothing was changed"

/**
 * A new file for a store, which nobody else can read yet except, if `listed`, those in the
 * directory's default access list; and what SQLite leaves beside one that failed.
 */
int admin_create_file(const char *path, gid_t group, bool listed, struct snicert_error *err);
void admin_remove_leftovers(const char *path);

/** Wait for the next tick of the kernel's clock, when servers look for commits. */
void admin_await_tick(void);

/** A row of these, for a callback of admin.h. */
struct admin_each_chain {
	admin_each_chain_fn *each;
	void *arg;
};
int admin_chain_row(void *arg, sqlite3_stmt *row);
#define ADMIN_CHAIN_COLUMNS                                                                 \
	"SELECT id, identity, spki, leaf, state, key_type, not_before, not_after, created, names," \
	" subject, source, key_uri, (SELECT count(*) FROM binding WHERE binding.chain = chain.id)," \
	" owner, lineage, ifnull(lifetime, not_after - not_before) FROM chain "

/** SQLite's busy handler, of a struct admin: waits as long as admin_wait() says. */
int admin_busy(void *arg, int calls);
unsigned admin_waits(void);

/** After the upgrade to that schema: when each chain expires, and the issuers' names. */
int admin_date_chains(struct admin *, struct snicert_error *err);

/**
 * What nothing needs any more: retired chains that no roll-back needs, certificates without a chain.  Noted
 * from admin_prune_begin on, deleted with each commit; or looked for in the whole store.
 */
int admin_prune_begin(struct admin *, struct snicert_error *err);
int admin_prune(struct admin *, struct snicert_error *err);
int admin_prune_all(struct admin *, struct snicert_error *err);

/** With each commit: delete lines of the change log that are too old. */
int admin_log_prune(struct admin *, struct snicert_error *err);

/** admin_begin() for this store alone, as for upgrades. */
int admin_begin_here(struct admin *, struct snicert_error *err);

/** Around a transaction that may be carried to a fleet: admin_carry_begin before the store is locked. */
int admin_carry_begin(struct admin *, struct snicert_error *err);
int admin_carry_commit(struct admin *, struct admin_position *next, struct snicert_error *err);
int admin_carry_replace(struct admin *, const char *path, struct admin_position *next, struct snicert_error *err);
void admin_carry_end(struct admin *, bool kept);
/** It is carried, and then this store failed, of `why`. */
int admin_carry_not_kept(const struct snicert_error *why, struct snicert_error *err);

/** Before the store is closed: admin_apply's statements. */
void admin_replay_free(struct admin *);

/** Record what this transaction changes, for admin_changes_so_far. */
int admin_record_begin(struct admin *, struct snicert_error *err);
void admin_record_end(struct admin *);

/** Copy the WAL into the store's file, as far as readers allow. */
void admin_checkpoint(struct admin *);
/** Whether the WAL is absent or empty. */
bool admin_wal_is_cut(const struct admin *);

/** Those who may read the store may read its companion files. */
void admin_share(const struct admin *);

/** *err from SQLite's state. */
int admin_trouble(const struct admin *, int rc, const char *what, struct snicert_error *err);

#endif
